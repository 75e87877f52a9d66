"""Random tables and random single changes: each change is found, equal tables are never reported."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.data.copying import carry, checksums, run_sql
from tests.data.test_verify import verify as compare
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.sql import ident, literal
from wsdash.data.verify import checksum as verify_parts
from wsdash.data.verify import run as verify

VALUES: dict[str, tuple[str | None, ...]] = {
    "integer": (None, "0", "1", "-1", "2147483647"),
    "numeric": (None, "0", "0.0", "1", "1.00", "NaN", "Infinity", "9" * 200, "-1e-30"),
    "double precision": (None, "0", "-0", "NaN", "Infinity", "0.1", "0.30000000000000004", "5e-324"),
    "text": (None, "", " ", "NULL", "a", "A", 'a"b', "a,b", "(a)", "\\", "é", "e\u0301", "\U0001f600", "\n"),
    "boolean": (None, "true", "false"),
    "timestamp with time zone": (None, "infinity", "-infinity", "2025-01-01Z", "2025-01-01 00:00:00.000001Z"),
    "bytea": (None, "", "\\x00", "\\x0001", "a"),
    "text[]": (None, "{}", "{NULL}", '{"NULL"}', "[0:0]={a}", "{a}", "{{a}}", "{a,b}", '{"a,b"}'),
    "jsonb": (None, "null", "{}", '{"a": 1}', '{"a": 1.0}', '{"a": "1"}', "[1, 2]", "[2, 1]"),
    "s.mood": (None, "sad", "glad"),
    "s.mood[]": (None, "{}", "{sad}", "{sad,NULL}"),
    "int4range": (None, "empty", "[1,5)", "(,5)", "(,)"),
    "s.pair": (None, "(,)", "(1,)", '(1,"")', "(1,glad)"),
}
"""Literals of each type whose canonical texts all differ."""
TYPES = "CREATE SCHEMA s; CREATE TYPE s.mood AS ENUM ('sad', 'glad'); CREATE TYPE s.pair AS (x int, y text);"
PROPERTY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Content:
    """A table's columns (name, type), whether `id` is its key, and its rows."""

    columns: tuple[tuple[str, str], ...]
    keyed: bool
    rows: tuple[Row, ...]

    def sql(self, rows: list[Row] | tuple[Row, ...], *, turned: bool = False) -> str:
        """The table with these rows; turned: columns and rows in the opposite order, and no key."""
        columns = list(enumerate(self.columns))[:: -1 if turned else 1]
        definition = ", ".join(f"{ident(name)} {kind}" for _, (name, kind) in columns)
        key = ", PRIMARY KEY (id)" if self.keyed and not turned else ""
        sql = f"DROP SCHEMA IF EXISTS s CASCADE; {TYPES} CREATE TABLE s.t ({definition}{key});"
        for row in rows[:: -1 if turned else 1]:
            cells = ", ".join(
                "NULL" if (cell := row[place]) is None else literal(cell) for place, _ in columns
            )
            sql += f"INSERT INTO s.t VALUES ({cells});"
        return sql


@st.composite
def contents(draw: st.DrawFn) -> Content:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    names = draw(st.permutations(["a", "B b", 'c"', "ü", "z"]))
    columns = (("id", "integer"), *zip(names, kinds, strict=False))
    keyed = draw(st.booleans())
    count = draw(st.integers(0, 12))
    ids = [str(n) for n in range(count)] if keyed else [draw(st.sampled_from("12")) for _ in range(count)]
    rows = tuple((id_, *(draw(st.sampled_from(VALUES[kind])) for kind in kinds)) for id_ in ids)
    return Content(columns, keyed, rows)


