"""The testing checklist and the load tests as the report tells them."""

from __future__ import annotations

from wsdash.model.fold import RunView
from wsdash.plan import Plan
from wsdash.review.report.form import LoadReport, TestReport
from wsdash.review.report.times import iso


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
