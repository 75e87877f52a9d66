"""How an engine ends: who asked for it, what its exit code is then, its world taken down, its last word.

What it records meanwhile goes to a callback in a thread of its own: a terminal nobody reads stalls only
itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator

from wsdash.engine.limits import CLEANUP_SECONDS, FLUSH_SECONDS, LAST_WORD_SECONDS, TEARDOWN_SECONDS
from wsdash.engine.options import EngineOptions
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.run.runner import Runner
from wsdash.engine.world import describe
from wsdash.errors import WsdashError
from wsdash.model import EngineStopped, Recorded

INTERRUPTED = 130


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
    """Calls `show` for each event in order. A callback that fails with an OSError is not called again."""

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
                except OSError:
                    open_ended = False  # the terminal is gone; the run is not
