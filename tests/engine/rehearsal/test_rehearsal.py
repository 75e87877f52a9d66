"""Rehearsals on real servers: what blocks, what differs, what only moved; all as it was afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.data.copying import run_sql
from tests.engine.rehearsal.staging import Theatre, theatre
from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world.scratch_server import scratch_server
from wsdash.engine.outlook import rehearsal_lines
from wsdash.engine.rehearsal.tidy import UNDER_WAY
from wsdash.model import RehearsalOutcome

SCHEMA = """
CREATE SCHEMA s;
CREATE ROLE reader_of_s;
CREATE TABLE s.items (id integer PRIMARY KEY, title text NOT NULL);
CREATE INDEX by_title ON s.items (title);
GRANT SELECT ON s.items TO reader_of_s;
INSERT INTO s.items SELECT i, 'item ' || i FROM generate_series(1, 500) i;
"""
SERVER = "SELECT datname, oid, datallowconn FROM pg_database ORDER BY 1"
OBJECTS = """SELECT count(*) FROM pg_class
WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'pg_toast', 'information_schema')"""
MOVES = """UPDATE s.items SET title = 'moved' WHERE id = 7;
INSERT INTO s.items VALUES (501, 'new') ON CONFLICT DO NOTHING"""


@pytest.fixture
async def filled(source: Endpoint, pg16: Server) -> AsyncIterator[Endpoint]:
    """The source with a table and its rows."""
    await run_sql(source, SCHEMA)
    yield source
    await pg16.drop_database(source.database)
    await pg16.execute("DROP ROLE reader_of_s")


async def the_server(target: Endpoint) -> list[asyncpg.Record]:
    async with connection(target, read_only=True) as conn:
        rows = list(await conn.fetch(SERVER))
        rows += await conn.fetch("SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg_%' ORDER BY 1")
        return [*rows, *await conn.fetch(OBJECTS)]


async def test_a_moving_source_is_no_fault_and_everything_is_as_before(
    tmp_path: Path, filled: Endpoint, target: Endpoint
) -> None:
    before = await the_server(target)

    async def somebody_writes() -> None:
        await run_sql(
            filled,
            MOVES,
        )

    async with theatre(tmp_path, filled, target) as played:
        played.after_the_copy(somebody_writes)
        found = await played.play(rounds=2)
        assert (found.outcome, found.blocked, found.differed) == (RehearsalOutcome.CLEAN, (), ())
        # in the second round the insert finds its row: nothing moves
        assert found.moved == (
            "s.items: 500 rows when it was copied, 501 now; the copy equals what was there then",
        )
        assert [item.state for item in found.items] == ["not-rehearsed", *["done"] * 5]
        assert all(len(item.seconds) == 2 for item in found.items[1:])
        assert played.containers.up == set()
        assert played.recorder.journal.get(UNDER_WAY) is None
        assert played.recorder.view.items == {}
        assert played.recorder.view.tables == {}
    assert await the_server(target) == before


async def test_a_tampered_row_of_the_target_is_a_fault(
    tmp_path: Path, filled: Endpoint, target: Endpoint
) -> None:
    before = await the_server(target)

    async def both_move() -> None:
        await run_sql(filled, "UPDATE s.items SET title = 'moved' WHERE id = 7")
        await run_sql(target, "UPDATE s.items SET title = 'tampered' WHERE id = 8")

    async with theatre(tmp_path, filled, target) as played:
        played.after_the_copy(both_move)
        found = await played.play()
    assert found.outcome is RehearsalOutcome.DIFFERED
    (difference,) = found.differed
    assert "500 rows in the source's snapshot, 500 in the target" in difference
    assert "8" in difference.split("first:")[1]
    assert "id 7" not in difference
    assert found.downtime is None
    assert await the_server(target) == before


async def test_what_blocks_is_named_and_the_target_is_left_empty(
    tmp_path: Path, filled: Endpoint, target: Endpoint
) -> None:
    await run_sql(target, "CREATE SCHEMA s; CREATE TABLE s.items (id text PRIMARY KEY, title text)")
    before = await the_server(target)
    async with theatre(tmp_path, filled, target) as played:
        found = await played.play()
        assert played.containers.up == set()
    assert found.outcome is RehearsalOutcome.BLOCKED
    assert found.blocked[0].startswith("init-neon: ")
    assert "s.items" in found.blocked[0]
    assert await the_server(target) == before


async def test_foreign_rows_block_before_anything_is_done(
    tmp_path: Path, filled: Endpoint, target: Endpoint
) -> None:
    await run_sql(
        target,
        "CREATE SCHEMA s; CREATE TABLE s.items (id integer, title text)",
        "INSERT INTO s.items VALUES (1, 'theirs')",
    )
    async with theatre(tmp_path, filled, target) as played:
        found = await played.play()
    assert "s.items: 1 rows that this run did not copy" in found.blocked[0]
    async with connection(target, read_only=True) as conn:
        assert await conn.fetchval("SELECT title FROM s.items") == "theirs"


async def test_what_ran_before_runs_afterwards(tmp_path: Path, filled: Endpoint, target: Endpoint) -> None:
    async with theatre(tmp_path, filled, target) as played:
        played.containers.up = set(played.containers.names)
        found = await played.play()
        assert played.containers.up == set(played.containers.names)
    assert found.outcome is RehearsalOutcome.CLEAN
    assert "its start was not measured" in found.notes[0]
    assert found.downtime is None


async def test_a_target_that_does_not_start_has_its_schema_tried_on_a_scratch_server(
    tmp_path: Path, filled: Endpoint, target: Endpoint
) -> None:
    async with theatre(tmp_path, filled, target, scratch_server=scratch_server) as played:
        played.containers.broken = "no space left on device"
        found = await played.play()
    assert found.outcome is RehearsalOutcome.BLOCKED
    assert found.blocked == ("start-stack: no space left on device",)
    assert found.where == "scratch"
    (note,) = found.notes
    assert "were tried on scratch server (PostgreSQL 16); the target's version" in note
    assert "only the schema's statements were rehearsed, on a scratch server" in rehearsal_lines(found)


async def test_what_blocks_on_the_scratch_server_is_named_too(
    tmp_path: Path, target: Endpoint, pg18: Server
) -> None:
    newer = await pg18.fresh_database()
    await run_sql(
        newer, "CREATE SCHEMA s; CREATE TABLE s.t (x integer, y integer GENERATED ALWAYS AS (x) VIRTUAL)"
    )
    async with theatre(tmp_path, newer, target, scratch_server=scratch_server) as played:
        played.containers.broken = "no space left on device"
        found = await played.play()
    await pg18.drop_database(newer.database)
    assert found.outcome is RehearsalOutcome.BLOCKED
    assert found.blocked[0] == "start-stack: no space left on device"
    assert "s.t" in found.blocked[1]


async def test_ended_by_the_operator_it_cleans_up_first(
    tmp_path: Path, filled: Endpoint, target: Endpoint
) -> None:
    before = await the_server(target)
    copied = asyncio.Event()

    async def wait_for_ever() -> None:
        copied.set()
        await asyncio.sleep(3600)

    async with theatre(tmp_path, filled, target) as played:
        played.after_the_copy(wait_for_ever)
        task = asyncio.create_task(played.rehearsal.run(1))
        await copied.wait()
        noted = played.recorder.journal.get(UNDER_WAY)
        assert noted is not None
        assert noted.trial
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert played.recorder.journal.get(UNDER_WAY) is None
        assert played.containers.up == set()
        found = played.recorder.view.rehearsal
        assert found is not None
        assert found.outcome is RehearsalOutcome.INTERRUPTED
        assert played.recorder.view.rehearsing is None
    assert await the_server(target) == before


async def killed_after_the_copy(played: Theatre) -> None:
    """As SIGKILL would: nothing of it runs any more, and nothing was given back."""

    async def die() -> None:
        raise SystemExit

    async def gone(*_: object) -> tuple[str, ...]:
        return ()

    played.after_the_copy(die)
    tidy = type(played.rehearsal._tidy)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tidy, "give_back", gone)
        with pytest.raises(SystemExit):
            await played.rehearsal.run(1)


@pytest.mark.parametrize("stack_runs", [True, False])
async def test_the_next_one_clears_what_a_killed_one_left(
    tmp_path: Path, filled: Endpoint, target: Endpoint, stack_runs: bool
) -> None:
    before = await the_server(target)
    async with theatre(tmp_path, filled, target) as played:
        await killed_after_the_copy(played)
        noted = played.recorder.journal.get(UNDER_WAY)
        assert noted is not None
        assert noted.trial
    assert await the_server(target) != before
    async with theatre(tmp_path, filled, target) as played:
        played.containers.up = set(played.containers.names) if stack_runs else set()
        await played.rehearsal.clear_killed()
        assert played.containers.up == set()
        assert played.recorder.journal.get(UNDER_WAY) is None
        assert await the_server(target) == before
        assert (await played.play()).outcome is RehearsalOutcome.CLEAN
