"""Both sides compared by content, as they are now, because an operator asked; no item's evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from wsdash.config import Settings
from wsdash.engine.limits import CLEANUP_SECONDS, COMPARE_LOOK_SECONDS
from wsdash.engine.run.perform import known_cause
from wsdash.engine.run.recorder import Recorder
from wsdash.errors import RefusedError
from wsdash.model import REHEARSAL, ComparisonBegan, Intent, Reply, SidesCompared, StepId, TableCompared
from wsdash.steps.comparing.verify_now import ComparedNow, verify_now

WRITING = {
    StepId.MIGRATE_DATA: "migrate-data is writing the rows",
    StepId.INIT_NEON: "init-neon is making the tables",
    REHEARSAL: "a rehearsal has its own copy of the target in the target's place",
}
"""What may not be held up by a comparison, nor be read in its middle; and how it is said."""


def refusal(intent: Intent, running: str) -> str:
    """Why the sides cannot be compared now, or ''. running: the item that runs, or ''."""
    if not intent.who.strip():
        return "comparing both sides wants the name of the person who asks"
    if running in WRITING:
        return f"{WRITING[running]}: what is read now says nothing; compare again when that is over"
    return ""


class Comparer:
    """One comparison at a time; what was asked and what was found are events of the journal.

    running: the item that runs, or ''. An item that writes what is compared ends the comparison.
    quiet: a block around the reading, in which the source's background jobs may be paused.
    """

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        running: Callable[[], str],
        quiet: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._running = running
        self._quiet = quiet
        self._doing: asyncio.Task[None] | None = None

    async def handle(self, intent: Intent) -> Reply:
        """Refuse it, or note it and begin. The answer does not wait for the end."""
        no = refusal(intent, self._running())
        if not no and self._doing is not None and not self._doing.done():
            no = "both sides are being compared already; wait for the end of that"
        if no:
            return Reply(False, no)
        self._doing = asyncio.create_task(self._compare(intent.who.strip()))
        return Reply(True, "comparing both sides: begun")

    async def close(self) -> None:
        """End what is under way; it is noted as interrupted."""
        if self._doing is not None and not self._doing.done():
            self._doing.cancel()
            await asyncio.wait({self._doing}, timeout=CLEANUP_SECONDS)

    async def _compare(self, who: str) -> None:
        began = self._recorder.journal.clock.time()
        try:
            await self._recorder.record(ComparisonBegan(who))
            async with self._quiet():
                verdicts = await self._verdicts()
            found = SidesCompared(who, began, tuple(map(_table, verdicts)))
        except asyncio.CancelledError:
            text = "the engine ended before the comparison did"
            self._recorder.journal.emit(SidesCompared(who, began, error=text))
            raise
        except Exception as error:
            cause = known_cause(error)
            if cause is None:
                await self._recorder.trace(error)
            text = str(cause) if cause is not None else f"unexpected {type(error).__name__}: {error}"
            found = SidesCompared(who, began, error=text)
        await self._recorder.record(found)

    async def _verdicts(self) -> list[ComparedNow]:
        comparing = asyncio.create_task(verify_now(self._settings))
        try:
            while not comparing.done():
                running = self._running()
                if running in WRITING:
                    raise RefusedError(f"{WRITING[running]}: the comparison was ended for it")
                await asyncio.wait({comparing}, timeout=COMPARE_LOOK_SECONDS)
            return comparing.result()
        finally:
            comparing.cancel()
            await asyncio.wait({comparing}, timeout=CLEANUP_SECONDS)


def _table(verdict: ComparedNow) -> TableCompared:
    table = verdict.table
    return TableCompared(
        table.name,
        verdict.how,
        table.source_rows,
        table.target_rows,
        verdict.written,
        verdict.differences,
        verdict.moved,
    )
