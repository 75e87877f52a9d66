"""Capture: put on without holding anybody up, found where it should be, and taken away without a trace."""

from __future__ import annotations

import asyncio

import pytest

from tests.data.copying import catalog_of, run_sql
from tests.data.online.world import (
    RUN,
    SCHEMA,
    WRITES,
    begin_move,
    carry,
    make_move,
    refused,
    rows,
    same,
    value,
)
from wsdash.data.online.capture.install import (
    fold,
    install,
    log_bytes,
    note_copy,
    read_objects,
    remove_everything,
    uninstall,
)
from wsdash.data.online.capture.position import read_position, read_state
from wsdash.data.online.delta.transfer import pending
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.errors import RefusedError, WsdashError


async def _move(source: Endpoint, target: Endpoint) -> Move:
    await run_sql(source, SCHEMA)
    return Move(RUN, source, target, (await catalog_of(source)).tables)


async def test_taking_it_away_leaves_no_trace(source: Endpoint, target: Endpoint) -> None:
    move = await _move(source, target)
    before = await read_objects(source)
    await install(source, move.tracked, RUN, closed=False)
    await run_sql(source, WRITES)
    assert await read_objects(source) != before
    await uninstall(source)
    assert await read_objects(source) == before


async def test_everything_goes_with_what_is_known_of_the_copy(source: Endpoint, target: Endpoint) -> None:
    move = await make_move(source, target)
    for side in (move.source, move.target):
        await remove_everything(side)
        await remove_everything(side)
        assert not [line for line in await read_objects(side) if "wsdash" in line]
    await uninstall(source)
    assert await refused(source, "DELETE FROM s.items") == ""


async def test_taking_it_away_leaves_what_the_copy_keeps(move: Move) -> None:
    await uninstall(move.target)
    assert await value(move.target, "SELECT count(*) FROM wsdash.load_ranges") > 0
    assert await value(move.target, "SELECT count(*) FROM pg_proc WHERE proname LIKE 'online%'") == 0


async def test_a_half_finished_installation_is_taken_up(source: Endpoint, target: Endpoint) -> None:
    move = await _move(source, target)
    async with connection(source, read_only=False) as holder:
        await holder.execute("BEGIN; UPDATE s.items SET size = 1")
        with pytest.raises(WsdashError, match=f"pid {holder.get_server_pid()} "):
            await install(source, move.tracked, RUN, closed=False, attempts=2)
        await holder.execute("COMMIT")
    await install(source, move.tracked, RUN, closed=False)
    once = await read_objects(source)
    await install(source, move.tracked, RUN, closed=False)
    assert await read_objects(source) == once


async def test_a_writer_waits_only_briefly_behind_an_installation_that_waits(
    source: Endpoint, target: Endpoint
) -> None:
    move = await _move(source, target)
    async with connection(source, read_only=False) as holder:
        await holder.execute("BEGIN; UPDATE s.items SET size = 1 WHERE id = 1")
        installing = asyncio.create_task(install(source, move.tracked, RUN, closed=False))
        for _ in range(5):
            assert (
                await refused(source, "SET lock_timeout = '10s'; UPDATE s.items SET size = 2 WHERE id = 2")
                == ""
            )
        assert not installing.done()
        await holder.execute("COMMIT")
        await installing


async def test_what_began_before_capture_and_ends_after_it_is_captured(
    source: Endpoint, target: Endpoint
) -> None:
    move = await _move(source, target)
    async with (
        connection(source, read_only=False) as older,
        connection(source, read_only=False) as prepared,
    ):
        await older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
        await older.execute("CREATE TEMP TABLE own AS SELECT 1")  # it has a transaction id from now on
        statement = await prepared.prepare("UPDATE s.items SET title = 'prepared' WHERE id = 12")
        await prepared.execute("SELECT")  # the driver leaves its preparation's transaction open
        moved = await begin_move(move.source, move.target)
        await older.execute("UPDATE s.items SET title = 'older' WHERE id = 11; COMMIT")
        await statement.fetch()
    assert await carry(moved) == 4
    assert await same(moved)


async def test_what_is_open_at_the_snapshot_comes_with_the_next_delta(move: Move) -> None:
    async with connection(move.source, read_only=False) as writer:
        await writer.execute("BEGIN; UPDATE s.items SET title = 'slow' WHERE id = 1")
        await run_sql(move.source, "UPDATE s.items SET title = 'fast' WHERE id = 2")
        async with open_link(move, move.source) as link:
            assert await link.apply() == 2
            await writer.execute("COMMIT")
            assert await link.apply() == 2
            assert await link.apply() == 0
    assert await same(move)


async def test_an_open_writer_of_another_database_holds_nothing_up(move: Move, source: Endpoint) -> None:
    async with connection(source, read_only=False) as stranger:
        await stranger.execute("BEGIN; CREATE TABLE public.elsewhere (a int)")
        await run_sql(move.source, "UPDATE s.items SET title = 'seen' WHERE id = 2")
        assert await carry(move) == 2
    assert await same(move)


