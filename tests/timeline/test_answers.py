"""Every criterion passes, fails, or cannot be told because too little was seen: each answer is seen here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.timeline.support import BEGAN, CONTAINERS, PLAN, SPEC, Value, at_day, calm, lived, migrated
from wsdash.config import Thresholds
from wsdash.history.reader import HistoryReader
from wsdash.history.store import HistoryWriter
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerRestarted,
    CriterionConfirmed,
    DecisionRecorded,
    EndpointTimes,
    ItemChanged,
    ItemIntended,
    ItemState,
    LoadRung,
    LoadTested,
    TableVerified,
)
from wsdash.timeline.evidence import DAY, SampleEvidence, Window
from wsdash.timeline.judge import find

HOUR = 3600.0
DAYS = 1.0
PASS, FAIL, UNKNOWN = True, False, None


@dataclass
class Lived:
    """A day after a migration; without a change all is well but for what only people do."""

    events: list[tuple[float, AnyEvent]] = field(default_factory=list)
    latency: Value = calm
    series: dict[str, Value] = field(default_factory=dict)
    watched: Callable[[float], bool] = lambda at: True
    before: int = 200
    """Answers of the old service before its stop."""
    starts_told: bool = True

    def then(self, *events: AnyEvent, at: float = HOUR) -> Lived:
        self.events += [(at, event) for event in events]
        return self


def item(name: str, state: ItemState, who: str = "") -> ItemChanged:
    return ItemChanged(name, state, f"{name} {state}", who=who)


def tick(name: str, holds: bool) -> Lived:
    return Lived().then(CriterionConfirmed(name, holds, "Ana"))


def hole(at: float) -> bool:
    """Nobody looks for sixteen minutes: more than may pass, though 98 % of the day is watched."""
    return not 5 * HOUR <= at < 5 * HOUR + 960


def alert(severity: str, begun: float, ended: float) -> Lived:
    raised = AlertChanged("target-down", True, "no answer", BEGAN + begun, severity=severity)
    over = AlertChanged("target-down", False, "well", BEGAN + ended, severity=severity)
    made = Lived()
    made.events = [(begun, raised), (ended, over)]
    return made


def load(p50: float) -> LoadRung:
    return LoadRung(1, 100, 0, 50.0, p50, p50, p50, p50)


def loads(new: float | None) -> Lived:
    made = Lived(before=8).then(LoadTested("baseline", "http://old", "read", (load(0.004),)))
    return made.then(LoadTested("new", "http://new", "read", (load(new),))) if new is not None else made


def endpoint(new: float) -> Lived:
    """The list, which is probed, is as fast as ever; the load tests know of another endpoint."""

    def rung(p50: float) -> LoadRung:
        return LoadRung(
            1,
            100,
            0,
            50.0,
            0.01,
            0.05,
            0.05,
            0.05,
            endpoints=(EndpointTimes("GET /api/items/:id", 50, p50, p50),),
        )

    made = Lived().then(LoadTested("baseline", "http://old", "read", (rung(0.004),)))
    return made.then(LoadTested("new", "http://new", "read", (rung(new),)))


def sometimes(every: int) -> Value:
    """No answer at one minute in so many, from the second hour on."""
    return lambda at: None if at > HOUR and int(at // 60) % every == 0 else calm(at)


def down(seconds: float, since: float = 3 * HOUR) -> Value:
    return lambda at: None if since <= at < since + seconds else calm(at)


def at_end(value: float) -> Value:
    return lambda at: value if at > DAY - 600 else 1.0


def removed(name: str) -> Value:
    """The last reading of a container is an hour old at the end of the day."""
    return lambda at: None if at > DAY - HOUR else 1.0


ONE = f"health__{CONTAINERS[1].replace('-', '_')}"
ERRORS = "errors__workspace_api"
CASES: dict[str, list[tuple[Lived, bool | None, str]]] = {
    "tests-pass": [
        (Lived(), PASS, "17 of 17 hold"),
        (Lived().then(item("test-memory", ItemState.FAILED)), FAIL, "16 of 17 hold; failed: test-memory"),
        (
            Lived().then(item("test-no-errors", ItemState.INSUFFICIENT)),
            UNKNOWN,
            "16 of 17 hold; not done: test-no-errors (insufficient)",
        ),
        (
            Lived().then(item("test-kanban", ItemState.DONE, "--yes")),
            UNKNOWN,
            "nobody confirmed, --yes was said: test-kanban",
        ),
    ],
    "zero-data-loss": [
        (Lived(), PASS, "1 of 1 tables equal"),
        (Lived().then(TableVerified("workspace.x", 2, 1, "a", "b", False)), FAIL, "1 of 2 tables equal"),
        (Lived().then(ItemIntended("migrate-data", "act", 2)), UNKNOWN, "not compared yet"),
    ],
    "no-p1-incidents": [
        (Lived(), PASS, "0"),
        (alert("warning", HOUR, 2 * HOUR), PASS, "0"),
        (alert("critical", HOUR, 2 * HOUR), FAIL, "1: target-down"),
        (alert("critical", -30.0, 10.0), PASS, "0"),
        (alert("critical", -30.0, 90.0), FAIL, "1: target-down"),
        (Lived(watched=hole), UNKNOWN, "nobody looked for 16 min"),
    ],
    "no-restarts": [
        (Lived(), PASS, "0, in 4 containers"),
        (Lived().then(ContainerRestarted(CONTAINERS[1], "exit code 137")), FAIL, "workspace-db-compute: 1"),
        (Lived().then(ContainerRestarted(CONTAINERS[1], "started anew", "Ana")), PASS, "1 asked for"),
        (Lived(watched=hole), UNKNOWN, "0 seen; 1 of 1"),
        (Lived(starts_told=False), UNKNOWN, "0 seen; no start time known: workspace-api, "),
    ],
    "api-latency": [
        (Lived(), PASS, "at most 40 ms in every 24 h"),
        (Lived(latency=lambda at: 0.3 if at < 2 * HOUR else 0.04), FAIL, " ms in 24 h no. 1"),
        (Lived(latency=sometimes(3)), FAIL, "no answer in 24 h no. 1"),
        (Lived(watched=hole), UNKNOWN, "at most 40 ms; 1 of 1 × 24 h watched too little"),
        (Lived(latency=lambda at: 0.3, watched=lambda at: at < 12 * HOUR), FAIL, " ms in 24 h no. 1"),
        (Lived(watched=lambda at: at < 60 * 60), UNKNOWN, "nothing measured"),
    ],
    "api-answers": [
        (Lived(), PASS, "at most 0.00%"),
        (Lived(latency=sometimes(3)), FAIL, "in 24 h no. 1"),
        (Lived(watched=hole), UNKNOWN, "nobody looked for 16 min"),
    ],
    "no-downtime": [
        (Lived(), PASS, "0 s down in all"),
        (Lived(latency=down(120)), PASS, "2 min down in all"),
        (Lived(latency=down(2 * HOUR)), FAIL, "2 h down in 24 h no. 1"),
        (Lived(watched=hole), UNKNOWN, "0 s down; nobody looked for 16 min"),
        (
            Lived(latency=down(120), watched=lambda at: not 9 * HOUR <= at < 9 * HOUR + 120),
            UNKNOWN,
            "2 min down; nobody looked for 2 min",
        ),
    ],
    "error-rate": [
        (Lived(), PASS, "at most 0 per minute in every 24 h"),
        (
            Lived(series={"errors__workspace_api": lambda at: 9.0 if at == HOUR else 0.0}),
            FAIL,
            "9 per minute",
        ),
        (Lived(series={"errors__workspace_api": lambda at: 40.0 if at < 60 else 0.0}), PASS, "at most 0"),
        (Lived(watched=hole), UNKNOWN, "nobody looked for 16 min"),
    ],
    "disk": [
        (Lived(), PASS, "at most 50.0 %"),
        (Lived(series={"disk__percent": lambda at: 80.2 if at == HOUR else 50.0}), FAIL, "80.2 %"),
        (Lived(watched=hole), UNKNOWN, "at most 50.0 %; 1 of 1"),
    ],
    "memory": [
        (Lived(), PASS, "at most 477 MiB"),
        (Lived(series={"memory__stack": lambda at: 3e9}), FAIL, "2,861 MiB"),
        (Lived(watched=hole), UNKNOWN, "nobody looked for 16 min"),
    ],
    "team-comfortable": [
        (tick("team-comfortable", True), PASS, "yes, says Ana"),
        (tick("team-comfortable", False), FAIL, "no, says Ana"),
        (Lived(), UNKNOWN, "nobody said so yet"),
    ],
    "go-recorded": [
        (Lived().then(DecisionRecorded(7, True, "Ana", "calm")), PASS, "go by Ana: calm"),
        (Lived().then(DecisionRecorded(7, False, "Ana", "slow")), FAIL, "no-go by Ana: slow"),
        (Lived(), UNKNOWN, "nothing was decided yet"),
    ],
    "containers-healthy": [
        (Lived(), PASS, "4 of 4: workspace-api"),
        (Lived(series={ONE: at_end(0.0)}), FAIL, "not running and healthy: workspace-db-compute"),
        (Lived(series={ONE: removed(ONE)}), UNKNOWN, "not read in the last 5 min: workspace-db-compute"),
        (Lived(watched=lambda at: at < DAY - 900), UNKNOWN, "not read in the last 5 min"),
    ],
    "branching-functional": [
        (Lived().then(item("branching", ItemState.DONE)), PASS, "branching done"),
        (Lived().then(item("branching", ItemState.FAILED)), FAIL, "failed: branching"),
        (Lived(), UNKNOWN, "not done: branching (pending)"),
    ],
    "team-start-stop": [
        (tick("team-start-stop", True), PASS, "yes, says Ana"),
        (tick("team-start-stop", False), FAIL, "no, says Ana"),
        (Lived(), UNKNOWN, "nobody said so yet"),
    ],
    "monitoring-integrated": [
        (Lived(), PASS, "update-dashboards holds"),
        (Lived().then(item("update-dashboards", ItemState.FAILED)), FAIL, "failed: update-dashboards"),
        (Lived().then(item("update-dashboards", ItemState.PENDING)), UNKNOWN, "not done: update-dashboards"),
    ],
    "documentation-complete": [
        (Lived().then(item("update-docs", ItemState.DONE)), PASS, "update-docs done"),
        (Lived().then(item("update-docs", ItemState.FAILED)), FAIL, "failed: update-docs"),
        (Lived(), UNKNOWN, "not done: update-docs (pending)"),
    ],
    "rollback-tested": [
        (tick("rollback-tested", True), PASS, "yes, says Ana"),
        (tick("rollback-tested", False), FAIL, "no, says Ana"),
        (Lived(), UNKNOWN, "nobody said so yet"),
    ],
    "features-working": [
        (Lived(), PASS, "8 of 8 hold"),
        (Lived().then(item("test-update", ItemState.FAILED)), FAIL, "7 of 8 hold; failed: test-update"),
        (Lived().then(item("test-kanban", ItemState.PENDING)), UNKNOWN, "not done: test-kanban (pending)"),
    ],
    "performance-kept": [
        (Lived(), PASS, "50 ms before, at most 40 ms in every 24 h"),
        (Lived(latency=lambda at: 0.06), FAIL, "50 ms before, 60 ms in 24 h no. 1"),
        (Lived(latency=sometimes(3)), FAIL, "50 ms before, no answer"),
        (Lived(watched=hole), UNKNOWN, "nobody looked for 16 min"),
        (Lived(watched=lambda at: at < 7 * HOUR), UNKNOWN, "29% of the minutes, wanted 90%"),
        (Lived(latency=lambda at: 0.3, watched=lambda at: at < 12 * HOUR), FAIL, "300 ms in 24 h no. 1"),
        (Lived(before=8), UNKNOWN, "8 answers of the old service, wanted 100; no load test of the old one"),
        (loads(None), UNKNOWN, "no load test of the new service"),
        (loads(0.0041), PASS, "load tests with 1 numbers of clients: none slower"),
        (loads(0.04), FAIL, "p50 with 1 clients is 40.0 ms, it was 4.0 ms"),
        (endpoint(0.004), PASS, "50 ms before, at most 40 ms in every 24 h"),
        (endpoint(0.04), FAIL, "p50 of GET /api/items/:id with 1 clients is 40.0 ms, it was 4.0 ms"),
    ],
}


def told(made: Lived, path: Path) -> HistoryReader:
    writer = HistoryWriter.open(path)
    for second in range(made.before):
        writer.add("latency:api-old", BEGAN - 290 + second, 0.050)
    writer.flush()
    writer.close()
    left_out = () if made.starts_told else tuple(f"restarted:{name}" for name in CONTAINERS)
    return lived(path, DAYS, left_out, latency=made.latency, watched=made.watched, **made.series)


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, cases in CASES.items() for number in range(len(cases))]
)
def test_each_criterion_answers_as_it_should(tmp_path: Path, name: str, number: int) -> None:
    made, holds, words = CASES[name][number]
    history = told(made, tmp_path / "history.db")
    now = BEGAN + DAYS * DAY
    window = Window(BEGAN, now, SPEC.coverage, SPEC.longest_hole, Thresholds(), now)
    answer = find(SPEC.criterion(name), migrated(*made.events), SampleEvidence(history, now), window)
    history.close()
    assert (answer.holds, words in answer.measured) == (holds, True), answer


def test_every_criterion_is_tried_with_all_its_answers() -> None:
    assert set(CASES) == {criterion.id for criterion in SPEC.criteria}
    for name, cases in CASES.items():
        answers = {holds for _, holds, _ in cases}
        assert answers == {PASS, FAIL, UNKNOWN}, name


def test_the_last_day_reads_the_whole_board() -> None:
    last = SPEC.days[-1]
    assert {name for names in SPEC.board.values() for name in names} <= set(SPEC.criteria_of(last))
    assert set(SPEC.criteria_of(SPEC.days[1])) == set(SPEC.days[1].criteria)


def test_every_line_of_the_testing_checklist_is_read_on_day_0() -> None:
    judged = at_day(migrated(), None, 0)
    found = next(one for one in judged.days[0].criteria if one.id == "tests-pass")
    assert all(test.id in found.threshold for test in PLAN.tests)
