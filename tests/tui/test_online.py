"""What the screens say of an online run: pure words."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui.drawing import FRAME, NOW, seen
from tests.tui.support import done, started
from wsdash.model import (
    AnyEvent,
    ConflictFound,
    ConflictsFound,
    Downtime,
    Followed,
    GoNoGo,
    GoNoGoLine,
    ItemChanged,
    ItemIntended,
    ItemState,
    Outcome,
    RunFinished,
    SwitchedOver,
)
from wsdash.plan import load_plan
from wsdash.tui.drawn.consequences import rollback_lines
from wsdash.tui.drawn.lead import lead
from wsdash.tui.panels.databases import MovePanel
from wsdash.tui.panes.header import carrying, downtime
from wsdash.tui.state.viewstate import ViewState

PLAN = load_plan().in_mode("online")
ONLINE = msgspec.structs.replace(started(), mode="online")
UP_TO_VERIFY = [
    event
    for item in PLAN.items[: [item.id for item in PLAN.items].index("switch")]
    for event in done(item.id)
]
NO = GoNoGo((GoNoGoLine("lag", True, "0.10 s behind"), GoNoGoLine("alerts", False, "disk", "make room")))


def online(*events: AnyEvent) -> ViewState:
    return seen(ONLINE, *events)


def leading(view: ViewState) -> str:
    return lead(PLAN, view, FRAME, PLAN.items[0]).plain


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Followed("source", 0.25), "lag 0.2 s"),
        (Followed("source", 0.25, overhead=0.00005), "lag 0.2 s capture +0.05 ms"),
        (Followed("", None, trouble="it does not answer"), "lag ? nothing is applied"),
        (Followed("target", None, log_bytes=1 << 20), "way back 1.0 MiB"),
        (Followed("source", None, log_bytes=1 << 20, kept=7), "way forward 1.0 MiB"),
    ],
)
def test_the_header_tells_the_lag_or_what_the_way_back_costs(event: Followed, text: str) -> None:
    assert carrying(online(event), NOW).plain == text


def test_a_side_that_is_away_after_the_switch_closes_the_way_back() -> None:
    view = online(SwitchedOver("target", 0.2, 3), Followed("", None, trouble="it does not answer"))
    assert carrying(view, NOW).plain == "way back ? one side is away"


def test_a_lag_that_was_told_long_ago_says_so() -> None:
    assert carrying(online(Followed("source", 0.25)), NOW + 60).plain == "lag 0.2 s, 60 s ago"


def test_offline_there_is_no_lag() -> None:
    assert carrying(seen(started()), NOW).plain == ""


def test_while_writers_are_refused_the_number_leads() -> None:
    view = online(*UP_TO_VERIFY, ItemIntended("switch", "act", 1), Downtime(True, NOW - 0.42))
    assert leading(view).startswith(" WRITES REFUSED  0.4 s ")


def test_a_refusal_of_less_than_a_second_is_not_rounded_away() -> None:
    assert downtime(online(Downtime(False, NOW - 5, NOW - 4.58)), NOW).plain.startswith("downtime 0.42 s")


def test_the_next_line_says_why_this_is_no_moment_for_the_switch() -> None:
    assert 'NO-GO for "Switch writes over": alerts: disk' in leading(online(*UP_TO_VERIFY, NO))


def test_the_panel_shows_each_line_with_what_to_do() -> None:
    view = online(*UP_TO_VERIFY, Followed("source", 0.1), NO)
    lines = [line.plain for line in MovePanel(view, FRAME).draw(view, FRAME)]
    assert "Go/no-go before the switch: no-go, 1 lines say no" in lines
    assert any(line.startswith("✓ lag") for line in lines)
    assert any("what to do: make room" in line for line in lines)


def test_conflicts_are_shown_side_by_side_until_they_are_decided() -> None:
    found = ConflictsFound((ConflictFound("s.items 5", ("s.items 5: title: 'new' | 'old'",)),), 3)
    view = online(found)
    lines = [line.plain for line in MovePanel(view, FRAME).draw(view, FRAME)]
    assert any("s.items 5: title: 'new' | 'old'" in line for line in lines)
    assert any("and 2 more" in line for line in lines)
    over = online(found, SwitchedOver("source", 0.2, 3, 10, 3))
    assert over.run.conflicts is None


def test_what_was_carried_back_is_told() -> None:
    view = online(
        SwitchedOver("target", 0.4, 2),
        ItemIntended("stop-old", "undo", 1),
        SwitchedOver("source", 0.2, 3, 1234),
        RunFinished(Outcome.ROLLED_BACK),
    )
    assert "with 1,234 changes carried back" in leading(view)
    assert view.run.went_back is not None
    assert view.run.went_back.seconds == 1.0


@pytest.mark.parametrize("before", [(), (SwitchedOver("target", 0.4, 2), SwitchedOver("source", 0.2, 3))])
def test_the_rollbacks_dialog_frightens_nobody_with_a_switch_that_was_not_made(
    before: tuple[AnyEvent, ...],
) -> None:
    tried = [*done("switch")[:-1], ItemChanged("switch", ItemState.FAILED, "this is no moment")]
    view = online(*UP_TO_VERIFY, *before, *tried)
    text = "\n".join(rollback_lines(PLAN, view, NOW))
    assert "switch: was not finished: the old database takes writes" in text
    assert "refused for a moment" not in text
    assert "serves as before" in text


def test_the_rollbacks_dialog_promises_what_users_wrote() -> None:
    text = "\n".join(rollback_lines(PLAN, online(*UP_TO_VERIFY, *done("switch")), NOW))
    assert "switch: writers are refused for a moment" in text
    assert "with all that users wrote meanwhile" in text
