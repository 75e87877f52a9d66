"""Feeds: real journals and spools, followed by a thread; a monitor's own observation."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tui.support import halfway, readings, started
from wsdash.clock import VirtualClock
from wsdash.engine.background.spool import LogSpool
from wsdash.engine.journal.writer import Heartbeat, Journal
from wsdash.engine.operator.lock import OperatorLock
from wsdash.errors import UnreachableError
from wsdash.model import ContainerReading, HostReading, ItemChanged, ItemState, LogLine, Notice, TimePassing
from wsdash.tui.feeds.journal_feed import BATCH, Feed, Follower, JournalFeed, Update
from wsdash.tui.feeds.memory_feed import Emit, MemoryFeed, OnLog
from wsdash.tui.limits import DELIVER_SECONDS
from wsdash.tui.state.freshness import EngineState, engine_state
from wsdash.tui.state.viewstate import ViewState, run_time


class Screen:
    """Takes what a feed delivers, as the app does."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.updates: list[Update] = []
        self.notified = 0
        feed.start(self.notify)

    def notify(self) -> None:
        self.notified += 1

    async def until(self, condition: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.updates.append(self.feed.take())
            if condition():
                return
            assert time.monotonic() < deadline, self.updates[-1]
            await asyncio.sleep(0.02)

    @property
    def last(self) -> Update:
        return self.updates[-1]

    @property
    def lines(self) -> list[str]:
        return [line.text for update in self.updates for line in update.lines]


async def test_it_waits_for_the_journal_to_appear(tmp_path: Path) -> None:
    screen = Screen(JournalFeed(tmp_path))
    await asyncio.sleep(0.15)
    journal = Journal.open(tmp_path)
    await journal.record(started())
    await screen.until(lambda: screen.last.view.run.run == "run-7")
    screen.feed.stop()
    await journal.close()


async def test_what_happened_before_is_shown_at_once(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for event in halfway():
        await journal.record(event)
    screen = Screen(JournalFeed(tmp_path))
    await screen.until(lambda: screen.last.view.running == "migrate-data")
    screen.feed.stop()
    await journal.close()


async def test_a_long_run_whose_engine_is_gone_is_read_to_its_end(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for number in range(2 * BATCH):
        journal.emit(Notice("info", f"notice {number}"))
    await journal.record(started("the last event"))
    await journal.close()
    screen = Screen(JournalFeed(tmp_path))
    await screen.until(lambda: screen.last.view.run.run == "the last event")
    screen.feed.stop()


async def test_every_event_reaches_the_screen_without_being_asked_for(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    screen = Screen(JournalFeed(tmp_path))
    await journal.record(started())
    await screen.until(lambda: screen.last.view.run.run != "")
    for number in range(5):
        seq = await journal.record(ContainerReading(f"c{number}", "running", "healthy"))
        await screen.until(lambda seq=seq: screen.last.view.seq >= seq)  # type: ignore[misc]
    screen.feed.stop()
    await journal.close()


async def test_a_flood_of_events_wakes_the_screen_at_most_ten_times_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    polls = woken = 0
    poll, announce = Follower.poll, JournalFeed._announce

    def polling(follower: Follower, view: ViewState) -> tuple[ViewState, list[LogLine], int, bool]:
        nonlocal polls
        polls += 1
        return poll(follower, view)

    def announcing(feed: JournalFeed) -> None:
        nonlocal woken
        woken += threading.current_thread().name == "feed"  # the past is read, and announced, in another
        announce(feed)

    monkeypatch.setattr(
        "wsdash.tui.feeds.journal_feed.time", SimpleNamespace(monotonic=lambda: now, time=time.time)
    )
    monkeypatch.setattr(Follower, "poll", polling)
    monkeypatch.setattr(JournalFeed, "_announce", announcing)
    journal = Journal.open(tmp_path)
    last = await journal.record(started())
    screen = Screen(JournalFeed(tmp_path))
    await screen.until(lambda: screen.last.view.seq >= last and woken > 0)
    before = woken
    for number in range(10):
        for _ in range(50):
            journal.emit(HostReading(1.0, 1, 1.0, 1, 0.0))
        last = await journal.record(ItemChanged("backup", ItemState.DONE, f"evidence {number}"))
        seen = polls
        await screen.until(lambda seen=seen: polls > seen + 1)  # type: ignore[misc]
    await screen.until(lambda: screen.last.view.seq >= last)
    assert woken == before
    now += DELIVER_SECONDS
    await screen.until(lambda: woken > before)
    assert woken == before + 1
    screen.feed.stop()
    await journal.close()


async def test_log_lines_come_once_and_in_order(tmp_path: Path) -> None:
    journal, spool = Journal.open(tmp_path), LogSpool(tmp_path)
    for number in range(50):
        spool.write(LogLine("api", float(number), "stdout", f"line {number}"))
    await asyncio.sleep(0.2)
    screen = Screen(JournalFeed(tmp_path))
    await screen.until(lambda: len(screen.lines) >= 50)
    spool.write(LogLine("api", 99.0, "stdout", "line 50"))
    await screen.until(lambda: "line 50" in screen.lines)
    screen.feed.stop()
    assert screen.lines == [f"line {number}" for number in range(51)]
    await spool.close()
    await journal.close()


async def test_a_foreign_journal_is_told_and_not_spun_on(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("this is no database, and long enough to be looked at" * 10)
    screen = Screen(JournalFeed(tmp_path))
    await screen.until(lambda: "cannot be read" in screen.last.view.trouble)
    screen.feed.stop()


async def test_an_engine_that_never_came_up_is_told_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_text("wsdash: target.port has the value 0\n  remedy: use a port\n")
    screen = Screen(JournalFeed(tmp_path))
    await screen.until(lambda: "target.port" in screen.last.view.trouble)
    assert "use a port" in screen.last.view.trouble
    screen.feed.stop()


async def test_an_engine_that_did_not_come_up_again_is_told_too(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    await journal.record(started())
    journal.beat(Heartbeat(1, "h", time.time() - 60, "", 0.0))
    await journal.close()
    (tmp_path / "engine.log").write_text("wsdash: another operator holds this run\n")
    screen = Screen(JournalFeed(tmp_path))
    await screen.until(lambda: "another operator" in screen.last.view.trouble)
    screen.feed.stop()


async def test_a_feed_ends_when_told(tmp_path: Path) -> None:
    feed = JournalFeed(tmp_path)
    feed.start(lambda: None)
    feed.stop()
    assert feed._thread is not None
    assert not feed._thread.is_alive()


async def observing(emit: Emit, on_log: OnLog) -> None:
    """Stands in for the read-only pollers: one look, then nothing new."""
    for event in readings():
        emit(event)
    on_log(LogLine("workspace-api", time.time(), "stdout", "seen by ourselves"))
    await asyncio.Event().wait()


async def test_without_an_engine_a_monitor_observes_by_itself() -> None:
    screen = Screen(MemoryFeed(observing))
    await screen.until(lambda: "workspace-api" in screen.last.view.containers)
    assert engine_state(screen.last.view, time.time()) is EngineState.OBSERVING
    assert "seen by ourselves" in screen.lines
    screen.feed.stop()


async def test_with_an_old_run_its_history_is_shown_beside_the_observation(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for event in halfway()[:5]:
        await journal.record(event)
    await journal.close()
    screen = Screen(MemoryFeed(observing, tmp_path))
    await screen.until(lambda: "workspace-api" in screen.last.view.containers)
    assert screen.last.view.run.item("backup").evidence == "backup was seen to hold"
    assert engine_state(screen.last.view, time.time()) is EngineState.OBSERVING
    screen.feed.stop()


@pytest.mark.parametrize("over", [True, False])
async def test_what_a_monitor_sees_itself_after_a_fortnight_has_the_runs_time(
    tmp_path: Path, over: bool
) -> None:
    machine, ahead = time.time(), 14 * 86_400.0
    journal = Journal.open(tmp_path)
    journal.clock = VirtualClock(machine + ahead)
    await journal.record(started())
    await journal.record(TimePassing(1.0, machine + ahead, machine, "good", over))
    await journal.close()
    screen = Screen(MemoryFeed(observing, tmp_path))
    await screen.until(lambda: "workspace-api" in screen.last.view.containers)
    view = screen.last.view
    seen = view.seen_at["containers"]
    assert machine + ahead <= seen <= time.time() + ahead
    assert seen <= run_time(view, time.time()) <= time.time() + ahead
    screen.feed.stop()


async def test_while_an_engine_lives_the_monitor_polls_nothing_itself(tmp_path: Path) -> None:
    looked = []

    async def observe(emit: Emit, on_log: OnLog) -> None:
        looked.append(time.time())
        await asyncio.Event().wait()

    journal = Journal.open(tmp_path)
    await journal.record(started())
    screen = Screen(MemoryFeed(observe, tmp_path))
    for _ in range(20):
        journal.beat(Heartbeat(1, "h", time.time(), "", 0.0))
        await asyncio.sleep(0.1)
    await screen.until(lambda: engine_state(screen.last.view, time.time()) is EngineState.LIVE)
    assert looked == []
    screen.feed.stop()
    await journal.close()


async def test_when_an_engine_comes_the_monitor_follows_it(tmp_path: Path) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def observe(emit: Emit, on_log: OnLog) -> None:
        try:
            await observing(emit, on_log)
        finally:
            loop.call_soon_threadsafe(ended.set)

    screen = Screen(MemoryFeed(observe, tmp_path))
    await screen.until(lambda: screen.last.view.feed == "observing")
    journal = Journal.open(tmp_path)
    await journal.record(started("run-8"))
    journal.beat(Heartbeat(1, "h", time.time(), "", 0.0))
    await asyncio.wait_for(ended.wait(), 90)
    await screen.until(lambda: screen.last.view.run.run == "run-8" and screen.last.view.feed == "journal")
    screen.feed.stop()
    await journal.close()


async def test_an_observation_that_fails_is_told() -> None:
    async def observe(emit: Emit, on_log: OnLog) -> None:
        raise UnreachableError("the Docker engine does not answer", remedy="start it")

    screen = Screen(MemoryFeed(observe))
    await screen.until(lambda: "does not answer" in screen.last.view.trouble)
    screen.feed.stop()


@pytest.mark.parametrize(
    ("free", "said"),
    [(0, "its disk is full: free space in"), (1 << 30, "takes nothing; see engine.log there")],
)
async def test_an_engine_that_only_renews_its_lock_cannot_write(
    free: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    journal = Journal.open(tmp_path)
    await journal.record(started())
    journal.beat(Heartbeat(os.getpid(), "host", time.time() - 30, "", 0.0))
    await journal.close()
    with OperatorLock.held(tmp_path):
        follower = Follower(tmp_path)
        view, *_ = follower.poll(ViewState())
        assert engine_state(view, time.time()) is EngineState.GONE
        view, *_ = follower.poll(view)
        assert engine_state(view, time.time()) is EngineState.BLOCKED
        assert said in view.unwritten
        journal = Journal.open(tmp_path)
        await journal.record(Notice("info", "it goes on"))
        await journal.close()
        view, *_ = follower.poll(view)
        assert view.unwritten == ""
    follower.close()


@pytest.mark.parametrize("how", ["released", "another process", "silent"])
async def test_an_engine_that_renews_no_lock_is_gone(how: str, tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    await journal.record(started())
    pid = os.getpid() + (how == "another process")
    journal.beat(Heartbeat(pid, "host", time.time() - 30, "", 0.0))
    await journal.close()
    lock = OperatorLock.acquire(tmp_path)
    if how == "released":
        lock.release()
    elif how == "silent":
        content = lock.path.read_text().replace(f'"heartbeat":{lock.holder.heartbeat}', '"heartbeat":1000.0')
        lock.path.write_text(content)
    follower = Follower(tmp_path)
    view = ViewState()
    for _ in range(3):
        view, *_ = follower.poll(view)
    assert engine_state(view, time.time()) is EngineState.GONE
    follower.close()
    lock.release()
