"""Records events and keeps the run as the journal tells it; waits, and says so, while the disk is full."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from wsdash.engine.journal.writer import Journal, JournalError
from wsdash.engine.limits import RETRY_SECONDS
from wsdash.model import AnyEvent, Recorded
from wsdash.model.facts import Fact
from wsdash.model.facts import T as F
from wsdash.model.fold import RunView, fold

T = TypeVar("T")


class Recorder:
    """Durable recording. While the journal cannot be written nothing goes on; `tell` hears of it once."""

    def __init__(self, journal: Journal, view: RunView, tell: Callable[[str], None], log_file: Path) -> None:
        self.journal = journal
        self.view = view
        self.tell = tell
        self._log_file = log_file

    async def record(self, event: AnyEvent) -> None:
        """Durable when this returns."""
        seq = await self._insist(lambda: self.journal.record(event))
        self.view = fold(self.view, Recorded(seq, self.journal.clock.time(), event))

    async def note(self, name: Fact[F], value: F | None) -> None:
        """Set a fact, durable when this returns."""
        await self._insist(lambda: self.journal.put(name, value))

    async def trace(self, error: BaseException) -> None:
        """Keep a defect's traceback in the engine's log, redacted, for those who repair it."""
        text = self.journal.redactor.text("".join(traceback.format_exception(error)))
        await asyncio.to_thread(self._append, text)

    def _append(self, text: str) -> None:
        try:
            with self._log_file.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            self.tell(f"engine.log cannot be written: {error.strerror}")

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        warned = False
        while True:
            try:
                written = await write()
                break
            except JournalError as error:
                if not warned:
                    self.tell(f"paused: {error}")
                warned = True
            await asyncio.sleep(RETRY_SECONDS)
        if warned:
            self.tell("the journal can be written again; going on")
        return written
