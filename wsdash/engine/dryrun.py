"""A dry run: every check of the plan, and nothing else. No lock, no journal, no change anywhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsdash.engine.journal.redact import redactor_for
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.options import EngineOptions
from wsdash.engine.outlook import rehearsal_summary, trustworthy
from wsdash.engine.run.perform import known_cause
from wsdash.engine.world import World, load_world, open_world_stack
from wsdash.errors import InputError, WsdashError
from wsdash.model import (
    AnyEvent,
    ItemChanged,
    ItemKind,
    ItemState,
    Meaning,
    Mode,
    Notice,
    Phase,
    Recorded,
    Rehearsed,
)
from wsdash.model.facts import Fact, T
from wsdash.model.fold import fold_all
from wsdash.plan import Item, Plan
from wsdash.stack.base import Stack
from wsdash.steps.base import DRY_RUN, StepContext
from wsdash.steps.online.refused import RELAY_REMEDY, against, missing_relay, online_refusals
from wsdash.steps.services.readiness import lacking_rights


class ReadFacts:
    """The facts of the run so far, if there is one; they cannot be set."""

    def __init__(self, state: Path) -> None:
        try:
            reader = JournalReader(state)
        except InputError:
            self._facts: dict[str, Any] = {}
            return
        self._facts = reader.facts()
        reader.close()

    def get(self, name: Fact[T]) -> T | None:
        """The value, or None."""
        return name.of(self._facts)

    async def put(self, name: Fact[T], value: T | None) -> None:
        """Does nothing: a check has no business here."""


async def serve_dry(options: EngineOptions, world: World | None) -> int:
    """Check each item and show what was seen: done where it holds, pending where there is work to do.

    1 when a check of the pre phase cannot read the world (later ones may only be readable later), else 0.
    """
    show = options.on_event or (lambda _: None)
    try:
        if world is None:
            assert options.prepare is not None
            config = await options.prepare(lambda progress: show(Recorded(0, time.time(), progress)))
            world = await asyncio.to_thread(load_world, config, options.steps, options.mode)
            options.check_items(world.plan)
        stack = options.stack or await open_world_stack(world.settings, read_only=True)
        try:
            return 0 if await _check_all(options, world, stack, show) else 1
        finally:
            await stack.close()
    finally:
        if options.prepare is not None and options.teardown is not None:
            await options.teardown()


def _asked_for(options: EngineOptions, plan: Plan) -> tuple[Item, ...]:
    names = [item.id for item in plan.items]
    first = names.index(options.from_item) if options.from_item else 0
    last = names.index(options.until) + 1 if options.until else len(names)
    return plan.items[first:last]


async def _check_all(
    options: EngineOptions, world: World, stack: Stack, show: Callable[[Recorded], None]
) -> bool:
    facts = await asyncio.to_thread(ReadFacts, options.state)
    redactor = await asyncio.to_thread(redactor_for, world.settings, options.state)
    well = True

    def tell(event: AnyEvent) -> None:
        show(Recorded(0, time.time(), redactor.event(event)))

    if options.steps is None:
        await _tell_rights(world, tell)
    if options.mode == Mode.ONLINE:
        well = await _tell_refusals(world, tell)
    now = time.time()
    newest = await asyncio.to_thread(_newest_rehearsal, options.state)
    level = "info" if trustworthy(newest, now) else "warning"
    for item in _asked_for(options, world.plan):
        if item.means(Meaning.CLOSES_SOURCE):
            tell(Notice(level, rehearsal_summary(newest, now), item.id))
        if item.kind is not ItemKind.AUTO:
            ticked = options.yes and item.kind is ItemKind.CONFIRM and item.phase is not Phase.POST
            text = "--yes would tick it, no person looks at it" if ticked else "waits for a person"
            tell(ItemChanged(item.id, ItemState.PENDING, text))
            continue
        context = StepContext(
            DRY_RUN, item.id, world.settings, stack, facts, _unheard, options.state, mode=options.mode
        )
        started = time.monotonic()
        try:
            evidence = await world.steps[item.id].check(context)
        except Exception as error:
            cause = known_cause(error)
            if cause is None:
                raise
            state_now, text, remedy = ItemState.PENDING, f"cannot be checked yet: {cause.what}", cause.remedy
            if item.phase is Phase.PRE:
                well, state_now = False, ItemState.FAILED
        else:
            state_now = ItemState.DONE if evidence.holds else ItemState.PENDING
            text, remedy = evidence.text if evidence.holds else f"to do: {evidence.text}", ""
        seconds = round(time.monotonic() - started, 3)
        tell(ItemChanged(item.id, state_now, text, seconds=seconds, remedy=remedy))
    return well


def _newest_rehearsal(state: Path) -> Rehearsed | None:
    try:
        reader = JournalReader(state)
    except InputError:
        return None
    try:
        return fold_all(reader.history()).rehearsal
    finally:
        reader.close()


async def _tell_rights(world: World, tell: Callable[[AnyEvent], None]) -> None:
    """Rights that an item would only miss when it acts, behind the fence."""
    try:
        found = await lacking_rights(world.settings)
    except WsdashError as error:
        tell(Notice("warning", f"the users' rights cannot be read: {error}"))
        return
    for side, lacking in found.items():
        for right in lacking:
            tell(Notice("warning", f"the {side}'s user lacks {right}"))


async def _tell_refusals(world: World, tell: Callable[[AnyEvent], None]) -> bool:
    """Why the schema cannot be moved online; whether nothing speaks against it. A source that cannot be asked
    has its say in the items."""
    try:
        found = await online_refusals(world.settings)
    except WsdashError:
        return True
    for one in found:
        level, word = ("warning", "agreed") if one.agreed else ("error", "not online")
        tell(Notice(level, f"{word}: {one.subject}: {one.reason}; {one.remedy}"))
    if lacking := missing_relay(world.settings):
        tell(Notice("warning", f"{lacking}; {RELAY_REMEDY}"))
    return not against(found)


def _unheard(event: AnyEvent) -> None:
    """A dry run keeps no readings."""
