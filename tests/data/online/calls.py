"""The online move's functions that another room calls, each so that it can be called again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.data.copying import catalog_of, ignore, request_of
from tests.data.online.world import RUN
from wsdash.data.online.capture.install import install, read_objects
from wsdash.data.online.capture.overhead import measure_overhead
from wsdash.data.online.switch.move_state import read_move_state, read_side_state
from wsdash.data.online.switch.refusals import refuse_impossible, source_refusals, target_refusals
from wsdash.data.online.sync.copying import compare_moving, copy_online
from wsdash.data.online.sync.follow import keep_small
from wsdash.data.online.sync.link import Link, catch_up, open_link
from wsdash.data.online.sync.move import Move


async def _linked(move: Move, work: Callable[[Link], Awaitable[Any]]) -> None:
    async with open_link(move, move.source) as link:
        await work(link)


async def _copy(move: Move) -> None:
    catalog = await catalog_of(move.source)
    await copy_online(move, request_of(move.source, move.target, catalog, run=RUN), ignore)


async def _nothing(_: Link) -> None:
    """The link alone."""


MOVES: dict[Callable[..., Any], Callable[[Move], Awaitable[Any]]] = {
    install: lambda m: install(m.source, m.tracked, RUN, closed=False),
    copy_online: _copy,
    open_link: lambda m: _linked(m, _nothing),
    catch_up: lambda m: _linked(m, lambda link: catch_up(link, 60.0)),
    keep_small: lambda m: keep_small(m.source),
    compare_moving: lambda m: _linked(m, compare_moving),
    read_move_state: lambda m: read_move_state(m.source, m.target),
    read_side_state: lambda m: read_side_state(m.source),
    read_objects: lambda m: read_objects(m.source),
    measure_overhead: lambda m: measure_overhead(m.source, m.tracked),
    source_refusals: source_refusals,
    target_refusals: target_refusals,
    refuse_impossible: refuse_impossible,
}
LETTING_GO = {catch_up: 1}
"""Statements after the work is done: the transaction of the last snapshot is taken back."""
ELSEWHERE = {
    "read_state": "raises what the driver raises, for the caller to describe",
    "read_trees": "the same",
    "read_shape": "the same",
    "look": "the same",
    "keep_theirs": "the same",
    "follow": "tells a failure in its progress and goes on (test_follow.py)",
    "switch_over": "at every stage, by what ends servers and connections (test_faults.py)",
    "resume": "the same",
    "open_side": "the same",
    "uninstall": "would take away what the others need (test_capture.py, test_steps.py)",
    "remove_everything": "the same",
}
"""And those that cannot be called so, with where their errors are tried."""
