"""The load tests as a section of the report: what was measured, on which side, and how they compare."""

from __future__ import annotations

from wsdash.review.blocks import BAD, INSUFFICIENT, NUMBER, WAIT, Cell, Grid, Section, ms
from wsdash.review.report.form import Report
from wsdash.review.report.testing import load_compared
from wsdash.timeline.evidence import FEWEST


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
