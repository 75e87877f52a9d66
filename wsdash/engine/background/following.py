"""Changes applied in the background, from catch-up to the switch; after it, the log that is kept, kept small.

Where to go on from is in the databases, and whether to go on is a fact of the journal: a killed engine's
successor goes on by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from wsdash.api.client import read_relayed
from wsdash.config import Settings
from wsdash.data.online.capture.overhead import measure_overhead
from wsdash.data.online.sync.follow import FollowProgress, follow, keep_small
from wsdash.data.online.sync.move import Move
from wsdash.engine.limits import (
    CLEANUP_SECONDS,
    FOLD_LOG_SECONDS,
    FOLLOW_FIRST_PAUSE,
    FOLLOW_LONGEST_PAUSE,
    OLD_PORT_SECONDS,
    PANEL_SECONDS,
    PROGRESS_SECONDS,
)
from wsdash.engine.run.recorder import Recorder
from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.model import Downtime, Followed, Notice, OldPortClients
from wsdash.model.facts import FOLDS, FOLLOWS, WAY_BACK, KeptChanges
from wsdash.model.online import Side
from wsdash.stack.base import Stack
from wsdash.steps.base import StepContext, endpoint
from wsdash.steps.online.move import move_state, read_move
from wsdash.steps.online.panel import panel


class ChangeFollower:
    """Owns the task that applies changes; see steps.base.Following. Open it first and close it last."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        stack: Stack,
        state: Path,
        alerts: Callable[[], Sequence[str]],
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._stack = stack
        self._state = state
        self._alerts = alerts
        self._over = asyncio.Event()
        self._doing: asyncio.Task[None] | None = None
        self._holds = 0
        self._one_at_a_time = asyncio.Lock()
        self._newest: Followed | None = None
        self._well_at = 0.0
        self._told_at = 0.0
        self._overhead: float | None = None
        self._alarmed = ""
        self._old_port: OldPortClients | None = None
        self._old_port_at = -OLD_PORT_SECONDS

    @property
    def newest(self) -> Followed | None:
        """Its progress; None while this engine has applied nothing."""
        return self._newest

    async def open(self) -> None:
        """Go on with what an earlier engine had begun."""
        await self._settle_clock()
        if self._wanted:
            self._start()

    async def close(self) -> None:
        """Let go; the next engine goes on."""
        await self._stop()

    async def begin(self) -> None:
        """Apply changes from now on, over every restart of the engine."""
        await self._recorder.note(FOLLOWS, True)
        await self._recorder.note(FOLDS, None)
        async with self._one_at_a_time:
            if not self._holds:
                await self._stop()  # what only folds
                self._start()

    async def end(self) -> None:
        """Apply no more."""
        for fact in (FOLLOWS, FOLDS):
            await self._recorder.note(fact, None)
        await self._stop()
        self._newest = None

    async def fold_only(self) -> None:
        """Apply no more, but keep the source's log small."""
        await self.end()
        await self._recorder.note(FOLDS, True)
        async with self._one_at_a_time:
            if not self._holds:
                self._start()

    @property
    def _wanted(self) -> bool:
        """Whether there is anything to do in the background."""
        follows, folds = self._recorder.journal.get(FOLLOWS), self._recorder.journal.get(FOLDS)
        return follows is True or folds is True

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """A block in which we apply nothing."""
        async with self._one_at_a_time:
            self._holds += 1
            await self._stop()
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds and self._wanted:
                self._start()

    def _start(self) -> None:
        if self._doing is None or self._doing.done():
            self._over.clear()
            self._doing = asyncio.create_task(self._for_ever())

    async def _stop(self) -> None:
        self._over.set()
        doing, self._doing = self._doing, None
        if doing is None:
            return
        _, running = await asyncio.wait({doing}, timeout=CLEANUP_SECONDS)
        if running:  # a server that does not answer: what was not committed is taken back there
            doing.cancel()
            await asyncio.wait({doing}, timeout=CLEANUP_SECONDS)

    async def _for_ever(self) -> None:
        """Apply changes, or keep the way back open, as the two sides' states demand. A failure is
        reported, and tried again.
        """
        pause = FOLLOW_FIRST_PAUSE
        while not self._over.is_set():
            try:
                await self._as_they_stand()
                pause = FOLLOW_FIRST_PAUSE
            except WsdashError as error:
                self._tell_trouble(str(error))
            except Exception as error:
                await self._recorder.trace(error)
                self._tell_trouble(f"unexpected {type(error).__name__}: {error}")
            await self._pause(pause)
            pause = min(pause * 2, FOLLOW_LONGEST_PAUSE)

    def _tell_trouble(self, text: str) -> None:
        """What was kept for the way back is still there."""
        known = self._newest or self._recorder.view.followed
        kept, size = (known.kept, known.log_bytes) if known is not None else (None, 0)
        self._tell(Followed("", None, log_bytes=size, trouble=text, kept=kept), now=True)

    async def _as_they_stand(self) -> None:
        if not self._recorder.journal.get(FOLLOWS):
            await self._keep("source")
            return
        try:
            sides = await move_state(self._settings)
        except UnreachableError:
            switched = self._recorder.view.switched
            if switched is not None and switched.opened == "target":  # it may be the source that is away
                await self._keep_once("target")
            raise
        except RefusedError as error:
            if error.what != self._alarmed:
                self._alarmed = error.what
                await self._recorder.record(Notice("error", str(error)))
            raise
        if sides is None:
            self._tell_trouble("the target knows of no move yet")
        elif sides.between:
            self._tell_trouble("both sides are closed: item switch goes forward from here")
        elif sides.source.open:
            await self._apply(await read_move(self._recorder.view.run, self._settings))
        else:
            await self._keep("target")

    async def _apply(self, move: Move) -> None:
        self._well_at = time.monotonic()
        looking = asyncio.create_task(self._look(move))
        try:
            await follow(move, move.source, self._over, self._heard)
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    def _heard(self, progress: FollowProgress) -> None:
        now = time.monotonic()
        if progress.trouble:
            lag = now - self._well_at
        else:
            lag, self._well_at = progress.seconds, now
        newest = self._newest
        size = progress.log_bytes or (newest.log_bytes if newest is not None else 0)
        self._tell(Followed("source", lag, progress.total, size, self._overhead, progress.trouble))

    async def _look(self, move: Move) -> None:
        """For ever: what capture costs a write now, and whether a switch could begin.

        What cannot be read is a line that says no; what cannot be measured is not shown.
        """
        while True:
            with suppress(WsdashError):
                measured = await measure_overhead(move.source, move.tracked)
                self._overhead = None if measured is None else measured.milliseconds / 1000
            await asyncio.sleep(PANEL_SECONDS)
            if self._newest is not None and self._newest.keeps_up:
                self._recorder.journal.emit(await panel(self._context(), move))

    async def _keep(self, side: Side) -> None:
        """Nothing leaves this side now: its log of changes is kept, and kept small.

        The target's is what keeps the way back open; the source's, after a rollback, the way forward.
        """
        while not self._over.is_set():
            await self._keep_once(side)
            if side == "target":
                await self._see_old_port()
            await self._pause(FOLD_LOG_SECONDS)

    async def _keep_once(self, side: Side) -> None:
        settings = self._settings.target if side == "target" else self._settings.source
        kept = await keep_small(endpoint(settings))
        self._tell(Followed(side, None, log_bytes=kept.log_bytes, kept=kept.changes), now=True)
        if side == "target":
            counted = KeptChanges(changes=kept.changes, at=self._recorder.journal.clock.time())
            await self._recorder.note(WAY_BACK, counted)

    async def _see_old_port(self) -> None:
        """Record who still comes to the old service's port: when somebody new does, else once an hour."""
        seen = await read_relayed(self._settings.api.old)
        if seen is None or seen == self._old_port:
            return
        known = self._old_port.clients if self._old_port is not None else ()
        new = {client.address for client in seen.clients} - {client.address for client in known}
        now = time.monotonic()
        if new or now - self._old_port_at >= OLD_PORT_SECONDS:
            self._old_port, self._old_port_at = seen, now
            self._recorder.journal.emit(seen)

    async def _settle_clock(self) -> None:
        """What a killed engine left running ended when its fence fell, if the source is open."""
        clock = self._recorder.view.downtime
        if clock is None or not clock.running:
            return
        try:
            sides = await move_state(self._settings)
        except WsdashError:
            return
        if sides is not None and sides.source.open:
            ended = self._recorder.journal.clock.time()
            await self._recorder.record(Downtime(running=False, started_at=clock.started_at, ended_at=ended))

    def _context(self) -> StepContext:
        journal = self._recorder.journal
        run = self._recorder.view.run
        return StepContext(
            run,
            "switch",
            self._settings,
            self._stack,
            journal,
            journal.emit,
            self._state,
            following=self,
            alerts=self._alerts,
        )

    def _tell(self, event: Followed, *, now: bool = False) -> None:
        self._newest = event
        if now or time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self._recorder.journal.emit(event)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            pass
