"""Unlogged tables, which a crash empties: they are taken whole after a restart of either side's server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.data.copying import run_sql
from tests.data.online.world import carry, make_move, rows, state_now, until, value
from tests.data.test_copy_crash import blow
from tests.support.servers import Server, running_server
from wsdash.data.online.switch.cutover import resume, switch_over
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import WsdashError

SCHEMA = """
CREATE SCHEMA s;
CREATE UNLOGGED TABLE s.u (id int PRIMARY KEY);
CREATE TABLE s.t (id int PRIMARY KEY);
INSERT INTO s.u VALUES (1), (2);
"""
PATIENT = 60.0


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that a test may crash."""
    directory = tmp_path_factory.mktemp("mortal")
    directory.chmod(0o755)
    with running_server(18, directory, settings="synchronous_commit = on\n") as server:
        yield server


@pytest.fixture
async def onto_mortal(source: Endpoint, mortal: Server) -> Move:
    """A move onto that server."""
    move = await make_move(source, await mortal.fresh_database(), schema=SCHEMA)
    await run_sql(move.target, "ALTER TABLE s.u SET UNLOGGED")  # as a schema of the target's own may have it
    return move


@pytest.fixture
async def off_mortal(mortal: Server, target: Endpoint) -> Move:
    """A move off that server."""
    return await make_move(await mortal.fresh_database(), target, schema=SCHEMA)


def _crash(server: Server) -> None:
    blow(server, "kill -9")
    server.start()


async def test_a_target_that_crashed_gets_them_whole(onto_mortal: Move, mortal: Server) -> None:
    _crash(mortal)
    assert await rows(onto_mortal.target, "s.u") == []
    await run_sql(onto_mortal.source, "INSERT INTO s.u VALUES (3)")
    await carry(onto_mortal)
    assert await rows(onto_mortal.target, "s.u") == [(1,), (2,), (3,)]


async def test_they_are_taken_whole_once_and_not_with_every_delta(onto_mortal: Move, mortal: Server) -> None:
    _crash(mortal)
    await carry(onto_mortal)
    await run_sql(
        onto_mortal.target,
        "SET session_replication_role = replica; SET wsdash.applying = 'on'; DELETE FROM s.u WHERE id = 1",
    )
    await run_sql(onto_mortal.source, "INSERT INTO s.u VALUES (3)")
    await carry(onto_mortal)
    assert await rows(onto_mortal.target, "s.u") == [(2,), (3,)]


async def test_a_crash_between_the_sides_does_not_open_a_target_without_them(
    onto_mortal: Move, mortal: Server
) -> None:
    async def at(stage: str) -> None:
        if stage == "open":
            _crash(mortal)

    with pytest.raises(WsdashError, match="unlogged"):
        await switch_over(onto_mortal, onto_mortal.source, limit=PATIENT, on_stage=at)
    assert (await state_now(onto_mortal)).between
    await resume(onto_mortal)
    assert (await state_now(onto_mortal)).target.open
    assert await rows(onto_mortal.target, "s.u") == [(1,), (2,)]


async def test_a_source_that_crashed_gets_them_back_whole(off_mortal: Move, mortal: Server) -> None:
    await switch_over(off_mortal, off_mortal.source, limit=PATIENT)
    await run_sql(off_mortal.target, "INSERT INTO s.u VALUES (3)")
    _crash(mortal)
    await switch_over(off_mortal, off_mortal.target, limit=PATIENT)
    assert await rows(off_mortal.source, "s.u") == [(1,), (2,), (3,)]


async def test_a_source_that_was_only_started_anew_keeps_its_rows(off_mortal: Move, mortal: Server) -> None:
    await switch_over(off_mortal, off_mortal.source, limit=PATIENT)
    await run_sql(off_mortal.target, "INSERT INTO s.u VALUES (3)")
    written = await value(off_mortal.source, "SELECT xmin::text FROM s.u WHERE id = 1")
    mortal.stop()
    mortal.start()

    async def answers() -> bool:
        return bool(await value(off_mortal.source, "SELECT true"))

    await until(answers)
    await switch_over(off_mortal, off_mortal.target, limit=PATIENT)
    assert await rows(off_mortal.source, "s.u") == [(1,), (2,), (3,)]
    assert await value(off_mortal.source, "SELECT xmin::text FROM s.u WHERE id = 1") == written


async def test_a_target_that_crashed_while_it_was_open_has_logged_tables_and_loses_nothing(
    source: Endpoint, mortal: Server
) -> None:
    move = await make_move(source, await mortal.fresh_database(), schema=SCHEMA)
    await switch_over(move, move.source, limit=PATIENT)
    await run_sql(move.target, "INSERT INTO s.u VALUES (3)")
    await carry(move, move.target)
    _crash(mortal)
    await run_sql(move.target, "INSERT INTO s.u VALUES (4)")
    await switch_over(move, move.target, limit=PATIENT)
    assert await rows(move.source, "s.u") == [(1,), (2,), (3,), (4,)]
