"""The testing checklist and the load tests in the report: what was measured, and how both sides compare."""

from __future__ import annotations

from wsdash.model.fold import RunView
from wsdash.plan import Plan
from wsdash.review.report.blocks import BAD, INSUFFICIENT, NUMBER, WAIT, Cell, Grid, Section, iso, ms
from wsdash.review.report.form import LoadReport, Report, TestReport
from wsdash.timeline.evidence import FEWEST


def checklist_tests(view: RunView, plan: Plan, group: str = "") -> list[TestReport]:
    """Every line of the list (or of one group), tried or not."""
    chosen = [test for test in plan.tests if group in ("", test.group)]
    seen = [(test, view.item(test.id)) for test in chosen]
    return [
        TestReport(
            test.id,
            test.group,
            test.title,
            str(look.state),
            look.evidence,
            look.who,
            iso(look.changed_at) if look.changed_at else None,
        )
        for test, look in seen
    ]


def load_reports(view: RunView) -> list[LoadReport]:
    """The newest load test of each API and kind."""
    return [LoadReport(one.api, one.url, one.load, one.rungs) for one in view.loads.values()]


def load_compared(loads: list[LoadReport]) -> list[tuple[int, dict[str, float | None]]]:
    """Reads by number of clients: p95 (seconds) of the baseline, the old and the new API, and the new one's
    against the baseline's (or the old one's): a ratio. None where that was not measured."""
    p95 = {one.api: {rung.clients: rung.p95 for rung in one.rungs} for one in loads if one.load == "read"}
    clients = sorted({number for rungs in p95.values() for number in rungs})
    rows: list[tuple[int, dict[str, float | None]]] = []
    for number in clients:
        apis = ("baseline", "old", "new")
        row: dict[str, float | None] = {api: p95.get(api, {}).get(number) for api in apis}
        before = row["baseline"] or row["old"]
        row["ratio"] = row["new"] / before if row["new"] is not None and before else None
        rows.append((number, row))
    return rows


def load_section(report: Report) -> Section:
    """Each load test, and old against new; which side was not measured is said."""
    if not report.load_test:
        return Section("Load test", (f"{INSUFFICIENT.capitalize()}: no load test was run.",))
    below = []
    for one in report.load_test:
        rows = tuple(
            (
                Cell(f"{rung.clients}", NUMBER),
                Cell(f"{rung.per_second:.0f}", NUMBER),
                *(ms(value) for value in (rung.p50, rung.p95, rung.p99, rung.worst)),
                Cell(f"{rung.errors} of {rung.requests + rung.errors}", BAD if rung.errors else NUMBER),
            )
            for rung in one.rungs
        )
        head = ("clients", "requests/s", "p50", "p95", "p99", "worst", "failed")
        kind = "reads" if one.load == "read" else "80 % reads, 20 % writes"
        lead = [one.url]
        if any(rung.requests < FEWEST for rung in one.rungs):
            lead.append(f"{INSUFFICIENT.capitalize()} for a p99 where fewer than {FEWEST} answers came.")
        name = SIDES[one.api]
        below.append(Section(f"{name[:1].upper()}{name[1:]}: {kind}", tuple(lead), (Grid(head, rows),)))
    return Section("Load test", *_compared_load(report), below=tuple(below))


SIDES = {"baseline": "the old API before the migration", "old": "the old API", "new": "the new API"}


def _compared_load(report: Report) -> tuple[tuple[str, ...], tuple[Grid, ...]]:
    rows = load_compared(report.load_test)
    lead = _unmeasured(report)
    if not any(row["ratio"] is not None for _, row in rows):
        return (*lead, f"{INSUFFICIENT.capitalize()}: both sides were not measured with as many clients."), ()
    names = {"baseline": "old API before (p95)", "old": "old API now (p95)", "new": "new API (p95)"}
    measured = [api for api in names if any(row[api] is not None for _, row in rows)]
    cells = tuple(
        (
            Cell(f"{clients}", NUMBER),
            *(ms(row[api]) for api in measured),
            Cell(INSUFFICIENT, WAIT) if row["ratio"] is None else Cell(f"{row['ratio']:.2f}x", NUMBER),
        )
        for clients, row in rows
    )
    head = ("clients", *(names[api] for api in measured), "new against before")
    return ("Reads with as many clients, before the migration and now.", *lead), (Grid(head, cells),)


def _unmeasured(report: Report) -> tuple[str, ...]:
    """Which side was not loaded, by the kind of load."""
    cells = []
    for load, kind in (("read", "reads"), ("mixed", "80 % reads, 20 % writes")):
        measured = {one.api for one in report.load_test if one.load == load}
        before = [] if measured & {"baseline", "old"} else [SIDES["baseline"]]
        lacking = before + ([] if "new" in measured else [SIDES["new"]])
        if measured and lacking:
            cells.append(f"Not measured ({kind}): {' and '.join(lacking)}.")
    return tuple(cells)
