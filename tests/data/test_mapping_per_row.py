"""Which mappings make each row of one row of the source, and which lead back; asked of a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.data.copying import run_sql
from tests.data.mapping_world import fitted
from wsdash.data.mapping.per_row import examine, lossless
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.tables.shape import PerRow

SOURCE = """
CREATE SCHEMA s;
CREATE TABLE s.old (
  id integer, at timestamptz, name varchar(20), "Odd ""x" text, u uuid, PRIMARY KEY (id, at));
CREATE TABLE s.more (id integer PRIMARY KEY, body text);
CREATE FUNCTION s.reads(text) RETURNS text LANGUAGE sql STABLE
  AS 'SELECT $1 || (SELECT min(body) FROM s.more)';
CREATE FUNCTION s.plain(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION s.wild(text) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
INSERT INTO s.old VALUES (1, '2025-01-01Z', 'a', 'b', gen_random_uuid());
"""
TARGET = """
CREATE SCHEMA s;
CREATE TABLE s.new (id bigint, at timestamptz, name text, extra text, code text, PRIMARY KEY (id, at));
CREATE TABLE s.short (code text PRIMARY KEY, extra text);
"""
ODD = 'Odd "x'
PER_ROW = {
    "a column": "name",
    "a column with an odd name": '"Odd ""x"',
    "an expression": "coalesce(name, '?') || length(name)",
    "an immutable function of users": "s.plain(name)",
    "the words of a subquery in a text": "name || '(select random())'",
    "a qualified column": "old.name",
    "a time as text": "at::text",
    "a case": "CASE WHEN id > 3 THEN name ELSE at::text END",
}
NOT_PER_ROW = {
    "a subquery": ("(SELECT min(body) FROM s.more)", "subquery"),
    "a subquery over the row": ("(SELECT body FROM s.more m WHERE m.id = old.id)", "subquery"),
    "exists": ("(EXISTS (SELECT FROM s.more))::text", "subquery"),
    "a subquery behind an escaped quote": (
        r"E'\'' || (SELECT min(body) FROM s.more WHERE body <> 'x')",
        "subquery",
    ),
    "a stable function of users": ("s.reads(name)", "reads may give"),
    "a volatile function of users": ("s.wild(name)", "wild may give"),
    "the clock within a function": ("age(at)::text", "CURRENT_DATE"),
    "the session": ("pg_backend_pid()::text", "pg_backend_pid"),
    "the row's place": ("old.ctid::text", "ctid"),
}


def new(extra: Any, where: str = "") -> dict[str, Any]:
    """The mapping of old into new, with one column of one's own."""
    leave_out = {ODD: "no"}
    rule = {"from": "old", "columns": {"extra": extra, "code": "u::text"}, "leave_out": leave_out}
    return {"new": rule | ({"where": where} if where else {})}


def short(**rule: Any) -> dict[str, Any]:
    """The mapping of old into a table with another key."""
    columns = {"code": "name", "extra": {"value": None}} if "columns" not in rule else rule.pop("columns")
    leave_out = dict.fromkeys(("id", "at", "name", ODD, "u"), "no")
    return {"short": {"from": "old", "columns": columns, "leave_out": leave_out} | rule}


async def _found(source: Endpoint, target: Endpoint, folder: Path, tables: dict[str, Any]) -> PerRow:
    path, (table,) = folder / "mapping.yaml", tables
    path.write_text(yaml.safe_dump({"tables": tables}))
    mapped = await fitted(source, target, path, "s")
    async with connection(source, read_only=True) as conn:
        (one,) = await examine(conn, mapped.tables)
    assert one.name == table
    assert one.mapped is not None
    assert one.mapped.per_row is not None
    return one.mapped.per_row


@pytest.fixture
async def sides(source: Endpoint, target: Endpoint) -> tuple[Endpoint, Endpoint]:
    await run_sql(source, SOURCE)
    await run_sql(target, TARGET)
    return source, target


async def test_a_row_of_a_row(sides: tuple[Endpoint, Endpoint], tmp_path: Path) -> None:
    for kind, sql in PER_ROW.items():
        found = await _found(*sides, tmp_path, new(sql))
        assert found.against == (), kind
        assert found.keyed, kind


async def test_what_reads_more_than_the_row_is_refused(
    sides: tuple[Endpoint, Endpoint], tmp_path: Path
) -> None:
    for kind, (sql, reason) in NOT_PER_ROW.items():
        found = await _found(*sides, tmp_path, new(sql))
        assert found.against, kind
        assert reason in found.against[0], kind


async def test_a_filter_is_looked_at_too(sides: tuple[Endpoint, Endpoint], tmp_path: Path) -> None:
    assert (await _found(*sides, tmp_path, new("name", "name > 'a'"))).against == ()
    for where in ("EXISTS (SELECT FROM s.more m WHERE m.id = old.id)", "s.wild(name) = name"):
        assert (await _found(*sides, tmp_path, new("name", where))).against, where


PARTS = [
    {
        "from": "old",
        "columns": {"code": "name", "extra": {"value": "a"}},
        "leave_out": {"id": "n", "at": "n", "u": "n", ODD: "n"},
    },
    {"from": "more", "columns": {"code": "body", "extra": {"value": "b"}}, "leave_out": {"id": "n"}},
]


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (short(distinct=True), "distinct"),
        ({"short": {"union": PARTS}}, "union"),
        (short(), "its key does not follow from the source's key"),
        (short(columns={"code": "id::text || at"}, where="name > 'a'"), "source's key"),
    ],
)
async def test_rows_without_a_row_of_their_own_are_refused(
    sides: tuple[Endpoint, Endpoint], tmp_path: Path, mapping: dict[str, Any], reason: str
) -> None:
    assert reason in (await _found(*sides, tmp_path, mapping)).against[0]


