"""The engine's process: the lock, the journal, the control socket, the world, the runner; in their order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from wsdash.config import load_settings
from wsdash.engine.background.alarms import ALERT_INTENTS, Alarms
from wsdash.engine.background.history import EngineHistory
from wsdash.engine.background.post_migration import INTENTS
from wsdash.engine.background.services import BackgroundServices
from wsdash.engine.background.spool import LogSpool
from wsdash.engine.dryrun import serve_dry
from wsdash.engine.journal.redact import redactor_for
from wsdash.engine.journal.writer import Journal, JournalError
from wsdash.engine.life import INTERRUPTED, Ending, Outlet, begin_life, made_world
from wsdash.engine.limits import CLEANUP_SECONDS
from wsdash.engine.operator.control import ControlServer
from wsdash.engine.operator.launch import LOG_FILE, run_mode
from wsdash.engine.operator.lock import OperatorLock, beat, keep_lock_fresh
from wsdash.engine.options import EngineOptions
from wsdash.engine.rehearsal.conduct import Rehearsal
from wsdash.engine.rehearsal.stage import RehearsalStage
from wsdash.engine.run.asked import CONTAINER
from wsdash.engine.run.due import AutoRun, done_already, restore_refusal
from wsdash.engine.run.perform import Performer
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.run.runner import Runner
from wsdash.engine.source_jobs import SourceJobs
from wsdash.engine.world import (
    World,
    describe,
    load_world,
    open_world_stack,
)
from wsdash.errors import InputError, RefusedError, WsdashError
from wsdash.model import (
    Intent,
    Meaning,
    Mode,
    Notice,
    Recorded,
    Reply,
    StepId,
)
from wsdash.model.facts import GIVE_UP, KEEP, RESTORE_FIRST, ROLLING_BACK, KeepChoice
from wsdash.model.fold import fold_all
from wsdash.model.run import BEING_MADE, COMPARE, OVERWRITE
from wsdash.outside import clean
from wsdash.runtime import remember_current
from wsdash.stack.base import Stack
from wsdash.steps.base import StepContext
from wsdash.steps.database.scope import preflight
from wsdash.steps.items import clear_at_start
from wsdash.steps.online.refused import refuse_at_first
from wsdash.tasks import LoopLag

__all__ = ["EngineOptions", "serve"]


async def serve(options: EngineOptions) -> int:
    """Be the engine until asked to stop or done; the process's exit code.

    0 done, 1 something asked for failed, 130 interrupted with the state saved. Raises InputError for bad
    input, LockHeldError when another operator holds the run, WsdashError when the world cannot be prepared.
    """
    if options.force and options.phrase != OVERWRITE:
        raise InputError(
            "writing over a target with foreign rows was not confirmed", remedy=f"type {OVERWRITE}"
        )
    options = replace(options, mode=await asyncio.to_thread(_mode, options))
    world = None
    if options.prepare is None:
        world = await asyncio.to_thread(load_world, options.config, options.steps, options.mode)
        options.check_items(world.plan)
        if not options.rollback:
            await preflight(world.settings)
        if options.mode == Mode.ONLINE and not (options.rollback or options.dry_run):
            await refuse_at_first(world.settings)
    if options.dry_run:
        return await serve_dry(options, world)
    lock = await asyncio.to_thread(OperatorLock.acquire, options.state, take_over=options.take_over)
    engine = Engine(options, lock, world)
    try:
        code = await engine.run()
    finally:
        lock.release()
    if engine.stuck:
        os._exit(code)  # a step ignores its cancellation; all is recorded, and waiting would be for ever
    return code


def _mode(options: EngineOptions) -> str:
    """Of the run: as asked for, as it was begun, or as the settings say; they are still to be made of a world
    that is prepared, which is asked for in one mode. Raises InputError. Blocks for I/O.
    """
    mode = options.mode or run_mode(options.state)
    if not mode and options.prepare is None:
        mode = load_settings(options.config).mode
    return mode or Mode.OFFLINE


class Engine:
    """One life of the engine. stuck: a step did not end after its cancellation."""

    def __init__(self, options: EngineOptions, lock: OperatorLock, world: World | None) -> None:
        self.options = options
        self.stuck = False
        self._lock = lock
        self._world = world
        self._alarms = Alarms()
        self._recorder: Recorder | None = None
        self._runner: Runner | None = None
        self._beside: BackgroundServices | None = None
        self._ending = Ending(options, self._tell)
        self._lag = LoopLag()
        self._failure: Exception | None = None
        self._outlet = Outlet(options.on_event or _errors_to_stderr)

    async def run(self) -> int:
        """Live; the exit code. Raises what serve promises."""
        journal = await asyncio.to_thread(Journal.open, self.options.state)
        history = await asyncio.to_thread(EngineHistory.open, self.options.state)
        journal.listener = self._heard_by(history)
        spool = await asyncio.to_thread(LogSpool, self.options.state)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(remember_current, self.options.state)
        before = await journal.history()
        history.know(before)
        self._alarms = Alarms(before, lambda: journal.clock.time())
        view = fold_all(before)
        if history.note:
            journal.emit(Notice("warning", history.note))
        self._recorder = recorder = Recorder(journal, view, self._tell, self.options.state / LOG_FILE)
        try:
            with self._ending.signals():
                return await self._with_helpers(recorder, spool, history)
        finally:
            await spool.close()
            try:
                await journal.close()
            except JournalError as error:
                self._tell(str(error))
            await history.close()
            await self._outlet.close()

    def _heard_by(self, history: EngineHistory) -> Callable[[Recorded], None]:
        def heard(recorded: Recorded) -> None:
            self._outlet.put(recorded)
            history.see(recorded)
            self._alarms.see(recorded)
            if self._beside is not None:
                self._beside.see(recorded)

        return heard

    async def _with_helpers(self, recorder: Recorder, spool: LogSpool, history: EngineHistory) -> int:
        """The sign of life and the control socket around the run itself."""
        failure: WsdashError | None = None
        code = 1
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self._lag.run()),
                group.create_task(beat(recorder.journal, self._current, self._lag)),
                group.create_task(keep_lock_fresh(self._lock)),
                group.create_task(history.tell_trouble(recorder.journal.emit)),
            ]
            async with ControlServer(self.options.state, self._handle):
                main = group.create_task(self._captured(self._live(recorder, spool, history)))
                self._ending.main = main
                await asyncio.wait({main})
                failure, code = self._concluded(main)
                await self._ending.tear_down(recorder)
                await self._ending.last_word(recorder, failure)
            for helper in helpers:
                helper.cancel()
        if failure is not None:
            raise failure
        return code

    async def _captured(self, life: Awaitable[int]) -> int:
        # a failure must reach the caller as it is, not wrapped by the group whose other tasks it would end
        try:
            return await life
        except Exception as error:
            self._failure = error
            return 1

    def _concluded(self, main: asyncio.Task[int]) -> tuple[WsdashError | None, int]:
        error = self._failure
        if isinstance(error, WsdashError):
            return error, error.exit_code
        if error is not None:
            return WsdashError(
                f"the engine failed: {describe(error)}",
                where=str(self.options.state / LOG_FILE),
                remedy="start it again with the same --state; the run goes on from where it was",
            ), 1
        if main.cancelled() or self._ending.reason:
            return None, self._ending.code
        return None, main.result()

    async def _live(self, recorder: Recorder, spool: LogSpool, history: EngineHistory) -> int:
        options = self.options
        try:
            await begin_life(recorder, options, self._lock, self._world)
            world = self._world = await made_world(recorder, options, self._world)
            redactor = await asyncio.to_thread(redactor_for, world.settings, options.state)
            recorder.journal.redactor = spool.redactor = redactor
            stack = options.stack or await open_world_stack(world.settings)
        except Exception as error:
            recorder.journal.emit(Notice("error", describe(error)))
            if not isinstance(error, WsdashError):
                await recorder.trace(error)
            raise
        if redactor.indistinct:
            text = "a database password is also a name in wsdash.yaml: it cannot be hidden by its value"
            recorder.journal.emit(Notice("warning", text))
        jobs = SourceJobs(world.settings, world.plan, recorder, asks=not options.exit_when_done)
        beside = BackgroundServices(options, recorder, spool, self._alarms, history, jobs, self._lag)
        self._beside = beside
        try:
            await jobs.begin(options.pause_jobs)
            await beside.begin(world, stack, self._current)
            code = await self._work(recorder, world, stack, beside, jobs)
            if code == 0 and not self._ending.reason:
                await beside.source_ended()
            return code
        finally:
            await beside.close()
            await jobs.close()
            self.stuck = self.stuck or beside.stuck
            with contextlib.suppress(WsdashError, OSError, TimeoutError):
                await asyncio.wait_for(stack.close(), CLEANUP_SECONDS)

    async def _work(
        self, recorder: Recorder, world: World, stack: Stack, beside: BackgroundServices, jobs: SourceJobs
    ) -> int:
        options, journal = self.options, recorder.journal

        def context(item: str, force: bool, more: dict[str, Any]) -> StepContext:
            run = recorder.view.run
            return StepContext(
                run,
                item,
                world.settings,
                stack,
                journal,
                journal.emit,
                options.state,
                force,
                more,
                now=lambda: journal.clock.time(),
                mode=options.mode,
                following=beside.follower,
                durably=recorder.record,
                alerts=self._alarms.unheeded,
            )

        performer = beside.performer = Performer(recorder, world.steps, context, world.plan)
        stage = RehearsalStage(world, stack, recorder, options.state, options.scratch_server)
        rehearsal = Rehearsal(stage)
        await self._cleared(rehearsal, recorder)
        runner = Runner(
            world.plan,
            performer,
            recorder,
            exit_when_done=options.exit_when_done,
            hands_free=beside.hands_free,
            rehearse=rehearsal.run,
            jobs=jobs,
        )
        self._runner = self._ending.runner = runner
        await clear_at_start(context(StepId.TEST_API, False, {}))
        if options.rollback:
            if options.restore and (no := restore_refusal(runner.plan, runner.view)):
                remedy = f"fill the source by itself: wsdash restore {options.restore} --to source"
                raise InputError(no, where="--restore", remedy=remedy)
            await journal.put(RESTORE_FIRST, options.restore)
            await journal.put(KEEP, KeepChoice(all=options.keep.all, rows=options.keep.rows))
            await journal.put(GIVE_UP, options.give_up)
            runner.roll_back()
        elif options.rehearse:
            runner.rehearse(options.rehearse)
        elif options.items:
            runner.run_items(options.items, options.phrase)
        elif options.auto:
            await self._start_auto(runner, journal)
        await runner.run()
        if options.then_rollback and runner.succeeded and not self._ending.reason:
            runner.roll_back()
            await runner.run()
        self.stuck = runner.stuck
        clean = self._ending.reason != "" or await self._witnessed(recorder)
        return 0 if clean and runner.succeeded is not False else 1

    async def _witnessed(self, recorder: Recorder) -> bool:
        """Have the users' ledger judged; whether nothing of it is lost, twice or wrong."""
        switched = recorder.view.switched
        if self.options.witness is None or switched is None:
            return True
        found = await self.options.witness(switched.opened, recorder.view.switch_window)
        if found is None:
            return True
        await recorder.record(found)
        for line in found.findings:
            recorder.journal.emit(Notice("error", line))
        return found.clean

    async def _cleared(self, rehearsal: Rehearsal, recorder: Recorder) -> None:
        """What a killed rehearsal left is given back before anything else; what cannot be is said."""
        try:
            await rehearsal.clear_killed()
        except WsdashError as error:
            recorder.journal.emit(Notice("error", str(error)))

    async def _start_auto(self, runner: Runner, journal: Journal) -> None:
        options = self.options
        under_way = journal.get(ROLLING_BACK)
        if options.abandon_rollback and not under_way:
            raise InputError(
                "no rollback of this run stopped half-way: there is nothing to abandon",
                where="--abandon-rollback",
                remedy="leave the option out",
            )
        copies = runner.plan.that(Meaning.COPIES_ROWS)
        first, last = options.from_item or "", options.until or ""
        if options.force and done_already(runner.plan, runner.view, copies, first, last):
            raise InputError(
                f"--force would do nothing: {copies} is done already, or not asked for",
                where="--force",
                remedy=f"add --from {copies} to write over the target once more",
            )
        if under_way and options.abandon_rollback:
            await journal.put(ROLLING_BACK, False)
            journal.emit(Notice("warning", "the rollback that stopped half-way was abandoned, as asked"))
        elif under_way:
            error = RefusedError(
                "a rollback of this run was begun and not finished",
                where=str(options.state),
                remedy="back: finish it with `wsdash rollback`; forward: `wsdash migrate --abandon-rollback`",
            )
            if options.exit_when_done:
                raise error
            journal.emit(Notice("error", str(error)))
            return
        runner.run_auto(
            AutoRun(options.yes, options.until or "", options.from_item or "", options.force, options.phrase)
        )

    # --- the control socket ---

    async def _handle(self, intent: Intent) -> Reply:
        if intent.do == "stop":
            self._ending.stop("stopped by the operator", INTERRUPTED if self.options.exit_when_done else 0)
            return Reply(True, "stopping; the run is saved")
        if intent.do in ALERT_INTENTS and self._world is not None and self._recorder is not None:
            return await self._alarms.handle(intent, self._world.settings, self._recorder.record)
        if self._runner is None:
            starting = intent.do == "ping"
            return Reply(starting, BEING_MADE)
        hands = self._beside.hands if self._beside is not None else None
        if intent.do == CONTAINER and hands is not None:
            return await hands.handle(intent, self._runner.current)
        comparer = self._beside.comparer if self._beside is not None else None
        if intent.do == COMPARE and comparer is not None:
            return await comparer.handle(intent)
        after = self._beside.after if self._beside is not None else None
        if intent.do in INTENTS and after is not None:
            return await after.handle(intent)
        return await self._runner.handle(intent)

    def _current(self) -> str:
        return self._runner.current if self._runner is not None else ""

    def _tell(self, text: str) -> None:
        """Past the journal, to whoever looks at this process."""
        self._outlet.put(Recorded(0, time.time(), Notice("error", text)))


def _errors_to_stderr(recorded: Recorded) -> None:
    event = recorded.event
    if isinstance(event, Notice) and event.level == "error":
        print(clean(f"wsdash: {event.text}"), file=sys.stderr, flush=True)
