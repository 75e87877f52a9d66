"""The testing checklist and the load tests as the report tells them."""

from __future__ import annotations

import msgspec

from wsdash.engine.fold import RunView
from wsdash.model import LoadRung
from wsdash.plan import Plan


class TestReport(msgspec.Struct):
    """One line of the testing checklist, and what its newest trial saw."""

    __test__ = False

    id: str
    group: str
    title: str
    state: str
    evidence: str = ""
    who: str = ""


class LoadReport(msgspec.Struct):
    """One load test: api is baseline, old or new; load is read or mixed; times in seconds."""

    api: str
    url: str
    load: str
    rungs: tuple[LoadRung, ...]


def checklist_tests(view: RunView, plan: Plan, group: str = "") -> list[TestReport]:
    """Every line of the list (or of one group), tried or not."""
    chosen = [test for test in plan.tests if group in ("", test.group)]
    seen = [(test, view.item(test.id)) for test in chosen]
    return [
        TestReport(test.id, test.group, test.title, str(look.state), look.evidence, look.who)
        for test, look in seen
    ]


def load_reports(view: RunView) -> list[LoadReport]:
    """The newest load test of each API and kind."""
    return [LoadReport(one.api, one.url, one.load, one.rungs) for one in view.loads.values()]