def mutate(data: st.DataObject, content: Content) -> list[Row]:
    """One change of the rows as a multiset: a cell, a missing, an extra or a doubled row, a swap."""
    rows = list(content.rows)
    how = data.draw(st.sampled_from(["cell", "missing", "extra", "doubled", "swapped"]))
    if how == "extra":
        return [*rows, ("99", *(data.draw(st.sampled_from(VALUES[kind])) for _, kind in content.columns[1:]))]
    assume(rows)
    place = data.draw(st.integers(0, len(rows) - 1))
    if how == "missing":
        return rows[:place] + rows[place + 1 :]
    if how == "doubled":
        return [*rows, rows[place]]
    column = data.draw(st.integers(1, len(content.columns) - 1))
    if how == "cell":
        value = data.draw(st.sampled_from(VALUES[content.columns[column][1]]))
        rows[place] = (*rows[place][:column], value, *rows[place][column + 1 :])
    else:
        other = data.draw(st.integers(0, len(rows) - 1))
        one, two = rows[place], rows[other]
        rows[place] = (*one[:column], two[column], *one[column + 1 :])
        rows[other] = (*two[:column], one[column], *two[column + 1 :])
    assume(sorted(map(repr, rows)) != sorted(map(repr, content.rows)))
    return rows


async def build(endpoint: Endpoint, sql: str) -> None:
    async with connection(endpoint, read_only=False) as conn:
        await conn.execute(sql, timeout=60)


@pytest.fixture
def every_table_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables are divided into parts as large ones are."""
    monkeypatch.setattr(verify_parts, "SMALL_ROWS", 1)
    monkeypatch.setattr(verify, "SMALL_ROWS", 1)
    monkeypatch.setattr(verify_parts, "FEWEST_BORDERS", 1)
    monkeypatch.setattr(verify_parts, "ROWS_PER_HASH", 1)


@pytest.mark.usefixtures("every_table_divided")
@settings(PROPERTY, max_examples=20)
@given(content=contents(), data=st.data())
async def test_a_single_change_is_found_in_a_divided_table(
    source: Endpoint, target: Endpoint, content: Content, data: st.DataObject
) -> None:
    await found(source, target, content, data)


@PROPERTY
@given(content=contents(), data=st.data())
async def test_a_single_change_is_found_and_equal_tables_are_not_reported(
    source: Endpoint, target: Endpoint, content: Content, data: st.DataObject
) -> None:
    await found(source, target, content, data)


async def found(source: Endpoint, target: Endpoint, content: Content, data: st.DataObject) -> None:
    changed = mutate(data, content)
    await build(source, content.sql(content.rows))
    await build(target, content.sql(content.rows, turned=True))
    (same,) = await compare(source, target)
    assert same.match
    assert same.differences == ()
    await build(target, content.sql(changed, turned=True))
    (result,) = await compare(source, target)
    assert not result.match
    assert 1 <= len(result.differences) <= 20
    assert (result.source_rows, result.target_rows) == (len(content.rows), len(changed))


@settings(PROPERTY, max_examples=12)
@given(content=contents())
async def test_a_copy_of_a_random_table_equals_it(
    source: Endpoint, target: Endpoint, content: Content
) -> None:
    await build(source, content.sql(content.rows))
    await build(target, "DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA IF EXISTS wsdash CASCADE")
    catalog, result = await carry(source, target)
    assert result.rows == len(content.rows)
    assert await checksums(source, catalog) == await checksums(target, catalog)


async def test_many_rows_are_narrowed_down_to_the_few_that_differ(source: Endpoint, target: Endpoint) -> None:
    sql = (
        "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text);"
        "INSERT INTO s.t SELECT n, md5(n::text) FROM generate_series(1, 40000) n"
    )
    await run_sql(source, sql)
    await run_sql(target, sql, "UPDATE s.t SET a = 'x' WHERE id IN (7, 20000, 39999)")
    fetched = 0
    real = asyncpg.Connection.fetch

    async def count(self: asyncpg.Connection, *arguments: object, **options: object) -> object:
        nonlocal fetched
        rows = await real(self, *arguments, **options)  # type: ignore[call-overload]
        if "cells" in str(arguments[0]):
            fetched += len(rows)
        return rows

    asyncpg.Connection.fetch = count  # type: ignore[method-assign, assignment]
    try:
        (result,) = await compare(source, target)
    finally:
        asyncpg.Connection.fetch = real  # type: ignore[method-assign]
    assert [line.split(":")[0] for line in result.differences] == ["id='20000'", "id='39999'", "id='7'"]
    assert 6 <= fetched < 1000
