"""The panel of the fourteen days, at every size, for whoever looks."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Button, Input

from tests.tui.drawing import FRAME, NOW, plain, seen
from tests.tui.support import SIZES, Stage, halfway, recorded, stage, started
from wsdash.engine.journal.writer import Heartbeat
from wsdash.model import (
    AnyEvent,
    CriterionFound,
    DayFound,
    DecisionRecorded,
    Intent,
    ItemIntended,
    LatencyReading,
    Liveness,
    LogLine,
    Recorded,
    SourceState,
    TimelineJudged,
    TimePassing,
)
from wsdash.tui.drawn.looks import WARN
from wsdash.tui.panels.timeline import Ask, TimelinePanel, asks, draw_timeline
from wsdash.tui.screens.operator import OperatorScreen
from wsdash.tui.state.freshness import EngineState, engine_state, freshness
from wsdash.tui.state.loglines import as_text
from wsdash.tui.state.viewstate import ViewState, fold_all, in_run_time, run_time

DAY = 86_400.0
AGAINST_IT = [("go", "no-go"), ("no-go", "go"), ("insufficient-data", "go")]


def judged() -> TimelineJudged:
    """Day 5 of a run with a slow second day."""
    begun = time.time() - 5 * DAY
    slow = CriterionFound("api-latency", False, "878 ms in 24 h no. 2", "≤ 200 ms", "API response time", 1.0)
    unseen = CriterionFound("disk", None, "nothing measured", "≤ 80 %", "Disk usage", 0.4)
    fine = CriterionFound("zero-data-loss", True, "4 of 4 tables equal", "equal", "Zero data loss")
    days = (
        DayFound(0, "Migration", "All tests pass, zero data loss", "go", (fine,), begun),
        DayFound(3, "Review", "API latency ≤ 200ms", "no-go", (slow,), begun + 3 * DAY),
        DayFound(14, "Final Review", "Approve", "insufficient-data", (unseen,), begun + 14 * DAY),
    )
    return TimelineJudged(begun, days, {"technical": (fine,), "business": (unseen,)})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("role", ["operator", "monitor"])
async def test_the_days_are_shown_with_what_was_measured(
    tmp_path: Path, size: tuple[int, int], role: str
) -> None:
    events: list[AnyEvent] = [*halfway(), judged(), DecisionRecorded(3, False, "Ana", "too slow", "no-go")]
    async with stage(tmp_path, *events, size=size, role=role) as on:
        await on.press("y")
        text = on.text()
        for word in ("Day 5.0", "Migration", "✓ go", "✗ no-go", "878 ms", "no-go by Ana", "to come"):
            assert word in text, word


async def test_before_the_engine_judged_it_is_said_so(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("y")
        assert "waiting for the engine to judge it" in on.text()


async def test_before_the_migration_ended_no_day_has_begun(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), TimelineJudged(None, (), {})) as on:
        await on.press("y")
        assert "The days begin when the migration has ended." in on.text()


def test_ages_are_told_in_the_machines_seconds_when_time_runs_faster() -> None:
    machine = 1_000_000.0
    events: list[AnyEvent] = [
        started(),
        TimePassing(3600.0, machine, machine, "good"),
        SourceState("latency:api-new", Liveness.LIVE),
        LatencyReading("api-new", 0.01),
    ]
    view = fold_all(recorded(*events, at=machine + 7200))
    beat = Heartbeat(1, "h", machine + 2.5, "", 0.0)
    view = type(view)(**{name: getattr(view, name) for name in view.__struct_fields__} | {"heartbeat": beat})
    now = run_time(view, machine + 3.0)
    assert now == machine + 3 * 3600
    shown = in_run_time(view, machine + 3.0)
    assert engine_state(shown, now) is EngineState.LIVE
    assert freshness(shown, "latency:api-new", now).live
    later = run_time(view, machine + 60.0)
    shown = in_run_time(view, machine + 60.0)
    assert engine_state(shown, later) is EngineState.GONE
    assert not freshness(shown, "latency:api-new", later).live


def passed(scale: float, *, over: bool = False, beat: float = 0.0) -> ViewState:
    """A run whose fortnight began at 1000, with one event at 9000 and the engine's last sign of life."""
    passing = TimePassing(scale, 1_000.0, 1_000.0, "good", over)
    events = [Recorded(1, 1_000.0, started()), Recorded(2, 1_000.0, passing)]
    view = fold_all([*events, Recorded(3, 9_000.0, LatencyReading("api-new", 0.01))])
    return msgspec.structs.replace(view, heartbeat=Heartbeat(1, "h", beat, "", 0.0))


@pytest.mark.parametrize("scale", [0.0, 100.0])
def test_a_fortnight_whose_engine_died_stands_still_and_its_engine_is_gone(scale: float) -> None:
    view = passed(scale, beat=1_080.0)
    for machine in (1_100.0, 99_000.0):
        assert run_time(view, machine) == 9_000.0
        assert engine_state(in_run_time(view, machine), 9_000.0) is EngineState.GONE


