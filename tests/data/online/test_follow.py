"""Catching up while both sides live on: servers restart, the log stays small."""

from __future__ import annotations

import asyncio

import pytest

from tests.data.copying import run_sql
from tests.data.online.test_faults import mortal_move, mortal_templates, mortals
from tests.data.online.world import WRITES, same, until, value
from tests.support.servers import Server
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.online.sync import follow as follow_module
from wsdash.data.online.sync.follow import FollowProgress, follow, keep_small
from wsdash.data.online.sync.move import Move

__all__ = ["mortal_move", "mortal_templates", "mortals"]
LOG = "SELECT count(*) FROM wsdash.online_changes_4"


@pytest.mark.parametrize("place", [0, 1], ids=["source", "target"])
async def test_it_goes_on_when_a_server_restarts(
    mortal_move: Move, mortals: tuple[Server, Server], place: int
) -> None:
    heard: list[FollowProgress] = []
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow(mortal_move, mortal_move.source, over, heard.append))
        await run_sql(mortal_move.source, "UPDATE s.owners SET name = name || '!'")
        await until(lambda: _total(heard, 10))
        await asyncio.to_thread(mortals[place].stop)
        if place == 1:  # without a change nobody asks the target
            await run_sql(mortal_move.source, WRITES)
        await until(lambda: _trouble(heard))
        await asyncio.to_thread(mortals[place].start)
        if place == 0:
            await run_sql(mortal_move.source, WRITES)
        await until(lambda: same(mortal_move))
        over.set()
    assert following.result() > 10


async def _total(heard: list[FollowProgress], lines: int) -> bool:
    return bool(heard) and heard[-1].total >= lines


async def _trouble(heard: list[FollowProgress]) -> bool:
    return any(one.trouble for one in heard)


async def test_applied_lines_are_removed_as_it_goes(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "TIDY_SECONDS", 0.0)
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(move, move.source, over))
        await run_sql(move.source, "UPDATE s.owners SET name = name || '!'")

        async def empty() -> bool:
            return await same(move) and await value(move.source, LOG) == 0

        await until(empty)
        over.set()


async def test_the_way_back_stays_possible_in_bounded_space(move: Move) -> None:
    await switch_over(move, move.source, limit=30)
    for _ in range(20):
        await run_sql(move.target, "UPDATE s.owners SET name = name || '!'")
    assert await value(move.target, LOG) == 200
    kept = await keep_small(move.target)
    assert kept.changes == 10
    assert kept.log_bytes > 0
    assert await value(move.target, LOG) == 10
    await switch_over(move, move.target, limit=30)
    assert await same(move)


async def test_a_log_is_kept_small_while_the_other_side_is_away(
    mortal_move: Move, mortals: tuple[Server, Server]
) -> None:
    await switch_over(mortal_move, mortal_move.source, limit=30)
    await switch_over(mortal_move, mortal_move.target, limit=30)
    await asyncio.to_thread(mortals[1].stop)
    for _ in range(20):
        await run_sql(mortal_move.source, "UPDATE s.owners SET name = name || '!'")
    assert (await keep_small(mortal_move.source)).changes == 10
    await asyncio.to_thread(mortals[1].start)
    await switch_over(mortal_move, mortal_move.source, limit=30)
    assert await same(mortal_move)
