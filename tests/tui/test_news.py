"""What wakes the screen at once: things that happen, not readings that go on as they were."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui.drawing import seen
from tests.tui.support import done, readings, started
from wsdash.model import (
    AnyEvent,
    ContainerReading,
    HostReading,
    LatencyReading,
    Liveness,
    LogLine,
    Notice,
    PauseChanged,
    Recorded,
    RowsReading,
    SourceState,
)
from wsdash.tui.feeds.journal_feed import is_news, pressing_lines
from wsdash.tui.state.viewstate import ViewState, fold

BEFORE = seen(
    started(),
    *readings(),
    ContainerReading("api", "running", "healthy", cpu_percent=1.0),
    LatencyReading("api-new", 0.010),
    RowsReading("workspace.items", 10, 10),
)


def after(event: AnyEvent) -> ViewState:
    return fold(BEFORE, Recorded(0, BEFORE.last_at + 1, event))


@pytest.mark.parametrize(
    "event",
    [
        ContainerReading("api", "running", "healthy", cpu_percent=2.0, memory_bytes=7),
        LatencyReading("api-new", 0.020),
        RowsReading("workspace.items", 11, 10),
        HostReading(42.0, 1, 1.0, 1, 0.0),
        SourceState("rows", Liveness.LIVE),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_reading_like_the_one_before_waits(event: AnyEvent) -> None:
    assert not is_news(BEFORE, after(event))


@pytest.mark.parametrize(
    "event",
    [
        ContainerReading("api", "exited", "none", exit_code=1),
        ContainerReading("api", "running", "unhealthy"),
        ContainerReading("another", "running", "healthy"),
        LatencyReading("api-new", None, "connection refused"),
        LatencyReading("another", 0.010),
        RowsReading("workspace.others", 1, 1),
        SourceState("rows", Liveness.DOWN, "gone"),
        Notice("warning", "look"),
        PauseChanged(True),
        done("backup")[-1],
    ],
    ids=lambda event: type(event).__name__,
)
def test_whatever_happens_is_told_at_once(event: AnyEvent) -> None:
    assert is_news(BEFORE, after(event))


def test_a_sign_of_life_is_news_only_from_another_engine() -> None:
    beat = BEFORE.heartbeat
    assert beat is not None
    later = msgspec.structs.replace(BEFORE, heartbeat=msgspec.structs.replace(beat, at=beat.at + 1))
    other = msgspec.structs.replace(BEFORE, heartbeat=msgspec.structs.replace(beat, pid=beat.pid + 1))
    assert not is_news(BEFORE, later)
    assert is_news(BEFORE, other)


def test_lines_about_own_probes_wait() -> None:
    assert not pressing_lines([LogLine("api", 1.0, "stdout", "GET / 200 wsdash-probe")])
    assert pressing_lines([LogLine("api", 1.0, "stdout", "GET / 200")])
