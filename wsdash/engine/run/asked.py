"""What is done beside the run because an operator asked for it: who, what, how it ended. No item's evidence.

Both sides are compared by content, as they are now; a single container is started, stopped or restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from wsdash.config import Settings, load_settings
from wsdash.engine.journal.redact import redactor_for
from wsdash.engine.journal.writer import Journal
from wsdash.engine.limits import CLEANUP_SECONDS, COMPARE_LOOK_SECONDS
from wsdash.engine.operator.launch import LOG_FILE, planned_mode
from wsdash.engine.run.duty import ManualActions
from wsdash.engine.run.perform import known_cause
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.world import load_world, open_world_stack
from wsdash.errors import RefusedError
from wsdash.model import (
    REHEARSAL,
    ComparisonBegan,
    ContainerAsked,
    Intent,
    ItemState,
    Meaning,
    Notice,
    Phase,
    Reply,
    SidesCompared,
    StepId,
    TableCompared,
)
from wsdash.model.fold import RunView, fold_all
from wsdash.plan import Plan
from wsdash.stack.base import Stack
from wsdash.steps.database.verify import ComparedNow, verify_now

WRITING = {
    StepId.MIGRATE_DATA: "migrate-data is writing the rows",
    StepId.INIT_NEON: "init-neon is making the tables",
    REHEARSAL: "a rehearsal has its own copy of the target in the target's place",
}
"""What may not be held up by a comparison, nor be read in its middle; and how it is said."""


def comparison_refusal(intent: Intent, running: str) -> str:
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
        no = comparison_refusal(intent, self._running())
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


CONTAINER = "container"
"""The intent."""
ACTIONS = ("start", "stop", "restart")


def container_refusal(intent: Intent, settings: Settings, plan: Plan, view: RunView, running: str) -> str:
    """Why this cannot be done now, or ''. running: the item that runs, or ''."""
    name, action = str(intent.options.get("name") or ""), str(intent.options.get("action") or "")
    stack = settings.stack
    known = (*stack.apps.containers, *stack.workspace.services)
    if action not in ACTIONS:
        return f"there is no action {action!r}; use one of {', '.join(ACTIONS)}"
    if name not in known:
        return f"{name!r} is no container of the two stacks; use one of {', '.join(known)}"
    if not intent.who.strip():
        return f"{action} {name} wants the name of the person who says so"
    if intent.force:
        return ""
    if running == REHEARSAL:
        return f"a rehearsal is running and needs {name} as it is; wait for it, or force it"
    # before the migration begins, items look at the old world only
    if running and (plan.item(running).phase is not Phase.PRE or name in stack.apps.containers):
        return f"{running} is running and needs {name}; wait for it, or force it"
    fence = plan.that(Meaning.CLOSES_SOURCE)
    fenced = view.item(fence).state is ItemState.DONE
    if fenced and action != "stop" and name == stack.apps.old_service:
        return (
            f"{fence} is done: {name} would take writes that the target does not get; "
            "wsdash rollback brings it back, or force it"
        )
    return ""


class ContainerHands:
    """Does one thing at a time, beside the run; what is asked and how it ended are Notices of the journal."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        recorder: Recorder,
        stack: Stack,
        asked: ManualActions | None = None,
    ) -> None:
        self._asked = asked or ManualActions(lambda: recorder.journal.clock.time())
        self._settings = settings
        self._plan = plan
        self._recorder = recorder
        self._stack = stack
        self._doing: asyncio.Task[None] | None = None
        self._what = ""

    async def handle(self, intent: Intent, running: str) -> Reply:
        """Refuse it, or note it and begin. The answer does not wait for the end."""
        no = container_refusal(intent, self._settings, self._plan, self._recorder.view, running)
        if not no and self._doing is not None and not self._doing.done():
            no = "another container is being started or stopped; wait for it"
        if no:
            return Reply(False, no)
        name, action = str(intent.options["name"]), str(intent.options["action"])
        who = intent.who.strip() + (f" (forced, while {running} runs)" if intent.force and running else "")
        self._what = f"{action} {name}"
        self._doing = asyncio.create_task(self._do(name, action, who))
        return Reply(True, f"{action} {name}: begun")

    async def ended(self) -> None:
        """Return when nothing is under way."""
        if self._doing is not None:
            await self._doing

    async def free(self) -> None:
        """Return when nothing is under way, and tell what is waited for. That is not cancelled with this."""
        if self._doing is None or self._doing.done():
            return
        self._recorder.journal.emit(Notice("info", f"the run waits for: {self._what}"))
        await asyncio.wait({self._doing})

    async def close(self) -> None:
        """Let go of what is under way; the containers' engine goes on with it."""
        if self._doing is not None and not self._doing.done():
            self._doing.cancel()
            await asyncio.wait({self._doing}, timeout=CLEANUP_SECONDS)

    async def _do(self, name: str, action: str, who: str) -> None:
        def output(line: str) -> None:
            self._recorder.journal.emit(Notice("info", f"container {name}: {line}"))

        try:
            await self._recorder.record(Notice("info", f"container {name}: {action} asked for by {who}"))
            await self._recorder.record(ContainerAsked(name, action, who))
            self._asked.begin(name, who)
            if action == "restart":
                await self._stack.restart(name, output)
            elif action == "start":
                await self._stack.start([name], output)
            else:
                await self._stack.stop([name], output)
            found = {reading.name: reading for reading in await self._stack.readings()}[name]
        except asyncio.CancelledError:
            text = "the engine ended before it did; look at the container"
            self._recorder.journal.emit(Notice("warning", failed(name, action) + text))
            raise
        except Exception as error:
            cause = known_cause(error)
            if cause is None:
                await self._recorder.trace(error)
            reason = str(cause) if cause is not None else f"{type(error).__name__}: {error}"
            await self._recorder.record(Notice("error", failed(name, action) + reason))
        else:
            health = f", {found.health}" if found.health not in ("none", "unknown") else ""
            text = f"{done(name, action)}{found.state}{health} (for {who})"
            await self._recorder.record(Notice("info", text))
        finally:
            self._asked.end(name)
            self._recorder.journal.emit(ContainerAsked(name, action, who, done=True))


def done(name: str, action: str) -> str:
    """How the notice of a good end begins."""
    return f"container {name}: {action} done: "


def failed(name: str, action: str) -> str:
    """How the notice of a bad end begins."""
    return f"container {name}: {action} failed: "


async def act_at_rest(state: Path, config: Path | None, intent: Intent) -> Reply:
    """The same with no engine alive, to its end; the caller holds the operator's lock. Raises InputError."""
    world = await asyncio.to_thread(
        lambda: load_world(config, None, planned_mode(state, load_settings(config)))
    )
    journal = await asyncio.to_thread(Journal.open, state)
    stack = None
    try:
        journal.redactor = await asyncio.to_thread(redactor_for, world.settings, state)
        view = fold_all(await journal.history())
        recorder = Recorder(journal, view, lambda _: None, state / LOG_FILE)
        stack = await open_world_stack(world.settings)
        hands = ContainerHands(world.settings, world.plan, recorder, stack)
        reply = await hands.handle(intent, "")
        await hands.ended()
        return reply
    finally:
        if stack is not None:
            await stack.close()
        await journal.close()