async def test_a_key_may_be_made_of_the_sources_key(sides: tuple[Endpoint, Endpoint], tmp_path: Path) -> None:
    for where in ("", "id > 3"):
        rule = {"columns": {"code": "id::text || at", "extra": "name"}} | ({"where": where} if where else {})
        found = await _found(*sides, tmp_path, short(**rule))
        assert (found.against, found.keyed) == ((), True)


async def test_renamed_and_widened_columns_lead_back(
    sides: tuple[Endpoint, Endpoint], tmp_path: Path
) -> None:
    found = await _found(*sides, tmp_path, new({"value": "fixed"}))
    assert dict(found.plain) == {"id": "id", "at": "at", "name": "name", "code": "u"}
    assert found.constant == ("extra",)
    assert found.one_way == ()


async def test_a_column_that_is_made_is_named(sides: tuple[Endpoint, Endpoint], tmp_path: Path) -> None:
    (reason,) = (await _found(*sides, tmp_path, new("lower(name)"))).one_way
    assert reason == "columns made by an expression (extra)"


async def test_a_source_that_wants_a_value_leaves_no_way_back(
    sides: tuple[Endpoint, Endpoint], tmp_path: Path
) -> None:
    await run_sql(sides[0], "ALTER TABLE s.old ADD must integer NOT NULL DEFAULT 1")
    mapping = new({"value": "fixed"})
    mapping["new"]["leave_out"]["must"] = "no"
    assert (await _found(*sides, tmp_path, mapping)).one_way == ()
    await run_sql(sides[0], "ALTER TABLE s.old ALTER must DROP DEFAULT")
    (reason,) = (await _found(*sides, tmp_path, mapping)).one_way
    assert reason.endswith("the source's must")


@pytest.mark.parametrize(
    ("source", "target", "is_lossless"),
    [
        ("integer", "bigint", True),
        ("character varying(20)", "text", True),
        ("uuid", "text", True),
        ("numeric(10,2)", "numeric(10,2)", True),
        ("integer", "numeric", False),
        ("real", "double precision", False),
        ("date", "timestamp without time zone", False),
        ("character(3)", "text", False),
    ],
)
def test_what_no_cast_loses(source: str, target: str, is_lossless: bool) -> None:
    assert lossless(source, target) is is_lossless
