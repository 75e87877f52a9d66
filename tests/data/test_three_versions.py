"""PostgreSQL 15 beside 16 and 18: the same content has the same checksum, the same schema is read alike."""

from __future__ import annotations

import pytest

from tests.data.copying import carry, catalog_of, checksums, run_sql
from tests.data.edges import EDGES
from tests.data.test_checksum import ALTERED, NASTY
from tests.data.test_verify import verify
from tests.support.servers import Server
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.compare import compare

pytestmark = pytest.mark.xdist_group("three versions")
HIGH_CHAR = ('"char"', '(-100)::"char"', '(-1)::"char"')
"""Beyond ASCII the text form of type "char" is younger than PostgreSQL 14."""


def edges() -> str:
    """A table for each type with values at its edges."""
    sql = ALTERED
    for place, (kind, *values) in enumerate((*NASTY, HIGH_CHAR)):
        rows = ", ".join(f"(({value})::{kind})" for value in values)
        sql += f"CREATE TABLE s.t{place} (v {kind}); INSERT INTO s.t{place} VALUES {rows};\n"
    return sql


async def test_values_at_their_edges_hash_alike_on_three_versions(
    older: Endpoint, source: Endpoint, target: Endpoint
) -> None:
    sums = []
    for side in (older, source, target):
        await run_sql(side, edges())
        sums.append(await checksums(side, await catalog_of(side)))
    assert len(sums[0]) == len(NASTY) + 1
    assert sums[0] == sums[1] == sums[2]


async def test_a_copy_from_15_to_18_is_equal_by_content(older: Endpoint, target: Endpoint) -> None:
    await run_sql(older, edges(), "CREATE TABLE s.big (n int PRIMARY KEY, t text)")
    await run_sql(older, "INSERT INTO s.big SELECT n, 'row ' || n FROM generate_series(1, 5000) n")
    catalog, result = await carry(older, target)
    assert result.rows == 5000 + sum(len(values) - 1 for values in (*NASTY, HIGH_CHAR))
    assert all(one.match for one in await verify(older, target, catalog.tables))
    await run_sql(target, "UPDATE s.big SET t = 'row  77' WHERE n = 77")
    differing = [one for one in await verify(older, target, catalog.tables) if not one.match]
    assert [one.name for one in differing] == ["s.big"]
    assert "77" in differing[0].differences[0]


async def test_a_schema_full_of_edges_is_read_on_15_as_on_16(older: Endpoint, source: Endpoint) -> None:
    for side in (older, source):
        # in CREATE TABLE, STORAGE is PostgreSQL 16's
        await run_sql(side, EDGES.replace(" STORAGE EXTERNAL", "").replace(" NULLS NOT DISTINCT", ""))
        await run_sql(
            side, 'ALTER TABLE "Edge Case"."Mixed ""Quoted"" Täble" ALTER note SET STORAGE EXTERNAL'
        )
    async with connection(older, read_only=True) as old, connection(source, read_only=True) as new:
        here, there = await read_catalog(old, "Edge Case"), await read_catalog(new, "Edge Case")
    told = {(o.kind, o.name): (o.fate, o.detail) for o in compare(here, there)}
    assert len(told) > 60
    fate, why = told.pop(("table", "Edge Case.scratch"))
    assert fate == "adapted"
    assert why.startswith("unlogged in the target")
    assert {fate for fate, _ in told.values()} <= {"same", "not-carried"}, told
    assert {(item.kind, item.name) for item in here.items} == {(item.kind, item.name) for item in there.items}


async def test_inside_a_domain_a_char_beyond_ascii_hashes_alike_on_three_versions(
    older: Endpoint, source: Endpoint, target: Endpoint
) -> None:
    sql = 'CREATE SCHEMA s; CREATE DOMAIN s.letter AS "char"; CREATE TABLE s.t (v s.letter, a text);'
    for side in (older, source, target):
        await run_sql(side, sql, "INSERT INTO s.t VALUES ('a', 'x'), ((-100)::\"char\", 'z')")
    for pair in ((older, source), (older, target), (source, target)):
        assert all(one.match for one in await verify(*pair))


async def test_citext_is_compared_by_its_letters_as_they_are(older: Endpoint, pg15: Server) -> None:
    other = await pg15.fresh_database()
    try:
        await run_sql(older, "CREATE EXTENSION citext; CREATE SCHEMA s; CREATE TABLE s.t (n int, v citext)")
        await run_sql(older, "INSERT INTO s.t VALUES (1, 'Ab'), (2, 'ab'), (3, NULL)")
        await run_sql(other, "CREATE EXTENSION citext")
        catalog, _ = await carry(older, other)
        assert all(one.match for one in await verify(older, other, catalog.tables))
        await run_sql(other, "UPDATE s.t SET v = 'AB' WHERE n = 1")
        (found,) = await verify(older, other, catalog.tables)
        assert not found.match, "'AB' = 'Ab' for citext, and yet another content"
    finally:
        await pg15.drop_database(other.database)


async def test_what_a_server_keeps_for_itself_in_a_partitions_columns_is_no_option_of_it(
    older: Endpoint,
) -> None:
    await run_sql(
        older,
        "CREATE SCHEMA s; CREATE TABLE s.t (id int, at date) PARTITION BY RANGE (at);"
        "CREATE TABLE s.t1 PARTITION OF s.t FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')",
    )
    assert [
        item.name for item in (await catalog_of(older)).items if item.kind == "column option of a part"
    ] == []
    await run_sql(older, "ALTER TABLE s.t1 ALTER id SET (n_distinct = 7)")
    told = [item.name for item in (await catalog_of(older)).items if item.kind == "column option of a part"]
    assert told == ["s.t1: id"]
