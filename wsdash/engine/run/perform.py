"""One item at a time: check, act if needed, check again; and its way back. Everything is recorded first.

Before an item acts, what it depends on is read again: what no longer holds is set back and done again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from wsdash.engine.limits import LAST_WORD_SECONDS
from wsdash.engine.outlook import rehearsal_summary, trustworthy
from wsdash.engine.run.due import below, opened
from wsdash.engine.run.recorder import Recorder, set_back
from wsdash.errors import InputError, WsdashError
from wsdash.model import Downtime, ItemChanged, ItemIntended, ItemKind, ItemState, Meaning, Notice, Phase
from wsdash.plan import Item, Plan
from wsdash.steps.base import Evidence, RecheckedStep, Step, StepContext

REMEDY = {
    ItemState.FAILED: "see the logs, correct what the evidence names, then retry",
    ItemState.INSUFFICIENT: "let it be watched for longer, then try again",
}

MakeContext = Callable[[str, bool, dict[str, Any]], StepContext]
"""(item id, force, options) -> what the step is handed."""


class Performer:
    """Carries out items; each outcome is evidence in the journal."""

    def __init__(
        self, recorder: Recorder, steps: dict[str, Step], make_context: MakeContext, plan: Plan
    ) -> None:
        self._plan = plan
        self._recorder = recorder
        self._record = recorder.record
        self._steps = steps
        self._make_context = make_context

    @property
    def opened(self) -> bool:
        """The new service was opened for writes in this run, and that was not taken back."""
        return opened(self._recorder.view, self._plan)

    async def perform(
        self, item: Item, *, force: bool = False, options: dict[str, Any] | None = None
    ) -> bool:
        """Check, act, check. True when the item is done. When cancelled, it is pending again, and noted."""
        step = self._step(item)
        context = self._make_context(item.id, force, options or {})
        attempt = self._recorder.view.item(item.id).attempts + 1
        started = time.monotonic()

        async def attempt_it() -> ItemChanged:
            evidence = await self._check_act_check(item, step, context, attempt)
            state = _answer(evidence)
            return ItemChanged(item.id, state, evidence.text, remedy=evidence.remedy or REMEDY.get(state, ""))

        return await self._concluded(item.id, started, attempt_it)

    async def _check_act_check(self, item: Item, step: Step, context: StepContext, attempt: int) -> Evidence:
        begun_before = self._recorder.view.item(item.id).touched
        closes, copies = _fences(item), item.means(Meaning.COPIES_ROWS)

        async def note(action: str) -> None:
            if action == "act" and closes and not begun_before:
                self._say_how_it_was_rehearsed(item)
            await self._record(ItemIntended(item.id, action, attempt))
            if self._recorder.view.item(item.id).state is not ItemState.RUNNING:
                await self._record(ItemChanged(item.id, ItemState.RUNNING))
            if action == "act" and closes:
                await self.downtime_begins()
            # before the first copy nobody can have said anything of the rows: a skip decided early counts
            if action == "act" and copies and begun_before:
                await set_back(self._recorder, self._plan, "the rows are copied again")

        def worth_acting(evidence: Evidence) -> bool:
            # a fence around a service that was not found would stop nothing and start the downtime's clock
            return not (closes and evidence.insufficient)

        evidence = await check_act_check(step, context, note, worth_acting)
        if evidence.holds:
            await self.became_done(item)
        return evidence

    async def became_done(self, item: Item, state: ItemState = ItemState.DONE) -> None:
        """Start or stop the clock of the write downtime as the item means, whoever made it done.

        state: done, or skipped by a person. A fence that was passed over closes nothing; the run that goes on
        past the item that opens the new service has opened it.
        """
        if _fences(item) and state is not ItemState.SKIPPED:
            await self.downtime_begins()
        if item.means(Meaning.OPENS_TARGET):
            await self._downtime_ends()

    async def taken_back(self) -> None:
        """A rollback is over: the old service takes writes again, be it that a person started it."""
        await self._downtime_ends()

    def _say_how_it_was_rehearsed(self, item: Item) -> None:
        now, newest = self._recorder.journal.clock.time(), self._recorder.view.rehearsal
        level = "info" if trustworthy(newest, now) else "warning"
        self._recorder.journal.emit(Notice(level, rehearsal_summary(newest, now), item.id))

    def rechecked_step(self, item: Item) -> RecheckedStep | None:
        """The item's step, when later items depend on it."""
        step = self._steps.get(item.id)
        return step if isinstance(step, RecheckedStep) else None

    def who_said(self, item: Item) -> str:
        """The person whose word made the item done, '' where its evidence did."""
        return self._recorder.view.item(item.id).who

    async def look(self, item: Item) -> Evidence:
        """Only check, and record nothing. What cannot be read does not hold."""
        try:
            return await self._step(item).check(self._make_context(item.id, False, {}))
        except Exception as error:
            cause = known_cause(error)
            if cause is None:
                await self._recorder.trace(error)
            return Evidence(False, f"it cannot be read: {cause.what if cause is not None else error}")

    async def undo(self, item: Item) -> bool:
        """Take an item back. True when it is undone (or there was nothing to take back)."""
        step = self._step(item)
        context = self._make_context(item.id, False, {})
        attempt = self._recorder.view.item(item.id).attempts + 1
        started = time.monotonic()

        async def attempt_it() -> ItemChanged:
            await self._record(ItemIntended(item.id, "undo", attempt))
            await self._record(ItemChanged(item.id, ItemState.RUNNING, note="rolling back"))
            evidence = await step.undo(context) or Evidence(True, "nothing to take back")
            if not evidence.holds:
                remedy = evidence.remedy or "correct what the evidence names, then roll back again"
                return ItemChanged(item.id, ItemState.FAILED, evidence.text, remedy=remedy)
            if item.means(Meaning.CLOSES_SOURCE):
                await self._downtime_ends()
            return ItemChanged(item.id, ItemState.UNDONE, evidence.text)

        return await self._concluded(item.id, started, attempt_it)

    async def _concluded(
        self, item: str, started: float, attempt_it: Callable[[], Awaitable[ItemChanged]]
    ) -> bool:
        try:
            changed = await attempt_it()
        except asyncio.CancelledError:
            note = ItemChanged(item, ItemState.PENDING, note="interrupted", seconds=_since(started))
            try:
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    await self._record(note)
            except TimeoutError:
                self._recorder.tell(f"{item} was interrupted, which could not be written to the journal")
            raise
        except Exception as error:
            changed = await self._failed(item, error)
        seconds = _since(started)
        await self._record(
            ItemChanged(item, changed.state, changed.evidence, seconds=seconds, remedy=changed.remedy)
        )
        return changed.state in (ItemState.DONE, ItemState.UNDONE)

    async def _failed(self, item: str, error: Exception) -> ItemChanged:
        cause = known_cause(error)
        if cause is not None:
            where = f" ({cause.where})" if cause.where else ""
            return ItemChanged(item, ItemState.FAILED, f"{cause.what}{where}", remedy=cause.remedy)
        await self._recorder.trace(error)
        text = f"unexpected {type(error).__name__}: {error}"
        return ItemChanged(item, ItemState.FAILED, text, remedy="retry; engine.log holds the details")

    async def fence_fell(self, evidence: Evidence) -> None:
        """The old service was found taking writes: what the clock counts as down ends there.

        Where nothing tells since when it does, the clock runs on: it may count too much, never too little.
        """
        clock = self._recorder.view.downtime
        if clock is not None and clock.running and evidence.broken_at is not None:
            ended = min(max(evidence.broken_at, clock.started_at), self._recorder.journal.clock.time())
            await self._record(Downtime(running=False, started_at=clock.started_at, ended_at=ended))

    async def downtime_begins(self) -> None:
        """The old service takes no writes from now on; where the clock runs already, it runs on."""
        if self.opened:
            return  # the new service takes writes already; stopping the old one again takes nothing away
        if self._recorder.view.downtime is None or not self._recorder.view.downtime.running:
            await self._record(Downtime(running=True, started_at=self._recorder.journal.clock.time()))

    async def _downtime_ends(self) -> None:
        clock = self._recorder.view.downtime
        if clock is not None and clock.running:
            ended = self._recorder.journal.clock.time()
            await self._record(Downtime(running=False, started_at=clock.started_at, ended_at=ended))

    def _step(self, item: Item) -> Step:
        step = self._steps.get(item.id)
        if step is None:
            raise InputError(
                f"no step is bound to the automatic item {item.id!r}",
                where="plan.yaml",
                remedy="make it a confirm item, or use the shipped plan",
            )
        return step


