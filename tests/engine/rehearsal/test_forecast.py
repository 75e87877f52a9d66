"""The downtime to expect, from what rehearsals measured."""

from __future__ import annotations

import msgspec
import pytest

from wsdash.engine.outlook import IN_DOWNTIME, forecast, rehearsal_summary, trustworthy
from wsdash.engine.run.due import refusal
from wsdash.model import ItemState, RehearsalOutcome, Rehearsed, RehearsedItem
from wsdash.model.fold import ItemView, RunView

DAY = 86_400.0


def items(*seconds: float) -> tuple[RehearsedItem, ...]:
    return tuple(RehearsedItem(name, "done", seconds, True) for name in IN_DOWNTIME)


def rehearsed(
    *seconds: float, world: str = "w", outcome: RehearsalOutcome = RehearsalOutcome.CLEAN
) -> Rehearsed:
    return Rehearsed("r", outcome, 0.0, 10.0, world=world, items=items(*seconds))


def test_one_measurement_has_no_spread_and_says_so() -> None:
    expected = forecast(items(2.0), "w", ())
    assert expected is not None
    assert (expected.low, expected.likely, expected.high) == (12.0, 12.0, 12.0)
    assert "no spread yet" in expected.basis


def test_earlier_clean_rehearsals_of_the_same_world_widen_it() -> None:
    earlier = (
        rehearsed(1.0),
        rehearsed(100.0, world="another"),
        rehearsed(100.0, outcome=RehearsalOutcome.BLOCKED),
        rehearsed(5.0),
    )
    expected = forecast(items(2.0), "w", earlier)
    assert expected is not None
    assert (expected.low, expected.likely, expected.high) == (6.0, 12.0, 30.0)
    assert expected.basis.startswith("3 measurements")


def test_without_a_measurement_of_every_item_nothing_is_foretold() -> None:
    assert forecast(items(2.0)[1:], "w", ()) is None


@pytest.mark.parametrize(
    ("found", "now", "relied_on"),
    [
        (None, 0.0, False),
        (rehearsed(1.0), 10.0 + DAY, True),
        (rehearsed(1.0), 10.0 + 8 * DAY, False),
        (rehearsed(1.0, outcome=RehearsalOutcome.DIFFERED), 10.0, False),
    ],
)
def test_only_a_clean_and_recent_one_is_relied_on(
    found: Rehearsed | None, now: float, relied_on: bool
) -> None:
    assert trustworthy(found, now) is relied_on


@pytest.mark.parametrize(
    ("seconds", "age"), [(5, "5 s"), (90, "90 s"), (4000, "67 min"), (DAY, "24 h"), (3 * DAY, "3 d")]
)
def test_the_age_is_readable(seconds: float, age: str) -> None:
    assert rehearsal_summary(rehearsed(1.0), 10.0 + seconds).startswith(f"rehearsed {age} ago: clean")


@pytest.mark.parametrize(
    ("blocked", "differed", "said"),
    [
        (("no rights",), (), "; no rights"),
        (("no rights",), ("items", "audit"), "; no rights (and 2 more)"),
        ((), ("items",), "; items"),
    ],
)
def test_the_first_fault_is_told_and_how_many_more_there_are(
    blocked: tuple[str, ...], differed: tuple[str, ...], said: str
) -> None:
    found = msgspec.structs.replace(rehearsed(1.0), blocked=blocked, differed=differed)
    assert rehearsal_summary(found, 10.0).endswith(said)


@pytest.mark.parametrize("state", [ItemState.DONE, ItemState.RUNNING, ItemState.SKIPPED])
@pytest.mark.parametrize("item", IN_DOWNTIME)
def test_once_the_migration_has_begun_it_is_refused(state: ItemState, item: str) -> None:
    assert item in refusal(RunView(items={item: ItemView(state)}), "", False, 1)


def test_what_else_refuses_a_rehearsal() -> None:
    begun = RunView(items={"stop-old": ItemView(ItemState.FAILED, touched=True)})
    assert "has begun" in refusal(begun, "", False, 1)
    undone = RunView(items={"stop-old": ItemView(ItemState.UNDONE)})
    assert refusal(undone, "", False, 1) == ""
    assert "backup is running" in refusal(RunView(), "backup", False, 1)
    assert "rollback" in refusal(RunView(), "", True, 1)
    for rounds in (0, 11, "2", None):
        assert "rounds" in refusal(RunView(), "", False, rounds)
