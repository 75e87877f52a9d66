"""Rows are found by their keys at a cost that follows from how many keys there are, whatever they share."""

from __future__ import annotations

import pytest

from tests.data.copying import run_sql
from tests.data.online.world import begin_move, carry, same
from tests.support.servers import Server
from wsdash.data.online.delta.lookup import prepare_lookup
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.tables.shape import Column

ROWS = 2000
LOG = """
CREATE SCHEMA s;
CREATE TABLE s.log (id integer, at timestamptz, what text, PRIMARY KEY (id, at));
CREATE INDEX log_at ON s.log (at DESC);
"""
PARTED = LOG.replace("at))", "at)) PARTITION BY RANGE (at)") + (
    "CREATE TABLE s.log_1 PARTITION OF s.log FOR VALUES FROM ('2025-01-01Z') TO ('2025-02-01Z');"
    "CREATE TABLE s.log_2 PARTITION OF s.log FOR VALUES FROM ('2025-02-01Z') TO ('2025-03-01Z');"
)
BEFORE = (
    "INSERT INTO s.log SELECT -i, timestamptz '2025-01-01Z' + i * interval '1 min' "
    f"FROM generate_series(1, {ROWS}) i; ANALYZE s.log"
)
"""Rows of which each has a time of its own, as the server's statistics say."""
AT_ONCE = f"INSERT INTO s.log SELECT i, '2025-01-05 12:00Z', 'new' FROM generate_series(1, {ROWS}) i"
AGAIN = "UPDATE s.log SET what = what || '.' WHERE id > 0"
READ = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_all_tables WHERE schemaname = 's'"


@pytest.mark.parametrize("schema", [LOG, PARTED], ids=["a table", "partitions"])
async def test_rows_of_one_statement_are_not_read_for_each_other(
    source: Endpoint, target: Endpoint, schema: str
) -> None:
    await run_sql(source, schema, BEFORE)
    move = await begin_move(source, target)
    await run_sql(source, AT_ONCE)
    assert await carry(move) == ROWS
    await run_sql(source, AGAIN)
    assert await carry(move) == ROWS
    await switch_over(move, source, limit=30)
    await run_sql(target, AGAIN)
    assert await carry(move, target) == ROWS
    for side in (source, target):
        assert await _read(side) < 40 * ROWS, "as many as keys, a few times; not keys times keys"
    assert await same(move)


async def _read(side: Endpoint) -> int:
    """Rows that anybody read of the tables so far."""
    async with connection(side, read_only=True) as conn:
        await conn.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        return int(await conn.fetchval(READ))


async def test_rows_that_share_nothing_are_looked_up(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, LOG)
    move = await begin_move(source, target)
    await run_sql(
        source,
        f"INSERT INTO s.log SELECT i, timestamptz '2025-01-01Z' + i * interval '1 s' "
        f"FROM generate_series(1, {ROWS}) i",
        AGAIN,
    )
    await carry(move)
    assert await same(move)
    assert await _read(source) < 20 * ROWS


KEY = (
    ("k1", Column("id", "integer", not_null=True)),
    ("k2", Column("at", "timestamp with time zone", not_null=True)),
)


async def _found(server: Server, *commands: str, count: int = 1000) -> str:
    """What a lookup of 1 000 keys at one time asks for, in a table that the commands made."""
    side = await server.fresh_database()
    await run_sql(side, *commands)
    async with connection(side, read_only=False) as conn, conn.transaction():
        await conn.execute(
            "CREATE TEMP TABLE k AS SELECT i AS k1, timestamptz '2025-01-05 12:00Z' AS k2 "
            "FROM generate_series(1, 1000) i"
        )
        found = await prepare_lookup(conn, "pg_temp.k", "s.log", KEY, count)
        ways = await conn.fetch(
            "SELECT current_setting('enable_nestloop'), current_setting('enable_hashjoin')"
        )
        assert tuple(ways[0]) == (("off", "on") if found else ("on", "off"))
    await server.drop_database(side.database)
    return found


async def test_a_shared_value_that_an_index_misleads_to_is_named(pg16: Server) -> None:
    assert await _found(pg16, LOG, AT_ONCE) == (
        ' AND t."at" = ANY (\'{"2025-01-05 12:00:00+00"}\'::timestamp with time zone[])'
    )


async def test_few_keys_are_looked_up_without_asking(pg16: Server) -> None:
    assert await _found(pg16, LOG, AT_ONCE, count=200) == ""


async def test_without_an_index_of_its_own_a_shared_value_misleads_nobody(pg16: Server) -> None:
    assert await _found(pg16, LOG, AT_ONCE, "DROP INDEX s.log_at") == ""


async def test_an_index_that_holds_the_whole_key_misleads_nobody(pg16: Server) -> None:
    assert await _found(pg16, LOG, AT_ONCE, "DROP INDEX s.log_at; CREATE INDEX ON s.log (at, id)") == ""


async def test_a_value_that_most_of_the_table_shares_is_not_read_for_a_few_keys(pg16: Server) -> None:
    many = AT_ONCE.replace(f"(1, {ROWS})", "(1, 60000)")
    assert await _found(pg16, LOG, many) == ""


async def test_an_index_of_a_chunk_alone_counts(pg16: Server) -> None:
    inherited = (
        "CREATE SCHEMA s; CREATE TABLE s.log (id integer, at timestamptz, what text, PRIMARY KEY (id, at));"
        "CREATE TABLE s.log_1 () INHERITS (s.log); CREATE INDEX ON s.log_1 (at)"
    )
    assert "= ANY" in await _found(pg16, inherited, AT_ONCE.replace("s.log", "s.log_1"))
