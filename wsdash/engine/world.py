"""What the engine works on: settings, plan, steps, containers; and the pollers that watch it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings, load_settings
from wsdash.engine.counting.connections import ConnectionCounter
from wsdash.engine.limits import FIRST_PAUSE, LONGEST_PAUSE
from wsdash.errors import InputError, WsdashError
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ItemKind,
    Liveness,
    LogLine,
    Mode,
    SchemaCompared,
    SourceState,
)
from wsdash.model.facts import FINGERPRINT, Facts
from wsdash.plan import Plan, load_plan
from wsdash.stack.base import Stack
from wsdash.steps.base import Step
from wsdash.tasks import LoopLag
from wsdash.watch.pollers.containers import LastSeen
from wsdash.watch.sources import Duties, unknown


@dataclass(frozen=True)
class World:
    """Settings, plan and steps that belong together."""

    settings: Settings
    plan: Plan
    steps: dict[str, Step]

    def fingerprint(self, mode: str) -> dict[str, str]:
        """Where this run works: must stay the same from its first effect to its end."""
        source, target = self.settings.source, self.settings.target
        return {
            "mode": mode,
            "source": f"{source.host}:{source.port}/{source.database}, schema {source.schema}",
            "target": f"{target.host}:{target.port}/{target.database}, schema {target.schema}",
        }


def load_world(config: Path | None, steps: dict[str, Step] | None, mode: str = "") -> World:
    """Read settings and plan as the mode has it ('': offline), bind the steps (None: the shipped ones).

    Raises InputError. Blocks for I/O.
    """
    settings = load_settings(config)
    if mode != Mode.ONLINE:
        settings = _without_relay(settings)
    plan = load_plan(config).in_mode(mode)
    if steps is None:
        from wsdash.steps import registry

        plan, steps = registry.effective_plan(plan, settings), registry.all_steps(mode)
    elif any(name not in steps for name in plan.automatic_tests()):
        plan = msgspec.structs.replace(
            plan, tests=()
        )  # steps of a caller's own that know nothing of the testing checklist
    for item in plan.everything:
        if item.kind is ItemKind.AUTO and item.id not in steps:
            raise InputError(
                f"no step is bound to the automatic item {item.id!r}",
                where="plan.yaml",
                remedy="make it a confirm item, or use the shipped plan",
            )
    return World(settings, plan, steps)


def _without_relay(settings: Settings) -> Settings:
    """The settings of a run of mode offline, which starts no relay, and asks of none that it is well."""
    workspace = msgspec.structs.replace(settings.stack.workspace, relay="")
    return msgspec.structs.replace(
        settings, stack=msgspec.structs.replace(settings.stack, workspace=workspace)
    )


def hold_to_mode(mode: str, was: str, begun: bool) -> None:
    """Raises InputError when the run began to change things in another mode."""
    if begun and was != mode:
        raise InputError(
            f"this run was begun in mode {was}, whose order its items follow to the end",
            where=f"--mode {mode}",
            remedy="leave --mode out to go on as it was begun, or begin a new run with another --state",
        )


async def hold_to_fingerprint(world: World, mode: str, facts: Facts, begun: bool) -> None:
    """Note where the run works. Raises InputError when it began to change things somewhere else."""
    now = world.fingerprint(mode)
    before = facts.get(FINGERPRINT)
    if begun and before is not None and before != now:
        differing = [
            f"{key} was {before.get(key)}, is {now[key]}" for key in now if before.get(key) != now[key]
        ]
        raise InputError(
            "this run was begun on another world: " + "; ".join(differing),
            where=world.settings.directory or "the configuration",
            remedy="put the configuration back, or begin a new run with another --state",
        )
    if before != now:
        await facts.put(FINGERPRINT, now)


async def open_world_stack(settings: Settings, *, read_only: bool = False) -> Stack:
    """The containers. Raises InputError or UnreachableError."""
    from wsdash.stack.factory import open_stack

    return await asyncio.to_thread(open_stack, settings, read_only=read_only)


async def watch_for_ever(
    settings: Settings,
    stack: Stack,
    emit: Callable[[AnyEvent], None],
    on_log: Callable[[LogLine], None],
    *,
    state: Path | None = None,
    newest_log: Callable[[], float | None] = lambda: None,
    raised_before: Callable[[], Sequence[AlertChanged]] = tuple,
    backed_up: Callable[[], float | None] = lambda: None,
    clock: Clock | None = None,
    duties: Duties = unknown,
    seen: Callable[[], Mapping[str, LastSeen]] = dict,
    lag: LoopLag | None = None,
) -> None:
    """Tell the schema once it can be read, and run the pollers.

    state: its disk is watched too. newest_log: time of the newest line already kept, from where logs go on.
    raised_before: alerts raised earlier that did not end. backed_up: when the newest backup was proven, epoch
    seconds. clock: the run's; all these times are its times. None: the machine's. duties: what should run.
    seen: how containers were when they were last read; asked, in a thread, each time that the pollers begin.
    lag: as watch_world's.
    """
    clock = clock or SystemClock()
    async with asyncio.TaskGroup() as group:
        group.create_task(_show_schema(settings, emit))
        group.create_task(
            _poll_for_ever(
                settings,
                stack,
                emit,
                on_log,
                state,
                newest_log,
                raised_before,
                backed_up,
                clock,
                duties,
                seen,
                lag,
            )
        )


async def _show_schema(settings: Settings, emit: Callable[[AnyEvent], None]) -> None:
    """What the source has and the target will have, for the schema panel, before anything is copied."""
    from wsdash.steps.database.scope import panel_objects

    pause = FIRST_PAUSE
    while True:
        try:
            objects = await panel_objects(settings)
        except WsdashError:  # the pollers report an unreachable source
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            emit(SchemaCompared(objects=objects))
            return


async def _poll_for_ever(
    settings: Settings,
    stack: Stack,
    emit: Callable[[AnyEvent], None],
    on_log: Callable[[LogLine], None],
    state: Path | None,
    newest_log: Callable[[], float | None],
    raised_before: Callable[[], Sequence[AlertChanged]],
    backed_up: Callable[[], float | None],
    clock: Clock,
    duties: Duties,
    seen: Callable[[], Mapping[str, LastSeen]],
    lag: LoopLag | None,
) -> None:
    """Run the pollers; when they fail as a whole, say so and begin again, with growing pauses up to 30 s."""
    from wsdash.engine.counting.rows import RowWatch
    from wsdash.steps.services.branching import list_branches
    from wsdash.watch.world import watch_world

    count_rows = RowWatch(settings, clock)
    attempt, pause, counter = 0, FIRST_PAUSE, ConnectionCounter(settings)
    while True:
        began = time.monotonic()
        try:
            await watch_world(
                settings,
                stack,
                emit,
                on_log,
                count_rows=count_rows,
                connections=counter,
                branches=lambda: list_branches(settings),
                state=state,
                logs_since=newest_log(),
                raised_before=raised_before(),
                backed_up=backed_up,
                clock=clock,
                duties=duties,
                seen=await asyncio.to_thread(seen),
                lag=lag,
            )
            detail = "the pollers ended"
        except Exception as error:
            detail = describe(error)
        finally:
            await counter.close()
            await count_rows.close()
        if time.monotonic() - began > LONGEST_PAUSE:
            attempt, pause = 0, FIRST_PAUSE
        attempt += 1
        emit(SourceState("watch", Liveness.RECONNECTING, detail, attempt, clock.time() + pause))
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def describe(error: BaseException) -> str:
    """One line of what went wrong, whatever it was."""
    if isinstance(error, WsdashError):
        return str(error)
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"
