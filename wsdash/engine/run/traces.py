"""The end of an online run: every trace of wsdash is taken out of both databases, and that is proven."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wsdash.config import load_settings
from wsdash.data.online.capture.install import read_objects, remove_everything
from wsdash.data.online.capture.position import State
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.pg.connect import Endpoint
from wsdash.engine.journal.redact import redactor_for
from wsdash.engine.journal.writer import Journal
from wsdash.engine.operator.launch import LOG_FILE
from wsdash.engine.run.recorder import Recorder
from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.model import Mode, Notice
from wsdash.model.facts import CATALOG, FOLDS, FOLLOWS
from wsdash.model.fold import fold_all
from wsdash.steps.base import endpoint

SHOWN = 20


async def serving_side(config: Path | None) -> str:
    """Which side takes writes in an online move: source, target, or '' where no side knows of one.

    Raises RefusedError when both or none do, UnreachableError.
    """
    settings = await asyncio.to_thread(load_settings, config)
    source = await read_side_state(endpoint(settings.source))
    target = await _perhaps(endpoint(settings.target))
    if source is None and target is None:
        return ""
    opened = [name for name, state in (("source", source), ("target", target)) if state and state.open]
    if source and target and len(opened) == 2 and source.turn > target.turn:
        return "source"  # what users wrote to the target was given up while it was away
    if source is None or len(opened) != 1:
        raise RefusedError(
            f"the source is {_word(source)}, the target is {_word(target)}: this is no end of a move",
            where=f"{endpoint(settings.source).address} and {endpoint(settings.target).address}",
            remedy="finish the switch (wsdash migrate) or the way back (wsdash rollback) first",
        )
    return opened[0]


async def remove_traces(state: Path, config: Path | None) -> list[str]:
    """Take every trace away, and compare the source's catalog with that of before; lines for people.

    The caller holds the operator's lock, and has asked. Raises WsdashError, and InputError for a run of mode
    offline.
    """
    settings = await asyncio.to_thread(load_settings, config)
    journal = await asyncio.to_thread(Journal.open, state)
    try:
        journal.redactor = await asyncio.to_thread(redactor_for, settings, state)
        view = fold_all(await journal.history())
        if view.mode != Mode.ONLINE:
            raise RefusedError(
                "this run is of mode offline: it has left nothing in the source",
                where=str(state),
                remedy="what it left in the target is listed by wsdash finish",
            )
        recorder = Recorder(journal, view, lambda _: None, state / LOG_FILE)
        for fact in (FOLLOWS, FOLDS):
            await recorder.note(fact, None)
        lines = await _source(endpoint(settings.source), journal.get(CATALOG))
        lines.append(await _target(endpoint(settings.target)))
        for line in lines:
            await recorder.record(Notice("info", line))
        return lines
    finally:
        await journal.close()


async def _source(side: Endpoint, before: list[str] | None) -> list[str]:
    await remove_everything(side)
    now = await read_objects(side)
    if before is None:
        return [f"{side.label}: capture and schema wsdash are gone; its catalog of before was not kept"]
    added, gone = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    ours = [line for line in added if "wsdash" in line]
    if ours:
        raise WsdashError(
            f"traces are left on {side.label}: {'; '.join(ours[:SHOWN])}",
            where=side.address,
            remedy="see who holds them, then run it again",
        )
    if not added and not gone:
        return [f"{side.label}: {len(now)} objects, exactly those of before the capture"]
    others = [*(f"+ {line}" for line in added), *(f"- {line}" for line in gone)]
    named = "; ".join(others[:SHOWN])
    return [f"{side.label}: nothing of wsdash is left; others have changed {len(others)} objects: {named}"]


async def _target(side: Endpoint) -> str:
    try:
        await remove_everything(side)
        left = [line for line in await read_objects(side) if "wsdash" in line]
    except UnreachableError as error:
        return f"{side.label} was not asked: {error.what}; what it holds of wsdash is schema wsdash"
    if left:
        raise WsdashError(
            f"traces are left on {side.label}: {'; '.join(left[:SHOWN])}",
            where=side.address,
            remedy="see who holds them, then run it again",
        )
    return f"{side.label}: nothing of wsdash is left"


async def _perhaps(side: Endpoint) -> State | None:
    """The target of a move that was rolled back is stopped."""
    try:
        return await read_side_state(side)
    except UnreachableError:
        return None


def _word(state: State | None) -> str:
    return "not part of a move" if state is None else state.state