async def check_act_check(
    step: Step,
    context: StepContext,
    before: Callable[[str], Awaitable[None]],
    worth_acting: Callable[[Evidence], bool] = lambda _: True,
) -> Evidence:
    """Check; where it does not hold, act and check again: the last evidence. `before` hears check and act
    before each begins. worth_acting: whether to act on what was seen. Raises what the step does.
    """
    await before("check")
    evidence = await step.check(context)
    if not evidence.holds and worth_acting(evidence):
        await before("act")
        await step.act(context)
        await before("check")
        evidence = await step.check(context)
    return evidence


def _fences(item: Item) -> bool:
    """Whether the clock of the write downtime starts with it.

    An item that both closes and opens tells the time itself: writers are refused for a part of it only.
    """
    return item.means(Meaning.CLOSES_SOURCE) and not item.means(Meaning.OPENS_TARGET)


def _answer(evidence: Evidence) -> ItemState:
    if evidence.holds:
        return ItemState.DONE
    return ItemState.INSUFFICIENT if evidence.insufficient else ItemState.FAILED


def known_cause(error: BaseException) -> WsdashError | None:
    """The failure that a person should read: the error itself, or the first known one of a group."""
    if isinstance(error, WsdashError):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            if (cause := known_cause(inner)) is not None:
                return cause
    return None


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


