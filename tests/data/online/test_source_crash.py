"""A source that crashes with unflushed transactions: their numbers are used again, and nothing is skipped.

wal_writer_delay is raised to 10 s, so that what was committed without waiting, or rolled back, is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.data.copying import run_sql
from tests.data.online.world import make_move, rows, same, value
from tests.data.test_copy_crash import LATE_WAL, blow
from tests.support.servers import Server, running_server
from wsdash.data.online.sync import link as link_module
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint

UNFLUSHED = (
    "SET synchronous_commit = off; UPDATE s.items SET title = 'lost' WHERE id = {n}",
    "SET synchronous_commit = off; BEGIN; UPDATE s.items SET title = 'undone' WHERE id = {n}; ROLLBACK",
)
NEXT_ID = "SELECT pg_current_xact_id()::text::bigint"


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL 16 whose log reaches the disk only when somebody waits for it."""
    directory = tmp_path_factory.mktemp("late")
    directory.chmod(0o755)
    with running_server(16, directory, settings=LATE_WAL) as server:
        yield server


@pytest.fixture
async def late_move(late: Server, target: Endpoint) -> Move:
    """A move off that server."""
    return await make_move(await late.fresh_database(), target)


async def _crash(late: Server, move: Move) -> int:
    """Crash and start; how many of ten further changes got a number that was in use before."""
    async with open_link(move, move.source) as link:
        known = int(link.position.snapshot.split(":")[1])
    blow(late, "kill -9")
    late.start()
    reused = 0
    for number in range(100, 110):
        await run_sql(move.source, f"UPDATE s.items SET title = 'after' WHERE id = {number}")
        reused += (
            await value(move.source, "SELECT max(xid::text::bigint) FROM wsdash.online_changes_2") < known
        )
    return reused


async def _catch_up_with_unflushed(move: Move) -> None:
    """The position that is noted knows of transactions that are in no log yet."""
    async with open_link(move, move.source) as link:
        for number in range(1, 31):
            await run_sql(move.source, UNFLUSHED[number % 2].format(n=number))
        await run_sql(
            move.source, "SET synchronous_commit = off; UPDATE s.owners SET place = 50 WHERE id = 1"
        )
        await link.apply()


async def test_nothing_is_skipped_after_a_crash(late: Server, late_move: Move) -> None:
    await _catch_up_with_unflushed(late_move)
    assert await _crash(late, late_move) == 0
    async with open_link(late_move, late_move.source) as link:
        assert await link.apply() == 20
    assert await same(late_move)


async def test_without_the_seal_changes_would_be_skipped(
    late: Server, late_move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash of this file is one that loses changes: this is what the seal is for."""

    async def nothing(_: object) -> None:
        """No seal."""

    monkeypatch.setattr(link_module, "seal", nothing)
    await _catch_up_with_unflushed(late_move)
    assert await _crash(late, late_move) > 0
    async with open_link(late_move, late_move.source) as link:
        assert await link.apply() < 20


async def test_the_target_never_holds_what_the_source_lost(late: Server, late_move: Move) -> None:
    await _catch_up_with_unflushed(late_move)
    blow(late, "kill -9")
    late.start()
    assert await rows(late_move.source) == await rows(late_move.target)


async def test_an_unlogged_table_that_a_crash_emptied_is_taken_whole(late: Server, target: Endpoint) -> None:
    schema = (
        "CREATE SCHEMA s; CREATE UNLOGGED TABLE s.u (id int PRIMARY KEY); INSERT INTO s.u VALUES (1), (2)"
    )
    move = await make_move(await late.fresh_database(), target, schema=schema)
    assert await rows(target, "s.u") == [(1,), (2,)]
    blow(late, "kill -9")
    late.start()
    await run_sql(move.source, "INSERT INTO s.u VALUES (3)")
    async with open_link(move, move.source) as link:
        await link.apply()
    assert await rows(target, "s.u") == [(3,)]
