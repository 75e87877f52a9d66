"""A single container started, stopped or restarted because an operator said so: who, what, how it ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wsdash.config import Settings
from wsdash.engine.journal.secrets import redactor_for
from wsdash.engine.journal.writer import Journal
from wsdash.engine.limits import CLEANUP_SECONDS
from wsdash.engine.operator.launch import LOG_FILE, run_mode
from wsdash.engine.run.duty import Asked
from wsdash.engine.run.perform import known_cause
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.world import load_world, open_world_stack
from wsdash.model import REHEARSAL, ContainerAsked, Intent, ItemState, Meaning, Notice, Phase, Reply
from wsdash.model.fold import RunView, fold_all
from wsdash.plan import Plan
from wsdash.stack.base import Stack

CONTAINER = "container"
"""The intent."""
ACTIONS = ("start", "stop", "restart")


def refusal(intent: Intent, settings: Settings, plan: Plan, view: RunView, running: str) -> str:
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
        asked: Asked | None = None,
    ) -> None:
        self._asked = asked or Asked(lambda: recorder.journal.clock.time())
        self._settings = settings
        self._plan = plan
        self._recorder = recorder
        self._stack = stack
        self._doing: asyncio.Task[None] | None = None
        self._what = ""

    async def handle(self, intent: Intent, running: str) -> Reply:
        """Refuse it, or note it and begin. The answer does not wait for the end."""
        no = refusal(intent, self._settings, self._plan, self._recorder.view, running)
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

        await self._recorder.record(Notice("info", f"container {name}: {action} asked for by {who}"))
        await self._recorder.record(ContainerAsked(name, action, who))
        self._asked.begin(name, who)
        try:
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
    world = await asyncio.to_thread(lambda: load_world(config, None, run_mode(state)))
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
