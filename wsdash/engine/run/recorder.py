"""Records events and keeps the run as the journal tells it; waits, and says so, while the disk is full.

At the end of a migration, what people said and what was proven of it counts for nothing from there on.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from wsdash.config import load_settings
from wsdash.engine.journal.redact import redactor_for
from wsdash.engine.journal.store import FILE
from wsdash.engine.journal.writer import Journal, JournalError
from wsdash.engine.limits import RETRY_SECONDS
from wsdash.engine.operator.launch import LOG_FILE, planned_mode
from wsdash.model import AnyEvent, ItemChanged, ItemKind, ItemState, Recorded, Restored
from wsdash.model.facts import BASELINE, BENCHMARKED, BRANCHED, SENT, VERIFIED, Fact, result_of
from wsdash.model.facts import T as F
from wsdash.model.fold import ANSWERED, RunView, fold, fold_all
from wsdash.plan import Plan, load_plan
from wsdash.steps.trials.checklist import TRIALS
from wsdash.timeline.story import after_copying

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


PROOFS: tuple[Fact[Any], ...] = (
    VERIFIED,
    BENCHMARKED,
    BRANCHED,
    *(result_of(name) for name in TRIALS),
)
"""Facts that prove something of the copied rows, or of the service on them. Not those that items need to go
on after a crash, which their own steps remove."""
OF_ONE_MIGRATION: tuple[Fact[Any], ...] = (BASELINE, SENT)
"""Facts that a rollback ends besides: how fast the old service was, and that the team was notified."""


async def forget_people(recorder: Recorder, plan: Plan) -> None:
    """A rollback begins: what people ticked, skipped or waited for, and every test, is taken back.

    Automatic items are taken back by their own undo.
    """
    tests = {test.id for test in plan.tests}
    for item in plan.everything:
        look = recorder.view.item(item.id)
        by_step = item.kind is ItemKind.AUTO and item.id not in tests and look.state is not ItemState.SKIPPED
        if not by_step and look.state in ANSWERED:
            text = f"it was {look.state} for the migration that is rolled back: {look.evidence}"
            await recorder.record(ItemChanged(item.id, ItemState.UNDONE, text))


async def forget_proofs(recorder: Recorder, facts: Iterable[Fact[Any]] = PROOFS) -> None:
    """Remove the facts that prove."""
    for name in facts:
        if recorder.journal.noted(name):
            await recorder.note(name, None)


async def set_back(recorder: Recorder, plan: Plan, why: str) -> None:
    """The copied rows are about to change: whatever was said of them is to be done again."""
    for name in after_copying(plan):
        if recorder.view.item(name).state in ANSWERED:
            await recorder.record(ItemChanged(name, ItemState.PENDING, note=why))
    await forget_proofs(recorder)


async def note_restore(state: Path, config: Path | None, side: str, file: Path) -> None:
    """`wsdash restore` is about to write: the migration of this state directory ends, where there is one.

    The caller holds the operator's lock. Raises InputError for a configuration that cannot be read.
    """
    if not (state / FILE).exists():
        return
    settings = load_settings(config)
    plan = load_plan(config).in_mode(planned_mode(state, settings))
    journal = await asyncio.to_thread(Journal.open, state)
    try:
        journal.redactor = await asyncio.to_thread(redactor_for, settings, state)
        view = fold_all(await journal.history())
        recorder = Recorder(journal, view, lambda _: None, state / LOG_FILE)
        await recorder.record(Restored(side, str(file)))
        await set_back(recorder, plan, f"a backup was restored into the {side}")
    finally:
        await journal.close()
