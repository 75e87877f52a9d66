"""The engine's history: the journal's events as samples, beside the journal and never in its way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from wsdash.engine.limits import LOOK_EVERY
from wsdash.errors import InputError
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import AnyEvent, BackupTaken, Notice, Recorded
from wsdash.model.samples import SampleFold


class EngineHistory:
    """Writes the history of one state directory; `see` may be called by the journal's thread."""

    def __init__(self, writer: HistoryWriter, note: str) -> None:
        self.note = note
        """What must be reported of how it was opened, or ''."""
        self._writer = writer
        self._recorder = SampleFold(writer.add)

    @classmethod
    def open(cls, state: Path) -> EngineHistory:
        """Open or create state/history.db. A file that cannot be used is kept under another name.

        Measuring must not stop a migration: only a directory that cannot be written raises InputError.
        """
        path = state / FILE
        try:
            return cls(HistoryWriter.open(path), "")
        except InputError as error:
            aside = path.with_name(f"{FILE}.{time.strftime('%Y%m%d-%H%M%S')}.unusable")
            try:
                path.rename(aside)
            except OSError:
                raise error from None
            return cls(HistoryWriter.open(path), f"{error.what}; a new one is begun, the old one is {aside}")

    def know(self, events: Iterable[Recorded]) -> None:
        """Take from an earlier life of the run what later samples need: when the backup was proven."""
        for recorded in events:
            if isinstance(recorded.event, BackupTaken):
                self._recorder.backup_taken(recorded.at)

    def cut(self, at: float) -> None:
        """The windows of the days begin at that epoch second; returns at once."""
        self._writer.cut(at)

    def recaller(self) -> Callable[[Recorded], None]:
        """Takes the events that an earlier life saw, all of them and in their order.

        Samples that were lost with it are written; none is written twice.
        """

        def add(series: str, at: float, value: float | None, error: str) -> None:
            if self._writer.lacks(series, at):
                self._writer.add(series, at, value, error)

        return SampleFold(add).see

    def see(self, recorded: Recorded) -> None:
        """Take an event; returns at once."""
        self._recorder.see(recorded)

    async def tell_trouble(self, emit: Callable[[AnyEvent], None]) -> None:
        """Say for ever when samples cannot be written, and when they can again."""
        reported = ""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            trouble = self._writer.trouble
            if trouble and not reported:
                emit(Notice("warning", f"the history cannot be written: {trouble}"))
            elif reported and not trouble:
                lost = f"; {self._writer.lost} samples were lost" if self._writer.lost else ""
                emit(Notice("info", f"the history is written again{lost}"))
            reported = trouble

    async def settle(self) -> None:
        """Write all samples that wait: whoever judges them next sees them."""
        await asyncio.to_thread(self._writer.flush)

    async def close(self) -> None:
        """Write what waits and close the file; within about 10 s."""
        await asyncio.to_thread(self._writer.close)
