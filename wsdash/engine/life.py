"""How an engine begins and how it ends.

Its life is in the journal before anything is done, then its world is there. At the end: who asked for it,
what its exit code is then, its world taken down, its last word. What it records meanwhile goes to a callback
in a thread of its own: a terminal nobody reads stalls only itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

from wsdash.engine.limits import CLEANUP_SECONDS, FLUSH_SECONDS, LAST_WORD_SECONDS, TEARDOWN_SECONDS
from wsdash.engine.operator.launch import note_config
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.options import EngineOptions
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.run.runner import Runner
from wsdash.engine.source import take_up
from wsdash.engine.world import World, describe, hold_to_fingerprint, hold_to_mode, load_world
from wsdash.errors import FULL, InputError, WsdashError
from wsdash.model import EngineStopped, ItemChanged, ItemState, Notice, Recorded, RunStarted
from wsdash.model.facts import FINGERPRINT

INTERRUPTED = 130


async def begin_life(
    recorder: Recorder, options: EngineOptions, lock: OperatorLock, world: World | None
) -> None:
    """Record that an engine lives from here on, and what an earlier one left undone.

    Raises InputError where the run was begun in another mode.
    """
    view = recorder.view
    hold_to_mode(options.mode, view.mode, view.begun)
    run = view.run or time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)
    name = world.settings.world if world is not None else "demo"
    host, pid = socket.gethostname(), os.getpid()
    await take_up(recorder, options.source)
    await recorder.record(RunStarted(run, options.mode, host, pid, bool(view.run), name))
    if lock.previous is not None:
        text = f"took over from a session that ended without a word: {lock.previous.describe()}"
        recorder.journal.emit(Notice("warning", text))
    for item_id, item in view.items.items():
        if item.state is ItemState.RUNNING:
            note = "the engine died while this was running"
            await recorder.record(ItemChanged(item_id, ItemState.PENDING, note=note))


async def made_world(recorder: Recorder, options: EngineOptions, world: World | None) -> World:
    """The world that the run works on: as it was loaded, or prepared now.

    Raises InputError where the run was begun with another plan or configuration, and what `prepare` raises.
    """
    if world is None:
        assert options.prepare is not None
        config = await options.prepare(recorder.journal.emit)
        world = await asyncio.to_thread(load_world, config, options.steps, options.mode)
        options.check_items(world.plan)
    unknown = recorder.view.items.keys() - {item.id for item in world.plan.everything}
    if unknown:
        raise InputError(
            "this run was begun with another plan, which also had " + ", ".join(sorted(unknown)),
            where="plan.yaml",
            remedy="put the plan back, or begin a new run with another --state",
        )
    before = recorder.journal.get(FINGERPRINT)
    await hold_to_fingerprint(world, options.mode, recorder.journal, recorder.view.begun)
    kept = before is not None and before.get("mode") == options.mode != world.settings.mode
    if kept and not recorder.view.begun:
        text = (
            f"this run was opened in mode {options.mode}, and stays in it although the configuration says "
            f"{world.settings.mode}; until an item begins, --mode {world.settings.mode} changes it"
        )
        recorder.journal.emit(Notice("warning", text))
    await note_config(recorder.journal, world.settings.directory)
    return world


class Ending:
    """reason: why the engine was asked to end, '' while it was not; code: its exit code then.

    main and runner are what is ended, as soon as they exist.
    """

    def __init__(self, options: EngineOptions, tell: Callable[[str], None]) -> None:
        self.reason = ""
        self.code = INTERRUPTED
        self.main: asyncio.Task[int] | None = None
        self.runner: Runner | None = None
        self._options = options
        self._tell = tell

    def stop(self, reason: str, code: int) -> None:
        """End now: a running item is interrupted and noted. Only the first reason counts."""
        if self.reason or self.main is None:
            return
        self.reason, self.code = reason, code
        if self.runner is None:
            self.main.cancel()
            return
        self.runner.stop()
        # the runner ends by itself, unless it waits for a full disk
        asyncio.get_running_loop().call_later(CLEANUP_SECONDS + LAST_WORD_SECONDS, self.main.cancel)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C stop the run; a closed terminal (SIGHUP) only stops a foreground engine."""
        loop = asyncio.get_running_loop()
        installed = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            stops = number is not signal.SIGHUP or self._options.exit_when_done
            with contextlib.suppress(RuntimeError, ValueError):  # not in the main thread: the caller stops us
                loop.add_signal_handler(number, self._signalled, number, stops)
                installed.append(number)
        try:
            yield
        finally:
            for number in installed:
                loop.remove_signal_handler(number)

    async def tear_down(self, recorder: Recorder) -> None:
        """Take down the world prepared for this engine alone. A failure is reported, never raised."""
        if self._options.prepare is None or self._options.teardown is None:
            return
        try:
            await asyncio.wait_for(self._options.teardown(), TEARDOWN_SECONDS)
        except Exception as error:
            self._tell(f"the world was not taken down cleanly: {describe(error)}")
            await recorder.trace(error)

    async def last_word(self, recorder: Recorder, failure: WsdashError | None) -> None:
        """Record why the engine ends."""
        reason = self.reason or (failure.what if failure is not None else "nothing more to do")
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await recorder.record(EngineStopped(reason))
        except TimeoutError:
            self._tell(f"stopped: {reason}; it could not be written to the journal")

    def _signalled(self, number: signal.Signals, stops: bool) -> None:
        if stops:
            self.stop(f"interrupted by {number.name}", INTERRUPTED)


class Outlet:
    """Calls `show` for each event in order.

    A callback that fails with an OSError is not called again, unless it is a full disk's, which may have room
    for the next event.
    """

    def __init__(self, show: Callable[[Recorded], None]) -> None:
        self._show = show
        self._queue: queue.SimpleQueue[Recorded | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._thread.start()

    def put(self, recorded: Recorded) -> None:
        """Hand over without waiting; from any thread."""
        self._queue.put(recorded)

    async def close(self) -> None:
        """Wait until all is shown, at most 5 s."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, FLUSH_SECONDS)

    def _run(self) -> None:
        open_ended = True
        while (recorded := self._queue.get()) is not None:
            if open_ended:
                try:
                    self._show(recorded)
                except OSError as error:
                    open_ended = error.errno in FULL  # the terminal is gone; the run is not