class PreconditionChecker:
    """Knows what was proven since the engine last rested, and reads the rest again."""

    def __init__(self, plan: Plan, performer: Performer, recorder: Recorder) -> None:
        self._plan = plan
        self._performer = performer
        self._recorder = recorder
        self._fresh: set[str] = set()

    def rested(self) -> None:
        """Time went by: nothing that was proven before is taken for granted."""
        self._fresh.clear()

    def proved(self, item: Item) -> None:
        """The item was just done by its evidence."""
        self._fresh.add(item.id)

    async def set_back(self, item: Item) -> list[Item]:
        """Read again the done items that a migration item depends on; where one no longer holds, it and what
        was done on top of it are pending again, with the reason in the journal.

        Returns those of them that `item` needs, in the order in which they are to be done again; [] when all
        holds. Items that a person skipped are left alone, and so is everything once the migration is over:
        an item after it has no business stopping a service.
        """
        if item.phase is not Phase.MIGRATION:
            return []
        needed = below(self._plan, item)
        still: list[str] = []
        for one in self._plan.items:
            if one.id not in needed or not self._to_be_read(one):
                continue
            evidence = await self._performer.look(one)
            # what a person vouched for, because too little can be seen, counts until something contradicts it
            vouched = evidence.insufficient and bool(self._performer.who_said(one))
            if evidence.holds or vouched:
                still += [] if one.id in self._fresh else [one.id]
                self._fresh.add(one.id)
                continue
            back = await self._back(one, item, evidence.text)
            if one.means(Meaning.CLOSES_SOURCE):
                await self._performer.fence_fell(evidence)
            return [each for each in back if each.id in needed]
        if still:
            text = f"read again before {item.id}, and still so: {', '.join(still)}"
            self._recorder.journal.emit(Notice("info", text, item.id))
        return []

    def _to_be_read(self, item: Item) -> bool:
        step = self._performer.rechecked_step(item)
        if step is None or self._recorder.view.item(item.id).state is not ItemState.DONE:
            return False
        if step.until_open and self._performer.opened:
            return False
        return step.fence or item.id not in self._fresh

    async def _back(self, broken: Item, before: Item, found: str) -> list[Item]:
        text = f"{broken.id} no longer holds: {found}; it is done again before {before.id}"
        self._recorder.journal.emit(Notice("warning", text, broken.id))
        back = [broken, *(one for one in self._plan.items if self._stands_on(one, broken))]
        for one in back:
            note = f"no longer holds: {found}" if one is broken else f"{broken.id} no longer held"
            await self._recorder.record(ItemChanged(one.id, ItemState.PENDING, note=note))
            self._fresh.discard(one.id)
        return back

    def _stands_on(self, item: Item, broken: Item) -> bool:
        if item.kind is not ItemKind.AUTO or item.phase is not Phase.MIGRATION:
            return False
        step = self._performer.rechecked_step(item)
        handed_over = step is not None and step.until_open and self._performer.opened
        done = self._recorder.view.item(item.id).state is ItemState.DONE
        return done and not handed_over and broken.id in below(self._plan, item)
