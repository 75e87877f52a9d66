"""The engine's process: signals, second engines, terminals, full disks, dry runs, and its sign of life."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from tests.engine.session import Session, done_events, history, states, view
from tests.engine.small_world import Small
from tests.support.processes import until
from wsdash.config import load_settings
from wsdash.data.pg.connect import Endpoint
from wsdash.engine.counting.connections import ConnectionCounter
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import engine_alive, engine_log_tail, spawn_engine, wait_for_engine
from wsdash.engine.process import serve
from wsdash.errors import InputError, LockHeldError, UnreachableError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    AnyEvent,
    EngineStopped,
    Intent,
    ItemChanged,
    ItemState,
    LatencyReading,
    Notice,
    Recorded,
    RunStarted,
)


def command(small: Small, *words: str) -> list[str]:
    return [sys.executable, "-m", "tests.engine.small_world", str(small.directory), *words]


@contextmanager
def engine(small: Small, *words: str) -> Iterator[subprocess.Popen[str]]:
    """An engine in a process of its own, killed at the end if it still runs."""
    process = subprocess.Popen(
        command(small, *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(InputError):  # no journal yet
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_interrupts_cleanly_and_the_run_goes_on_later(small: Small, number: signal.Signals) -> None:
    hold = small.put("hold-copy")
    with engine(small, "auto=1", "yes=1") as process:
        wait_until(lambda: states(small).get("copy") == "running")
        process.send_signal(number)
        assert process.wait(20) == 130
        assert process.stdout is not None
        assert "Traceback" not in process.stdout.read()
    item = view(small).item("copy")
    assert (item.state, item.note) == (ItemState.PENDING, "interrupted")
    assert history(small)[-1] == EngineStopped(f"interrupted by {number.name}")
    assert engine_alive(small.state) is None
    hold.unlink()
    assert asyncio.run(serve(small.options(auto=True, yes=True))) == 0


def test_a_signal_to_an_idle_engine_ends_it(small: Small) -> None:
    with engine(small, "exit_when_done=0") as process:
        wait_until(lambda: any(isinstance(event, RunStarted) for event in history(small)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130


async def test_a_second_engine_is_told_who_holds_the_run(session: Session, small: Small) -> None:
    async with session:
        with pytest.raises(LockHeldError, match=str(os.getpid())):
            await serve(small.options(auto=True))
    assert sum(isinstance(event, RunStarted) for event in history(small)) == 1


async def test_a_run_that_stays_in_another_mode_than_the_configuration_says_so(small: Small) -> None:
    assert load_settings(small.config).mode == "online"
    assert await serve(small.options(mode="offline")) == 0
    assert await serve(small.options(mode="")) == 0
    said = [event.text for event in history(small) if isinstance(event, Notice)]
    assert [text for text in said if "opened in mode offline" in text and "--mode online" in text]


async def test_each_event_is_shown_after_it_is_recorded_and_in_order(small: Small) -> None:
    shown: list[Recorded] = []
    await serve(small.options(auto=True, yes=True, on_event=shown.append))
    assert [recorded.seq for recorded in shown] == list(range(1, len(shown) + 1))
    assert [recorded.event for recorded in shown if isinstance(recorded.event, ItemChanged)] == [
        event for event in history(small) if isinstance(event, ItemChanged)
    ]


async def test_a_terminal_nobody_reads_stalls_nothing(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsdash.engine.life.FLUSH_SECONDS", 0.1)
    assert await serve(small.options(auto=True, yes=True, on_event=lambda _: time.sleep(3600))) == 0
    assert len(done_events(small, "test-api")) == 1


async def test_a_terminal_that_is_gone_ends_nothing(small: Small) -> None:
    def gone(_: Recorded) -> None:
        raise OSError(5, "Input/output error")

    assert await serve(small.options(auto=True, yes=True, on_event=gone)) == 0


async def test_the_heartbeat_tells_the_item_and_the_longest_pause(session: Session, small: Small) -> None:
    small.put("hold-backup")
    async with session:
        await session.ask("run-item", "backup")
        await session.until("backup", "running")
        with contextlib.closing(JournalReader(small.state)) as reader:
            await until(lambda: (beat := reader.heartbeat()) is not None and beat.item == "backup")
            quiet = reader.heartbeat()
            time.sleep(0.4)  # noqa: ASYNC251 - a blocked loop is what must be noticed
            await until(lambda: (beat := reader.heartbeat()) is not None and beat.worst_gap_seconds >= 0.4)
            noisy = reader.heartbeat()
    assert quiet is not None
    assert noisy is not None
    assert quiet.item == "backup"
    assert quiet.pid == os.getpid()
    assert noisy.at > quiet.at
    assert noisy.worst_gap_seconds >= max(0.4, quiet.worst_gap_seconds)


async def test_a_failing_watch_does_not_take_the_engine_down(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch_world(*_: object, **__: object) -> None:
        raise UnreachableError("the container engine is away")

    monkeypatch.setattr("wsdash.watch.world.watch_world", watch_world)
    assert await serve(small.options(auto=True, yes=True, watch=True)) == 0
    with contextlib.closing(JournalReader(small.state)) as reader:
        told = [str(recorded.event) for recorded in reader.events(0)]
    assert any("the container engine is away" in text for text in told)


async def test_the_connections_of_the_target_are_counted(target: Endpoint) -> None:
    side = {
        "host": target.host,
        "port": target.port,
        "database": target.database,
        "user": target.user,
        "password_env": target.password_env,
    }
    settings = load_settings()
    found = await ConnectionCounter(replace(settings, target=replace(settings.target, **side)))()
    assert 1 <= found.used == sum(found.states.values()) <= found.limit
    assert found.states["active"] >= 1


async def test_a_database_password_is_nowhere_in_the_run(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSDASH_SOURCE_PASSWORD", "correct-horse")
    small.put("refuse-copy", "cannot log in as me with correct-horse")
    shown: list[Recorded] = []
    await serve(small.options(auto=True, yes=True, on_event=shown.append))
    assert "cannot log in as me with ***" in view(small).item("copy").evidence
    assert "correct-horse" not in str(shown)
    assert not any(b"correct-horse" in path.read_bytes() for path in small.state.glob("journal.db*"))


async def test_a_dry_run_changes_nothing_and_needs_no_lock(session: Session, small: Small) -> None:
    shown: list[Recorded] = []
    async with session:
        await session.ask("run-item", "backup")
        await session.until("backup", "done")
        before, ledger = history(small), small.ledger()
        assert await serve(small.options(dry_run=True, on_event=shown.append)) == 0
        assert (history(small), small.ledger()) == (before, ledger)
    told = {e.event.item: str(e.event.state) for e in shown if isinstance(e.event, ItemChanged)}
    assert told["backup"] == "done"
    assert told["copy"] == "pending"
    assert list(told) == ["backup", "review", "stop-old", "copy", "test-api", "watch"]


async def test_a_dry_run_of_a_new_run_leaves_no_trace(small: Small) -> None:
    assert await serve(small.options(dry_run=True, until="stop-old")) == 0
    assert not small.state.exists()


async def test_a_detached_engine_outlives_its_parent_and_answers(small: Small) -> None:
    launcher = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from wsdash.engine.operator.launch import spawn_engine\n"
        "print(asyncio.run(spawn_engine(sys.argv[2:], Path(sys.argv[1]))))"
    )
    words = command(small, "exit_when_done=0")
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", launcher, str(small.state), *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(parent.communicate(), 90)
    pid = int(said)
    try:
        assert await wait_for_engine(small.state)
        alive = engine_alive(small.state)
        assert alive is not None
        assert alive.pid == pid
        assert os.getsid(pid) == pid
        os.kill(pid, signal.SIGHUP)
        client = ControlClient(small.state)
        while (await client.send(Intent("ping"))).text.startswith("the world"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (await client.send(Intent("run-auto", options={"yes": True}))).ok
        wait_until(lambda: states(small).get("test-api") == "done")
        assert (await client.send(Intent("stop"))).ok
        wait_until(lambda: engine_alive(small.state) is None)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_an_engine_that_does_not_come_up_leaves_its_reason(small: Small) -> None:
    await spawn_engine([sys.executable, "-c", "raise SystemExit('no such world')"], small.state)
    assert not await wait_for_engine(small.state, timeout=0.5)
    assert engine_log_tail(small.state) == "no such world"


def test_a_full_disk_pauses_the_run_and_space_lets_it_go_on(small: Small) -> None:
    limit = (
        "import asyncio, resource, signal, sys, threading, time\nfrom pathlib import Path\n"
        "from tests.engine.small_world import Small\nfrom wsdash.engine.process import serve\n"
        "small = Small(Path(sys.argv[1]), 0.02)\n"
        "asyncio.run(serve(small.options(auto=True, yes=True, until='backup')))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "def squeeze():\n"
        "    while not small.ledger()[-1].startswith('act stop-old'): time.sleep(0.002)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))\n"
        "    time.sleep(1.5)\n"
        "    (small.work / 'squeezed').write_text(small.ledger()[-1])\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "threading.Thread(target=squeeze).start()\n"
        "sys.exit(asyncio.run(serve(small.options(auto=True, yes=True))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limit, str(small.directory)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the journal cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert "stop-old" in (small.work / "squeezed").read_text()
    assert len(done_events(small, "test-api")) == 1


def test_a_step_that_ignores_its_cancellation_does_not_hold_the_engine_back(small: Small) -> None:
    stubborn = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.engine import small_world\n"
        "from wsdash.engine.run import runner\nfrom wsdash.engine.process import serve\n"
        "runner.CLEANUP_SECONDS = 0.3\n"
        "class Stubborn(small_world.MakeFiles):\n"
        "    async def act(self, ctx):\n"
        "        (self._work / 'acting').touch()\n"
        "        while True:\n"
        "            try: await asyncio.sleep(60)\n"
        "            except asyncio.CancelledError: pass\n"
        "small = small_world.Small(Path(sys.argv[1]))\n"
        "options = small.options(auto=True)\n"
        "options.steps['backup'] = Stubborn('backup', small.work)\n"
        "sys.exit(asyncio.run(serve(options)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", stubborn, str(small.directory)])
    try:
        wait_until((small.work / "acting").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 130
    finally:
        process.kill()
    item = view(small).item("backup")
    assert item.state is ItemState.PENDING
    assert "did not end" in item.note
    assert isinstance(history(small)[-1], EngineStopped)


async def test_what_the_pollers_read_is_in_the_history_too(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch_world(
        settings: object, stack: object, emit: Callable[[AnyEvent], None], *_: object, **__: object
    ) -> None:
        emit(LatencyReading("api-new", 0.25))
        await asyncio.sleep(3600)

    monkeypatch.setattr("wsdash.watch.world.watch_world", watch_world)
    (small.state / FILE).parent.mkdir(exist_ok=True)
    (small.state / FILE).write_bytes(b"what an accident left " * 1000)
    assert await serve(small.options(auto=True, yes=True, watch=True)) == 0
    with contextlib.closing(HistoryReader(small.state / FILE)) as reader:
        now = time.time()
        assert reader.summary("latency:api-new", now - 600, now).last == 0.25
        assert reader.summary("backup:age", now - 600, now).count == 0
    assert len(list(small.state.glob(f"{FILE}.*.unusable"))) == 1
    with contextlib.closing(JournalReader(small.state)) as journal:
        assert any("a new one is begun" in str(recorded.event) for recorded in journal.events(0))