async def test_applied_lines_are_pruned_and_new_ones_stay(move: Move) -> None:
    await run_sql(move.source, "UPDATE s.owners SET name = name || '!'")
    async with open_link(move, move.source) as link:
        await link.apply()
        await run_sql(move.source, "UPDATE s.owners SET name = name || '?' WHERE id = 1")
        assert await link.prune() == 10
        assert await link.pending() == 1
        assert await link.apply() == 1
    assert await same(move)


async def test_folding_keeps_one_line_a_key_and_loses_no_change(move: Move) -> None:
    for number in range(5):
        await run_sql(move.source, f"UPDATE s.owners SET name = name || '!{number}'")
    async with open_link(move, move.source) as link, connection(move.source, read_only=False) as conn:
        before = await log_bytes(conn)
        assert before > 0
        assert await fold(conn) == 40
        assert await pending(conn, link.tracked, link.position) == 10
        assert await link.apply() == 10
    assert await same(move)


async def test_folding_by_somebody_who_does_not_know_the_position_loses_no_change(move: Move) -> None:
    """The later change of a row is of the older transaction: its number does not tell which line is newer."""
    async with (
        connection(move.source, read_only=False) as older,
        open_link(move, move.source) as link,
        connection(move.source, read_only=False) as conn,
    ):
        await older.execute("BEGIN; UPDATE s.owners SET name = 'older 2' WHERE id = 2")
        await run_sql(move.source, "UPDATE s.owners SET name = 'younger 1' WHERE id = 1")
        await link.apply()
        await older.execute("UPDATE s.owners SET name = 'older 1' WHERE id = 1; COMMIT")
        await fold(conn)
        await link.apply()
    assert await same(move)


async def test_pruning_keeps_what_another_transaction_has_not_committed(move: Move) -> None:
    async with connection(move.source, read_only=False) as writer, open_link(move, move.source) as link:
        await writer.execute("BEGIN; UPDATE s.owners SET name = 'slow' WHERE id = 1")
        await run_sql(move.source, "UPDATE s.owners SET name = 'fast' WHERE id = 2")
        await link.apply()
        await link.prune()
        await writer.execute("COMMIT")
        assert await link.apply() == 1
    assert await same(move)


async def test_an_applied_delta_may_be_applied_again(move: Move) -> None:
    await run_sql(move.source, WRITES)
    async with open_link(move, move.source) as link:
        first = link.position
        await link.apply()
        await run_sql(
            move.target,
            f"UPDATE wsdash.online SET position = '{first.snapshot}'",
        )
        link.position = first
        assert await link.apply() > 0
    assert await same(move)


async def test_two_that_carry_do_not_mix_their_positions(move: Move) -> None:
    async with open_link(move, move.source) as one, open_link(move, move.source) as other:
        await run_sql(move.source, "UPDATE s.items SET size = 1 WHERE id = 1")
        await one.apply()
        with pytest.raises(RefusedError, match="another session"):
            await other.apply()
    assert await same(move)


async def test_capture_of_another_run_is_left_alone(move: Move) -> None:
    with pytest.raises(RefusedError, match="run-1"):
        await install(move.source, move.tracked, "run-2", closed=False)


async def test_a_copy_taken_up_again_keeps_the_oldest_position(source: Endpoint, target: Endpoint) -> None:
    move = await make_move(source, target)
    async with connection(target, read_only=True) as conn:
        first = await read_state(conn)
    async with connection(source, read_only=False) as conn:
        await conn.execute("UPDATE s.items SET title = 'later' WHERE id = 1")
        later = await read_position(conn)
    await note_copy(target, RUN, later, {})
    async with connection(target, read_only=True) as conn:
        assert first is not None
        again = await read_state(conn)
        assert again is not None
        assert again.position == first.position
    await carry(move)
    assert await same(move)


async def test_users_without_any_right_in_our_schema_write_as_before(move: Move) -> None:
    await run_sql(
        move.source,
        "DO $$ BEGIN CREATE ROLE online_user; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "GRANT USAGE ON SCHEMA s TO online_user; GRANT SELECT, UPDATE ON s.owners TO online_user",
    )
    hostile = (
        "CREATE SCHEMA trap; GRANT ALL ON SCHEMA trap TO online_user; SET ROLE online_user; "
        "CREATE FUNCTION trap.pg_try_advisory_xact_lock_shared(bigint) RETURNS boolean LANGUAGE sql "
        "AS 'SELECT false'; SET search_path = trap, pg_catalog; "
        "UPDATE s.owners SET name = 'by a user' WHERE id = 1"
    )
    assert await refused(move.source, hostile) == ""
    await carry(move)
    assert ("by a user" in str(await rows(move.target, "s.owners"))) is True
