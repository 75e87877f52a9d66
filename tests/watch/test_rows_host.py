"""Row counts that slow down by themselves, and the machine's own readings."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.watch.support import FakeClock, Recorder, polling
from wsdash.errors import UnreachableError
from wsdash.model import HostReading, Liveness, RowsReading
from wsdash.tasks import LAG_STEP, LoopLag
from wsdash.watch.pollers.host import HostWatch, disk_of
from wsdash.watch.pollers.poller import Blocking
from wsdash.watch.world import rows_poller, slowed_down


async def test_rows_are_counted_every_two_seconds_and_emitted() -> None:
    clock, seen, counted = FakeClock(), Recorder(), list[float]()

    async def count() -> list[RowsReading]:
        counted.append(clock.monotonic())
        return [RowsReading("workspace.a", 3, None), RowsReading("workspace.b", 4, 4)]

    async with polling(rows_poller(count, seen.emit, clock).run):
        await clock.advance(5)
    assert counted == [0, 2, 4]
    assert seen.of(RowsReading)[:2] == [RowsReading("workspace.a", 3, None), RowsReading("workspace.b", 4, 4)]


async def test_counting_that_takes_long_is_done_less_often_and_often_again_when_it_is_quick() -> None:
    clock, seen, counted = FakeClock(), Recorder(), list[float]()

    async def count() -> list[RowsReading]:
        counted.append(clock.monotonic())
        if len(counted) <= 2:
            await clock.sleep(1.5)
        return []

    async with polling(rows_poller(count, seen.emit, clock).run):
        await clock.advance(40)
    assert counted[:5] == [0, 2, 12, 22, 24]


def test_looking_takes_at_most_a_tenth_of_the_time_and_happens_every_ten_seconds() -> None:
    assert [slowed_down(seconds) for seconds in (0.0, 0.1, 1.0, 30.0)] == [2.0, 2.0, 10.0, 10.0]


async def test_two_unreadable_sides_are_told_as_reconnecting() -> None:
    clock, seen = FakeClock(), Recorder()

    async def count() -> list[RowsReading]:
        raise UnreachableError("data-timescale could not be counted", where="data-timescale")

    async with polling(rows_poller(count, seen.emit, clock).run):
        await clock.advance(1)
    assert seen.states("rows") == [Liveness.RECONNECTING]


async def test_the_host_reading_tells_disk_and_own_cost(tmp_path: Path) -> None:
    seen = Recorder()
    await HostWatch([tmp_path / "not" / "yet"], seen.emit, LoopLag())()
    (reading,) = seen.of(HostReading)
    assert reading.disk_percent == pytest.approx(psutil.disk_usage(str(tmp_path)).percent, abs=1)
    assert reading.self_memory_bytes == pytest.approx(psutil.Process(os.getpid()).memory_info().rss, rel=0.2)
    assert reading.disk_free_bytes > 0


async def test_a_blocked_loop_shows_as_lag() -> None:
    lag = LoopLag()
    async with polling(lag.run):
        await asyncio.sleep(0)
        time.sleep(0.4)  # noqa: ASYNC251 - a blocked loop is what must be noticed
        await asyncio.sleep(0.01)
    assert lag.worst >= 0.4 - LAG_STEP


async def test_a_lag_is_told_by_one_reading() -> None:
    seen, lag = Recorder(), LoopLag()
    watch = HostWatch([Path("/")], seen.emit, lag)
    for late in (0.1, 0.3, 0.2):
        lag.note(late)
    await watch()
    await watch()
    assert [reading.loop_lag_seconds for reading in seen.of(HostReading)] == [0.3, 0]
    assert lag.worst == 0.3


def test_the_fullest_of_several_disks_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()

    class Usage:
        def __init__(self, percent: float, free: int) -> None:
            self.percent, self.free = percent, free

    monkeypatch.setattr(
        psutil, "disk_usage", lambda path: Usage(*((100.0, 0) if "full" in path else (5.0, 9)))
    )
    assert disk_of([tmp_path / "full", Path("/")]) == (100.0, 0)
    assert disk_of([Path("/"), tmp_path / "full"]) == (100.0, 0)


async def test_a_blocking_read_that_hangs_costs_one_thread_only() -> None:
    release = threading.Event()
    read = Blocking("disk", release.wait)
    before = threading.active_count()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.05)
    for _ in range(5):
        with pytest.raises(UnreachableError, match="the last reading of disk has not come back"):
            await read()
    assert threading.active_count() <= before + 1
    release.set()
    await asyncio.sleep(0.1)
    assert await read() is True


async def test_a_blocking_read_hands_its_error_on() -> None:
    def fail() -> None:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        await Blocking("disk", fail)()
