"""How an engine begins: its life is in the journal before anything is done, then its world is there."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time

from wsdash.engine.operator.launch import note_config
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.options import EngineOptions
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.source import take_up
from wsdash.engine.world import World, hold_to_fingerprint, hold_to_mode, load_world
from wsdash.errors import InputError
from wsdash.model import ItemChanged, ItemState, Notice, RunStarted


async def begin_life(
    recorder: Recorder, options: EngineOptions, lock: OperatorLock, world: World | None
) -> None:
    """Record that an engine lives from here on, and what an earlier one left undone.

    Raises InputError where the run was begun in another mode.
    """
    view = recorder.view
    hold_to_mode(options.mode, view.mode, view.begun)
    run = view.run or time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)
    name = world.settings.world if world is not None else "demo"
    host, pid = socket.gethostname(), os.getpid()
    await take_up(recorder, options.source)
    await recorder.record(RunStarted(run, options.mode, host, pid, bool(view.run), name))
    if lock.previous is not None:
        text = f"took over from a session that ended without a word: {lock.previous.describe()}"
        recorder.journal.emit(Notice("warning", text))
    for item_id, item in view.items.items():
        if item.state is ItemState.RUNNING:
            note = "the engine died while this was running"
            await recorder.record(ItemChanged(item_id, ItemState.PENDING, note=note))


async def made_world(recorder: Recorder, options: EngineOptions, world: World | None) -> World:
    """The world that the run works on: as it was loaded, or prepared now.

    Raises InputError where the run was begun with another plan or configuration, and what `prepare` raises.
    """
    if world is None:
        assert options.prepare is not None
        config = await options.prepare(recorder.journal.emit)
        world = await asyncio.to_thread(load_world, config, options.steps, options.mode)
        options.check_items(world.plan)
    unknown = recorder.view.items.keys() - {item.id for item in world.plan.everything}
    if unknown:
        raise InputError(
            "this run was begun with another plan, which also had " + ", ".join(sorted(unknown)),
            where="plan.yaml",
            remedy="put the plan back, or begin a new run with another --state",
        )
    await hold_to_fingerprint(world, options.mode, recorder.journal, recorder.view.begun)
    await note_config(recorder.journal, world.settings.directory)
    return world
