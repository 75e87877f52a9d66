"""The runner: takes intents, decides which item is next, and has it performed; one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from wsdash.engine.limits import CLEANUP_SECONDS
from wsdash.engine.run.due import REHEARSE, AutoRun, Order, due, halted, outcome, restore_refusal, to_undo
from wsdash.engine.run.due import refusal as no_rehearsal
from wsdash.engine.run.intents import gives_up, kept, refusal, tests_of, ticked
from wsdash.engine.run.perform import Performer, PreconditionChecker
from wsdash.engine.run.recorder import OF_ONE_MIGRATION, PROOFS, Recorder, forget_people, forget_proofs
from wsdash.engine.source_jobs import SourceJobs
from wsdash.errors import RefusedError
from wsdash.model import (
    PAUSE_JOBS,
    REHEARSAL,
    Intent,
    ItemChanged,
    ItemIntended,
    ItemKind,
    ItemState,
    JobsAnswered,
    Notice,
    Outcome,
    PauseChanged,
    Reply,
    RunFinished,
)
from wsdash.model.facts import GIVE_UP, KEEP, RESTORE_FIRST, ROLLING_BACK
from wsdash.model.fold import RunView
from wsdash.model.run import ROUNDS
from wsdash.plan import Item, Plan


class Runner:
    """Runs until `stop`, or until it has nothing more to do when exit_when_done.

    hands_free: returns once nobody changes the world beside the run; awaited before each item. rehearse: the
    migration rehearsed in so many rounds; whether all was clean. jobs: pauses the source's background jobs.
    succeeded: what was asked last was done (None before). stuck: a step did not end after its cancellation.
    """

    def __init__(
        self,
        plan: Plan,
        performer: Performer,
        recorder: Recorder,
        *,
        exit_when_done: bool = False,
        hands_free: Callable[[], Awaitable[None]] | None = None,
        rehearse: Callable[[int], Awaitable[bool]] | None = None,
        jobs: SourceJobs | None = None,
    ) -> None:
        self.plan = plan
        self._performer = performer
        self._recorder = recorder
        self._record = recorder.record
        self._reprover = PreconditionChecker(plan, performer, recorder)
        self.succeeded: bool | None = None
        self.stuck = False
        self.current = ""
        self._exit_when_done = exit_when_done
        self._hands_free = hands_free
        self._rehearse = rehearse
        self._jobs = jobs
        self._rounds = 0
        self._auto: AutoRun | None = None
        self._orders: deque[Order] = deque()
        self._roll_back = False
        self._paused = False
        self._stopping = False
        self._resting = False
        self._waiting_told: tuple[str, ...] = ()
        self._wake = asyncio.Event()
        self._interrupt = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    @property
    def view(self) -> RunView:
        """The run's present state."""
        return self._recorder.view

    # --- what is asked ---

    def run_auto(self, auto: AutoRun) -> None:
        """Begin to run all that is automatic. Raises InputError for an unknown item."""
        names = [item.id for item in self.plan.items]
        for name in (auto.until, auto.from_item):
            if name:
                self.plan.item(name)
        if auto.from_item:
            auto.again = set(names[names.index(auto.from_item) :])
        self._auto = auto
        self._reprover.rested()
        self._waiting_told = ()
        self._wake.set()

    def run_items(self, names: Sequence[str], phrase: str = "") -> None:
        """Run these items in turn; a failed one does not hold the others back. Raises InputError."""
        self.succeeded = None
        self._orders.extend(self._order(self.plan.item(name), phrase=phrase) for name in names)
        self._wake.set()

    def _order(self, item: Item, *, force: bool = False, phrase: str = "", **options: Any) -> Order:
        if any(test.id == item.id for test in self.plan.tests):
            options["since"] = time.time()  # a test that was asked for again is tried again
        return Order(item, force, phrase, options)

    def rehearse(self, rounds: int) -> None:
        """Rehearse the migration next. Raises RefusedError when it cannot be rehearsed now."""
        no = self._no_rehearsal(rounds)
        if no:
            raise RefusedError(no, where="this run", remedy="look at it with `wsdash status`")
        self._rounds = rounds
        self._wake.set()

    def _no_rehearsal(self, rounds: object) -> str:
        running = self.current or (REHEARSAL if self._rounds else "")
        return no_rehearsal(self.view, running, self._undoing(), rounds)

    def roll_back(self) -> None:
        """Roll back; a running item is interrupted first."""
        self._roll_back = True
        self._auto = None
        self._rounds = 0
        self._orders.clear()
        self._interrupt.set()
        self._wake.set()

    def stop(self) -> None:
        """End: a running item is interrupted and noted as pending."""
        self._stopping = True
        self._interrupt.set()
        self._wake.set()

    async def handle(self, intent: Intent) -> Reply:
        """Answer an intent of an operator; never waits for an item to end."""
        async with self._one_at_a_time:
            waiting = frozenset(order.item.id for order in self._orders)
            no = refusal(intent, self.plan, self.view, self.current, self._undoing(), waiting)
            if not no and intent.do == "rollback" and intent.options.get("restore"):
                no = restore_refusal(self.plan, self.view)
            if not no and intent.do == REHEARSE:
                no = self._no_rehearsal(intent.options.get("rounds", ROUNDS))
            if no:
                return Reply(False, no)
            return await self._accept(intent)

    async def _accept(self, intent: Intent) -> Reply:
        match intent.do:
            case "ping":
                return Reply(True, self._doing())
            case "run-auto":
                self.run_auto(AutoRun.asked(intent))
            case "run-item" | "retry":
                item = self.plan.item(intent.item)
                if self._undoing():  # an explicit step forward gives up a rollback that stopped half-way
                    await self._recorder.note(ROLLING_BACK, False)
                self.succeeded = None
                order = self._order(item, force=intent.force, phrase=intent.phrase, **intent.options)
                self._orders.append(order)
            case "run-tests":
                self.run_items(tests_of(intent, self.plan), intent.phrase)
            case "confirm" | "skip":
                await self._tick(intent)
            case do if do == PAUSE_JOBS:
                await self._record(JobsAnswered(intent.options["pause"], intent.who, intent.note))
            case "pause" | "resume":
                await self._pause(intent.do == "pause", intent.who)
            case "rollback":
                await self._recorder.note(RESTORE_FIRST, str(intent.options.get("restore") or ""))
                await self._recorder.note(KEEP, kept(intent, self._recorder.journal.get(KEEP)))
                await self._recorder.note(GIVE_UP, gives_up(intent))
                self.roll_back()
            case "rehearse":
                self._rounds = intent.options.get("rounds", ROUNDS)
            case "stop-rehearsal":
                self._interrupt.set()
            case "stop":
                self.stop()
        self._wake.set()
        return Reply(True, f"{intent.do} {intent.item}".strip())

    def _doing(self) -> str:
        if self.current:
            return f"running {self.current}"
        if not self._resting or self._wake.is_set():
            return "between two items"
        return "paused" if self._paused else "idle"

    def _undoing(self) -> bool:
        begun = self._recorder.journal.get(ROLLING_BACK)
        return self._roll_back or bool(begun)

    async def _pause(self, paused: bool, by: str) -> None:
        self._paused = paused
        self._reprover.rested()
        await self._record(PauseChanged(paused, by))

    async def _tick(self, intent: Intent) -> None:
        attempt = self.view.item(intent.item).attempts + 1
        await self._record(ItemIntended(intent.item, "confirm", attempt))
        changed = ticked(intent, self.view, self._undoing())
        await self._record(changed)
        if self.view.item(intent.item).satisfied:
            await self._performer.became_done(self.plan.item(intent.item), changed.state)
        await self._perhaps_migrated()

    async def _perhaps_migrated(self) -> None:
        view = self.view
        if self._auto is None and view.finished is None and outcome(view, self.plan) is Outcome.MIGRATED:
            await self._finished("")

    # --- what is done ---

    async def run(self) -> None:
        """The loop. Ends by `stop`, or when there is nothing more to do and exit_when_done."""
        while not self._stopping:
            self._wake.clear()
            if self._jobs is not None:
                await self._jobs.settle(rolling_back=not self._roll_back and self._undoing())
            work = await self._next()
            if work is not None:
                await self._carry_out(work)
            elif self._exit_when_done and not self._paused:
                return
            else:
                self._resting = True
                await self._wake.wait()
                self._resting = False
                self._reprover.rested()

    async def _next(self) -> Callable[[], Awaitable[None]] | None:
        if self._roll_back:
            return self._all_undone
        if self._rounds:
            return self._rehearsed
        if self._orders:
            order = self._orders[0]
            return (lambda: self._one(order)) if await self._may_read(order.item) else None
        if self._paused or self._auto is None:
            return None
        item = next(due(self.plan, self.view, self._auto), None)
        if item is None:
            await self._nothing_due(self._auto)
            return None
        auto = self._auto
        if item.kind is not ItemKind.AUTO:
            return lambda: self._tick_by_yes(item)
        if not await self._may_read(item, auto.yes):
            return None
        return lambda: self._one_of_all(item, auto)

    async def _may_read(self, item: Item, yes: bool = False) -> bool:
        return self._jobs is None or await self._jobs.answered(item.id, yes=yes)

    async def _carry_out(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._stopping or (self._roll_back and work != self._all_undone):
            return
        # not in a TaskGroup: a step that does not end when cancelled must not hold the engine back
        self._interrupt.clear()
        task = asyncio.ensure_future(self._alone(work))
        interrupted = asyncio.ensure_future(self._interrupt.wait())
        try:
            await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                task.cancel()
                _, running = await asyncio.wait({task}, timeout=CLEANUP_SECONDS)
                if running:
                    self.stuck = True
                    note = f"interrupted; its cleanup did not end within {CLEANUP_SECONDS:.0f} s"
                    await self._record(ItemChanged(self.current, ItemState.PENDING, note=note))
                    self._stopping = True
                    return
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            interrupted.cancel()
            task.cancel()
            self.current = ""

    async def _alone(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._hands_free is not None:
            await self._hands_free()
        await work()

    async def _rehearsed(self) -> None:
        rounds, self._rounds = self._rounds, 0
        assert self._rehearse is not None
        self.current = REHEARSAL
        self._reprover.rested()
        self.succeeded = False
        self.succeeded = await self._rehearse(rounds)

    async def _one(self, order: Order) -> None:
        try:
            await self._ordered(order)
        finally:
            with contextlib.suppress(ValueError):  # a rollback drops what was ordered
                self._orders.remove(order)

    async def _ordered(self, order: Order) -> None:
        options = order.options | ({"phrase": order.phrase} if order.phrase else {})
        self._reprover.rested()
        if not await self._stands(order.item):
            return
        done = await self._done(order.item, order.force, options)
        self.succeeded = done and self.succeeded is not False
        if not done:
            await self._finished(f"{order.item.id} {self.view.item(order.item.id).state}")
        else:
            await self._perhaps_migrated()

    async def _one_of_all(self, item: Item, auto: AutoRun) -> None:
        options = {"phrase": auto.phrase} if auto.phrase else {}
        if not await self._stands(item):
            self._auto = None
            return
        done = await self._done(item, auto.force, options)
        auto.again.discard(item.id)
        if not done:
            self._auto = None
            self.succeeded = False
            await self._finished(f"{item.id} failed")

    async def _stands(self, item: Item) -> bool:
        """Whether what the item depends on holds; what no longer does is done again first."""
        self.current = item.id
        for one in await self._reprover.set_back(item):
            if not await self._done(one):
                self.succeeded = False
                await self._finished(f"{one.id} failed")
                return False
        return True

    async def _done(self, item: Item, force: bool = False, options: dict[str, Any] | None = None) -> bool:
        self.current = item.id
        if self._jobs is not None:
            await self._jobs.before(item.id)
        done = await self._performer.perform(item, force=force, options=options)
        if done:
            self._reprover.proved(item)
        return done

    async def _tick_by_yes(self, item: Item) -> None:
        text = "nobody confirmed: --yes was said, no person looked at it"
        attempt = self.view.item(item.id).attempts + 1
        await self._record(ItemIntended(item.id, "confirm", attempt))
        await self._record(ItemChanged(item.id, ItemState.DONE, text, who="--yes", note="nobody confirmed"))
        await self._performer.became_done(item)

    async def _nothing_due(self, auto: AutoRun) -> None:
        halt = halted(self.plan, self.view, auto)
        if halt.people and not self._exit_when_done:
            if halt.people != self._waiting_told:
                waiting = "waiting for a person to confirm: " + ", ".join(halt.people)
                self._recorder.journal.emit(Notice("info", waiting))
            self._waiting_told = halt.people
            return
        self._auto = None
        self.succeeded = halt.finished
        await self._finished(halt.text)

    async def _finished(self, detail: str) -> None:
        await self._record(RunFinished(outcome(self.view, self.plan), detail))

    # --- the way back ---

    async def _all_undone(self) -> None:
        self._roll_back = False
        self._paused = False
        undoing = to_undo(self.plan, self.view)
        self.current = undoing[0].id if undoing else ""
        if not self._recorder.journal.get(ROLLING_BACK):  # what was skipped to go on with it stays skipped
            await forget_people(self._recorder, self.plan)
        await self._recorder.note(ROLLING_BACK, True)
        for item in undoing:
            self.current = item.id
            if not await self._performer.undo(item):
                self.succeeded = False
                await self._finished(
                    f"the rollback stopped at {item.id}. Back: correct it and roll back again, or leave it "
                    f"as it is with `wsdash skip {item.id} --who NAME --why TEXT` and roll back again. "
                    "Forward: `wsdash migrate --abandon-rollback`"
                )
                return
        await self._performer.taken_back()
        await forget_proofs(self._recorder, (*PROOFS, *OF_ONE_MIGRATION))
        await self._recorder.note(ROLLING_BACK, False)
        self.succeeded = True
        await self._record(RunFinished(Outcome.ROLLED_BACK, "every item was taken back"))