def with_passing(view: ViewState, passing: TimePassing) -> ViewState:
    return msgspec.structs.replace(view, run=msgspec.structs.replace(view.run, passing=passing))


def test_time_goes_on_when_the_fortnight_is_over_whether_or_not_an_engine_lives() -> None:
    view = passed(1.0, over=True, beat=1_080.0)
    assert run_time(view, 50_000.0) == 50_000.0
    ahead = with_passing(view, TimePassing(1.0, 9_060.0, 1_060.0, "good", over=True))
    assert run_time(ahead, 2_060.0) == 10_060.0
    assert engine_state(in_run_time(ahead, 1_081.0), 9_081.0) is EngineState.LIVE
    assert engine_state(in_run_time(ahead, 2_060.0), 10_060.0) is EngineState.GONE


# --- what the operator says from it ---


def person() -> CriterionFound:
    wanted = "a person says so"
    return CriterionFound("team-comfortable", True, "yes, says Ana", wanted, "Team comfortable", person=True)


def waiting(recommendation: str = "go") -> list[AnyEvent]:
    """Day 7 has come; Day 14 has not."""
    begun = time.time() - 7.1 * DAY
    fine = CriterionFound("zero-data-loss", True, "4 of 4 tables equal", "equal", "Zero data loss")
    slow = CriterionFound("api-latency", False, "878 ms in 24 h no. 2", "≤ 200 ms", "API response time", 1.0)
    of_seven = (fine if recommendation == "go" else slow, person())
    days = (
        DayFound(3, "Review", "team comfortable", "insufficient-data", (person(),), begun + 3 * DAY),
        DayFound(7, "Decision Point", "Go/no-go decision", recommendation, of_seven, begun + 7 * DAY),
        DayFound(14, "Final Review", "Approve", "insufficient-data", (fine,), begun + 14 * DAY),
    )
    tested = CriterionFound(
        "rollback-tested", None, "nobody said so yet", "a person says so", "Rollback tested", person=True
    )
    third = DecisionRecorded(3, True, "Ana", "calm", "go")
    return [*halfway(), TimelineJudged(begun, days, {"operational": (tested,)}), third]


async def answer(on: Stage, who: str, note: str, button: str) -> None:
    """Fill in the dialog and press one of its buttons."""
    for selector, text in (("#who", who), ("#note", note)):
        on.app.screen.query_one(selector, Input).value = text
    pressed = on.app.screen.query_one(f"#{button}", Button)
    await on.until(lambda: not pressed.has_class("-active"))
    pressed.focus()
    await on.press("enter")


def decided(go: bool, recommendation: str, day: int = 7, phrase: str = "") -> Intent:
    options = {"day": day, "go": go, "recommendation": recommendation}
    return Intent("decide", who="Ana", note="two calm weeks", phrase=phrase, options=options)


@pytest.mark.parametrize("size", SIZES)
async def test_the_day_that_is_due_is_decided_by_name_and_reason(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with stage(tmp_path, *waiting(), size=size) as on:
        await on.press("y")
        assert "Day 7 waits" in on.text()
        await on.press("D")
        for word in ("Day 7: Decision Point", "✓ go", "Go", "No-go", "Why"):
            assert word in on.text(), word
        await answer(on, "Ana", "", "go")
        assert "a reason is wanted" in on.text()
        assert on.intents == []
        await answer(on, "Ana", "two calm weeks", "go")
        await on.until(lambda: on.intents == [decided(True, "go")])


@pytest.mark.parametrize(
    ("evidence", "button"), [("go", "no-go"), ("no-go", "go"), ("insufficient-data", "go")]
)
async def test_a_decision_against_the_evidence_wants_a_word_typed(
    tmp_path: Path, evidence: str, button: str
) -> None:
    async with stage(tmp_path, *waiting(evidence)) as on:
        await on.press("y", "D")
        if evidence != "go":
            assert "✗ API response time: 878 ms" in on.text()
        await answer(on, "Ana", "two calm weeks", button)
        assert f"You say {button}, the evidence says {evidence}" in on.text()
        await on.press(*"against", "enter")
        assert on.intents == []
        await on.press(*["backspace"] * 7, *"AGAINST", "enter")
        await on.until(lambda: on.intents == [decided(button == "go", evidence, phrase="AGAINST")])


async def test_much_evidence_does_not_push_the_answers_off_a_small_screen(tmp_path: Path) -> None:
    begun = time.time() - 7.1 * DAY
    why = "at most 57 ms; 2 of 7 × 24 h watched too little (first: 24 h no. 5; wanted 90%)"
    unseen = tuple(CriterionFound(f"c{n}", None, why, "≤ 200 ms", f"Criterion {n}") for n in range(9))
    day = DayFound(7, "Decision Point", "Go/no-go", "insufficient-data", unseen, begun + 7 * DAY)
    async with stage(tmp_path, *halfway(), TimelineJudged(begun, (day,), {}), size=(80, 24)) as on:
        await on.press("y", "D")
        for word in ("? insufficient data", "Criterion 0", "Name", "Why", "Go", "No-go", "Cancel"):
            assert word in on.text(), word


async def test_enter_alone_decides_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, *waiting()) as on:
        await on.press("y", "d", *"calm", "escape")
        assert on.intents == []


