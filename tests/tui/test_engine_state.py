"""Liveness: what is not known to be fresh is never live."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui.support import readings, recorded, started
from wsdash.engine.journal.store import Heartbeat
from wsdash.model import EngineStopped, Liveness, RowsReading, SourceState
from wsdash.tui.state.freshness import EngineState, engine_state, freshness, watch_trouble
from wsdash.tui.state.viewstate import ViewState, fold_all

NOW = 10_000.0


def beaten(view: ViewState, seconds_ago: float) -> ViewState:
    beat = Heartbeat(1, "host", NOW - seconds_ago, "", 0.0)
    return msgspec.structs.replace(view, heartbeat=beat, feed="journal")


@pytest.mark.parametrize(
    ("seconds_ago", "state"),
    [(0.2, EngineState.LIVE), (3.0, EngineState.SLOW), (30.0, EngineState.GONE)],
)
def test_the_age_of_the_heartbeat_tells_the_engine(seconds_ago: float, state: EngineState) -> None:
    assert engine_state(beaten(ViewState(), seconds_ago), NOW) is state


def test_an_engine_that_lives_and_cannot_write_is_not_called_gone() -> None:
    view = msgspec.structs.replace(beaten(ViewState(), 30.0), unwritten="its disk is full: free space in /s")
    assert engine_state(view, NOW) is EngineState.BLOCKED
    assert engine_state(beaten(view, 0.2), NOW) is EngineState.LIVE


def test_without_a_heartbeat_the_engine_is_starting() -> None:
    assert engine_state(ViewState(), NOW) is EngineState.STARTING


def test_a_stopped_engine_is_not_called_gone() -> None:
    view = beaten(fold_all(recorded(started(), EngineStopped("asked"), at=NOW)), 2.0)
    assert engine_state(view, NOW + 600) is EngineState.STOPPED


def test_a_new_engine_after_a_stop_is_live() -> None:
    view = beaten(fold_all(recorded(EngineStopped("asked"), at=NOW - 60)), 0.1)
    assert engine_state(view, NOW) is EngineState.LIVE


def test_readings_of_a_living_engine_are_live() -> None:
    view = beaten(fold_all(recorded(*readings(), at=NOW)), 0.1)
    assert freshness(view, "containers", NOW).live


def test_readings_of_a_dead_engine_are_stale_with_their_age() -> None:
    view = beaten(fold_all(recorded(*readings(), at=NOW)), 0.0)
    fresh = freshness(view, "containers", NOW + 60)
    assert fresh.liveness is Liveness.STALE
    assert fresh.age is not None
    assert 60 <= fresh.age < 80


def test_a_source_that_says_nothing_for_long_is_stale_whatever_it_said() -> None:
    view = beaten(fold_all(recorded(*readings(), at=NOW - 30)), 0.1)
    assert freshness(view, "containers", NOW).liveness is Liveness.STALE


def test_rows_may_be_read_less_often() -> None:
    view = beaten(fold_all(recorded(RowsReading("t", 1, 1), at=NOW - 60)), 0.1)
    assert freshness(view, "rows", NOW).live


def test_a_source_nobody_heard_of_is_unknown_and_not_live() -> None:
    fresh = freshness(beaten(ViewState(), 0.1), "containers", NOW)
    assert fresh.liveness is None
    assert not fresh.live


def test_reconnecting_tells_attempt_and_next_try() -> None:
    state = SourceState("rows", Liveness.RECONNECTING, "refused", 3, NOW + 4)
    fresh = freshness(beaten(fold_all(recorded(state, at=NOW)), 0.1), "rows", NOW)
    assert fresh.detail == "attempt 3, refused, next try in 4 s"


def test_a_source_that_is_deliberately_away_is_absent() -> None:
    view = fold_all(recorded(SourceState("latency:api-new", Liveness.DOWN, "not started yet")))
    fresh = freshness(beaten(view, 0.1), "latency:api-new", NOW)
    assert fresh.absent
    assert not fresh.live


def test_when_all_pollers_ended_nothing_is_live_until_something_is_read_again() -> None:
    broken = SourceState("watch", Liveness.RECONNECTING, "boom", 1)
    view = beaten(fold_all(recorded(*readings(), broken, at=NOW)), 0.1)
    assert not freshness(view, "containers", NOW).live
    assert "boom" in watch_trouble(view)
    again = beaten(fold_all(recorded(*readings(), broken, *readings(), at=NOW)), 0.1)
    assert freshness(again, "containers", NOW).live
    assert watch_trouble(again) == ""
