"""Edges that a copier must handle, each carried between real servers and compared by content."""

from __future__ import annotations

import resource

import pytest

from tests.data.copying import carry, checksums, fetch, prepare, request_of, run_sql
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint, connection


async def arrives(source: Endpoint, target: Endpoint, *commands: str) -> int:
    """Carry what the commands make; the rows that arrived, which equal the source's by content."""
    await run_sql(source, "CREATE SCHEMA s", *commands)
    catalog, result = await carry(source, target)
    assert await checksums(source, catalog) == await checksums(target, catalog)
    return result.rows


async def test_text_of_every_plane_of_unicode_arrives(source: Endpoint, target: Endpoint) -> None:
    rows = await arrives(
        source,
        target,
        "CREATE TABLE s.planes (plane int, a text, b jsonb)",
        "INSERT INTO s.planes SELECT plane, string_agg(chr(plane * 65536 + n), '' ORDER BY n), "
        "to_jsonb(chr(plane * 65536 + 1000)) FROM generate_series(0, 16) plane, "
        "generate_series(1, 65533, 97) n WHERE NOT (plane = 0 AND n BETWEEN 55296 AND 57343) GROUP BY plane",
    )
    assert rows == 17


async def test_numbers_and_times_at_their_ends_arrive(source: Endpoint, target: Endpoint) -> None:
    assert (
        await arrives(
            source,
            target,
            "CREATE TABLE s.ends (n numeric, f float8, t timestamptz, d date, r int4range, "
            "m tsmultirange, a int[])",
            "INSERT INTO s.ends VALUES ('NaN', 'NaN', '4713-11-24 00:00:00+00 BC', 'infinity', 'empty', "
            "'{}', '{}'),"
            "('-Infinity', '-0', '294276-12-31 23:59:59.999999+00', '4713-01-01 BC', '(,)', '{(,)}',"
            "'[-5:-4][7:8]={{1,NULL},{NULL,4}}'),"
            "(('-' || repeat('7', 500) || '.' || repeat('3', 500))::numeric, 'Infinity', '-infinity', NULL,"
            "'[-2147483648,2147483647)', '{[-infinity,infinity]}', NULL)",
        )
        == 3
    )


PARTITIONED = """
CREATE TABLE s.p (id int, region text, at date, filler text) PARTITION BY LIST (region);
CREATE TABLE s.p_eu PARTITION OF s.p FOR VALUES IN ('eu') PARTITION BY RANGE (at);
CREATE TABLE s.p_eu_25 PARTITION OF s.p_eu FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
  PARTITION BY HASH (id);
CREATE TABLE s.p_eu_25_0 PARTITION OF s.p_eu_25 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE s.p_eu_25_1 PARTITION OF s.p_eu_25 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE s.p_rest PARTITION OF s.p DEFAULT;
CREATE TABLE s.h (id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE s.h0 PARTITION OF s.h FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE s.h1 PARTITION OF s.h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE s.r (id int, at timestamptz) PARTITION BY RANGE (at, id);
CREATE TABLE s.r1 PARTITION OF s.r FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2025-06-01', 0);
CREATE TABLE s.r2 PARTITION OF s.r FOR VALUES FROM ('2025-06-01', 0) TO (MAXVALUE, MAXVALUE);
INSERT INTO s.p SELECT n, CASE WHEN n % 3 = 0 THEN 'eu' WHEN n % 3 = 1 THEN 'us' END,
  date '2025-01-01' + n % 300, repeat('x', 100) FROM generate_series(1, 3000) n;
INSERT INTO s.h SELECT n FROM generate_series(1, 1000) n;
INSERT INTO s.r SELECT n, timestamptz '2025-01-01' + n * interval '1 hour' FROM generate_series(1, 5000) n;
"""


async def test_partitions_of_every_kind_arrive_each_row_once(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.data.copy.plan.RANGE_BYTES", 1)
    assert await arrives(source, target, PARTITIONED) == 9000


async def test_rows_of_1500_columns_arrive(source: Endpoint, target: Endpoint) -> None:
    columns = ", ".join(f'"Column {n}" int' for n in range(1500))
    values = ", ".join("NULL" if n % 7 == 0 else f"g + {n}" for n in range(1500))
    assert (
        await arrives(
            source,
            target,
            f"CREATE TABLE s.wide ({columns})",
            f"INSERT INTO s.wide SELECT {values} FROM generate_series(1, 20) g",
        )
        == 20
    )


async def test_a_thousand_tables_are_asked_about_together(source: Endpoint, target: Endpoint) -> None:
    for start in range(0, 1000, 250):
        one = "CREATE TABLE s.t{0} (id int); INSERT INTO s.t{0} VALUES ({0});"
        tables = "".join(one.format(n) for n in range(start, start + 250))
        await run_sql(source, f"CREATE SCHEMA IF NOT EXISTS s; {tables}")
    catalog = await prepare(source, target)
    result = await copy_tables(request_of(source, target, catalog), lambda _: None)
    assert result.rows == 1000
    assert {row[0] for row in await fetch(target, "SELECT rows FROM wsdash.load_ranges")} == {1}


async def test_a_value_of_200_mb_passes_in_bounded_memory(source: Endpoint, target: Endpoint) -> None:
    """What one value takes is a few times its size: the server's protocol sends a row in one message."""
    size = 200_000_000
    await run_sql(
        source,
        "CREATE SCHEMA s; CREATE TABLE s.big (id int, a text STORAGE EXTERNAL)",
        f"INSERT INTO s.big SELECT n, repeat(chr(119 + n), {size}) FROM generate_series(1, 2) n",
    )
    catalog = await prepare(source, target)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await copy_tables(request_of(source, target, catalog, workers=1), lambda _: None)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert result.rows == 2
    assert grown < 4 * size
    async with connection(target, read_only=True) as conn:
        lengths = await conn.fetch(
            "SELECT length(a) AS n, left(a, 1) AS c FROM s.big ORDER BY id", timeout=60
        )
    assert [tuple(row) for row in lengths] == [(size, "x"), (size, "y")]