async def test_a_decided_day_waits_no_more_and_can_be_decided_anew(tmp_path: Path) -> None:
    made = DecisionRecorded(7, False, "Bruno", "not yet", "go")
    async with stage(tmp_path, *waiting(), made) as on:
        await on.press("y")
        assert "waits for a decision" not in on.text()
        await on.press("D")
        assert "No day waits for a decision" in on.text()
        await on.press("down", "down", "down", "enter")
        await answer(on, "Ana", "two calm weeks", "go")
        await on.until(lambda: on.intents == [decided(True, "go")])


async def test_a_day_that_has_not_come_wants_the_word_typed_and_says_why(tmp_path: Path) -> None:
    async with stage(tmp_path, *waiting()) as on:
        await on.press("y", *["down"] * 5, "enter")
        await answer(on, "Ana", "two calm weeks", "go")
        for words in ("Day 14 has not come yet", "Day 7 is not decided", "says insufficient-data"):
            assert words in on.text()
        assert on.intents == []
        await on.press(*"AGAINST", "enter")
        await on.until(lambda: on.intents == [decided(True, "insufficient-data", 14, "AGAINST")])


async def test_a_rollback_takes_the_decisions_off_the_screen(tmp_path: Path) -> None:
    back = ItemIntended("test-api", "undo", 2)
    assert fold_all(recorded(*waiting())).run.decisions
    assert fold_all(recorded(*waiting(), back)).run.decisions == ()


@pytest.mark.parametrize(("button", "holds"), [("holds", True), ("fails", False)])
async def test_what_only_a_person_can_judge_is_ticked_by_name_and_note(
    tmp_path: Path, button: str, holds: bool
) -> None:
    async with stage(tmp_path, *waiting()) as on:
        await on.press("y", *["down"] * 9, "enter")
        assert "Rollback tested" in on.text()
        await answer(on, "Ana", "twice", button)
        wanted = Intent("confirm-criterion", "rollback-tested", "Ana", "twice", options={"holds": holds})
        await on.until(lambda: on.intents == [wanted])


def test_only_days_and_what_a_person_judges_can_be_chosen() -> None:
    view = fold_all(recorded(*waiting()))
    assert asks(view) == [
        Ask("3"),
        Ask("3", "team-comfortable"),
        Ask("7"),
        Ask("7", "team-comfortable"),
        Ask("14"),
        Ask("operational", "rollback-tested"),
    ]


async def test_the_chosen_line_stays_in_sight_on_a_small_screen(tmp_path: Path) -> None:
    async with stage(tmp_path, *waiting(), size=(80, 24)) as on:
        await on.press("y", *["down"] * 9)
        assert any("❯" in line and "Rollback tested" in line for line in on.text().splitlines())


async def test_finish_lists_what_would_go_and_sends_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, *waiting()) as on:
        assert isinstance(on.app.main, OperatorScreen)
        long = "  container apps-workspace  " + "docker compose " * 9
        on.app.main._finishing = lambda: ["Not approved.", long]
        await on.press("y", "E")
        await on.until(lambda: "container apps-workspace" in on.text())
        line = next(line for line in on.text().splitlines() if "container apps-workspace" in line)
        assert "docker" not in line
        assert on.intents == []


async def test_the_monitor_has_none_of_these_keys(tmp_path: Path) -> None:
    async with stage(tmp_path, *waiting(), role="monitor") as on:
        await on.press("y", "down", "D", "E")
        assert type(on.app.screen) is TimelinePanel
        assert "d decides" not in on.text()
        assert on.intents == []


def test_what_lies_ahead_is_not_due_and_dim() -> None:
    found = CriterionFound("c", None, "3 of 14 days", "", "Backups run")
    day = DayFound(14, "Day 14", "", "insufficient-data", (found,), NOW + 86_400)
    text = draw_timeline(seen(TimelineJudged(NOW - 1000, (day,), {"Board": (found,)})), FRAME)
    ahead = next(line for line in text if "Backups run" in line.plain)
    assert "· not due" in ahead.plain
    assert WARN not in {str(span.style) for span in ahead.spans}
    came = DayFound(14, "Day 14", "", "insufficient-data", (found,), NOW - 1)
    drawn = plain(draw_timeline(seen(TimelineJudged(NOW - 1000, (came,), {})), FRAME))
    assert "? unknown" in drawn


def test_the_zone_is_named_once_and_is_that_of_the_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        at = 1_790_000_000.0
        day = DayFound(7, "Day 7", "", "go", (), at)
        drawn = plain(draw_timeline(seen(TimelineJudged(at, (day,), {})), replace(FRAME, now=at)))
        assert drawn.count("JST") == 1
        assert drawn.count(time.strftime("%H:%M", time.localtime(at))) == 2
        line = LogLine("api", at, "stdout", "x")
        assert as_text(line).startswith(time.strftime("%H:%M", time.localtime(at)))
    finally:
        monkeypatch.undo()
        time.tzset()
