"""A mapping that does not fit is refused before anything is written, naming file, key, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.copying import run_sql
from tests.data.mapping_world import fitted
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import InputError

SOURCE = """
CREATE SCHEMA s;
CREATE TYPE s.mood AS ENUM ('sad', 'happy');
CREATE TABLE s.old (id uuid PRIMARY KEY, at timestamptz NOT NULL, title varchar(255) NOT NULL, body text,
  kind varchar(20), price numeric, mood s.mood, doc json);
CREATE TABLE s.entry (id integer PRIMARY KEY, old_id uuid);
INSERT INTO s.old SELECT md5(n::text)::uuid, timestamptz '2025-01-01' + n * interval '1 hour', 'title ' || n,
  CASE WHEN n <> 3 THEN 'body' END, 'kind ' || n % 2, n + 0.125, 'sad', '{}' FROM generate_series(1, 9) n;
INSERT INTO s.entry SELECT n, md5(n::text)::uuid FROM generate_series(1, 12) n;
"""
TARGET = """
CREATE SCHEMA s;
CREATE TYPE s.level AS ENUM ('low', 'high');
CREATE TABLE s.kinds (name text PRIMARY KEY);
CREATE TABLE s.new (id serial PRIMARY KEY, title text NOT NULL UNIQUE, body text NOT NULL, kind text,
  price numeric(10, 2), mood text, doc jsonb, at timestamptz NOT NULL, level s.level,
  shout text GENERATED ALWAYS AS (upper(title)) STORED, CONSTRAINT n_title CHECK (length(title) < 20));
CREATE TABLE s.note (id integer PRIMARY KEY, new_id integer, old_id uuid);
INSERT INTO s.kinds VALUES ('kind 0');
"""
GOOD = {
    "id": "{assign: id, order: at}",
    "title": "title",
    "body": "coalesce(body, '')",
    "price": "round(price, 2)",
    "mood": "mood::text",
    "doc": "doc::jsonb",
}
REST = "leave_out: {entry: not needed}"


def text(columns: dict[str, str], more: str = "", rest: str = REST) -> str:
    """A mapping of old to new; a column with '' is not in it."""
    lines = [f"      {name}: {value}" for name, value in (GOOD | columns).items() if value]
    return f"tables:\n  new:\n    from: old\n{more}    columns:\n" + "\n".join(lines) + f"\n{rest}\n"


async def refused(source: Endpoint, target: Endpoint, tmp_path: Path, yaml: str, *more: str) -> InputError:
    """The error of a mapping on the two small schemas; `more`: SQL for the target first."""
    await run_sql(source, SOURCE)
    await run_sql(target, TARGET, *more)
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml)
    with pytest.raises(InputError) as raised:
        await fitted(source, target, path, "s")
    error = raised.value
    assert str(path) in error.where
    assert error.remedy
    assert error.exit_code == 2
    return error


async def test_the_mapping_of_these_tests_fits_as_it_stands(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, SOURCE)
    await run_sql(target, TARGET)
    path = tmp_path / "mapping.yaml"
    path.write_text(text({}))
    mapped = await fitted(source, target, path, "s")
    assert [keys.old_type for keys in mapped.keys] == ["uuid"]
    assert [c.name for c in mapped.tables[0].columns] == [
        "id", "title", "body", "kind", "price", "mood", "doc", "at",
    ]  # fmt: skip


def wrong(
    columns: dict[str, str], key: str, told: str, remedy: str, more: str = "", rest: str = REST
) -> object:
    return pytest.param(text(columns, more, rest), key, told, remedy)


CASES = {
    "an unknown source table": wrong(
        {}, "leave_out.entries", "no table entries", "entry, old", rest="leave_out: {entries: x}"
    ),
    "an unknown target column": wrong({"titel": "id"}, "tables.new.columns.titel", "no column titel", "id"),
    "a generated column": wrong({"shout": "title"}, "tables.new.columns.shout", "generated", "computes"),
    "an unknown column in an expression": wrong(
        {"body": "coalesce(bodi, '')"}, "tables.new.columns.body", 'column "bodi" does not exist', "correct"
    ),
    "a syntax error": wrong({"body": "coalesce(body"}, "tables.new.columns.body", "syntax error", "correct"),
    "two expressions in one": wrong({"body": "body), (title"}, "tables.new.columns.body", "", "correct"),
    "a second command": wrong(
        {"body": "\"body); DROP TABLE s.old; --\""}, "tables.new.columns.body", "syntax error", "correct"
    ),
    "an aggregate": wrong({"body": "max(body)"}, "tables.new.columns.body", "aggregate", "correct"),
    "a set": wrong({"body": "unnest(ARRAY[body])"}, "tables.new.columns.body", "set-returning", "correct"),
    "a clock": wrong({"at": "now()"}, "tables.new.columns.at", "now gives another value", "constant"),
    "dice": wrong({"price": "random()"}, "tables.new.columns.price", "random", "constant"),
    "a type without a cast": wrong({"price": "title"}, "tables.new.columns.price", "varying", "(title)::"),
    "a cast that may lose": wrong({"doc": ""}, "tables.new.columns.doc", "json in", '("doc")::jsonb'),
    "an enum into text": wrong({"mood": ""}, "tables.new.columns.mood", "s.mood", "::text"),
    "a type only the target has": wrong({"level": "7"}, "tables.new.columns.level", "value 7", "quotes"),
    "another type than the target's own": wrong(
        {"level": "length(kind)"}, "tables.new.columns.level", "only the target knows", "::text"
    ),
    "a null for NOT NULL": wrong(
        {"body": ""}, "tables.new.columns.body", "1 rows give null for body", "coalesce"
    ),
    "a value that would be rounded": wrong(
        {"price": "price"}, "tables.new.columns.price", "no numeric(10,2)", "round"
    ),
    "a value that breaks a CHECK": wrong(
        {"title": "title || ' and a lot more of it'"}, "tables.new", "9 rows break the target's n_", "where"
    ),
    "a key that would be there twice": wrong(
        {"title": "kind", "kind": "title"}, "tables.new.columns.title", "5 times", "where"
    ),
    "a constant of another type": wrong(
        {"price": "{value: cheap}"}, "tables.new.columns.price", "invalid input syntax", "numeric"
    ),
    "a new key that is no integer": wrong(
        {"kind": "{assign: kind}", "id": ""}, "tables.new.columns.kind", "text", "expression"
    ),
    "a condition that is none": wrong({}, "tables.new.where", "not exist", "correct", "    where: nix > 1\n"),
    "a condition of another type": wrong({}, "tables.new.where", "boolean", "correct", "    where: at\n"),
    "a column that goes nowhere": wrong({"body": "{value: x}"}, "tables.new.columns", "body", "leave_out"),
    "a column left out that is not there": wrong(
        {}, "tables.new.leave_out.nix", "no column nix", "remove", "    leave_out: {nix: gone}\n"
    ),
    "a lookup of a table without new keys": wrong(
        {"id": "{lookup: kinds, value: kind}"}, "tables.new.columns.id.lookup", "kinds", "assign"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("yaml", "key", "told", "remedy"), CASES.values(), ids=CASES.keys())
async def test_what_does_not_fit_is_refused(
    source: Endpoint, target: Endpoint, tmp_path: Path, yaml: str, key: str, told: str, remedy: str
) -> None:
    error = await refused(source, target, tmp_path, yaml)
    assert error.where.endswith(f", key {key}")
    assert told in error.what
    assert remedy in error.remedy


async def test_an_unknown_target_table_is_refused(source: Endpoint, target: Endpoint, tmp_path: Path) -> None:
    error = await refused(source, target, tmp_path, text({}).replace("  new:", "  newer:"))
    assert error.where.endswith(", key tables.newer")
    assert "kinds, new, note" in error.remedy


async def test_a_source_table_whose_name_another_tables_rows_take_is_not_lost_in_silence(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    entries = "  entry:\n    from: old\n    distinct: true\n    columns: {kind: kind}\n"
    more = "CREATE TABLE s.entry (kind text)"
    error = await refused(source, target, tmp_path, text({}, rest=entries), more)
    assert error.where.endswith(", key tables.entry")
    assert "the source's table entry goes nowhere" in error.what
    assert "leave_out: {entry: reason}" in error.remedy
    (tmp_path / "mapping.yaml").write_text(text({}, rest=entries + REST))
    mapped = await fitted(source, target, tmp_path / "mapping.yaml", "s")
    assert [table.name for table in mapped.tables] == ["new", "entry"]


async def test_a_column_that_nothing_fills_is_refused(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    more = "ALTER TABLE s.new ADD owner text NOT NULL"
    error = await refused(source, target, tmp_path, text({}), more)
    assert error.where.endswith(", key tables.new.columns.owner")
    assert "nothing fills column owner" in error.what
    assert "{value: ...}" in error.remedy


async def test_rows_with_the_same_old_key_are_named(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(
        source,
        SOURCE,
        "ALTER TABLE s.old DROP CONSTRAINT old_pkey, ADD PRIMARY KEY (id, at)",
        "INSERT INTO s.old (id, at, title, body) SELECT id, at + interval '1 day', 'again', '' FROM s.old "
        "WHERE title = 'title 2'",
    )
    await run_sql(target, TARGET)
    path = tmp_path / "mapping.yaml"
    path.write_text(text({}))
    with pytest.raises(InputError) as raised:
        await fitted(source, target, path, "s")
    assert raised.value.where.endswith(", key tables.new.columns.id")
    assert "c81e728d-9d4c-2f63-6f06-7f89cc14862c 2 times" in raised.value.what


async def test_a_reference_without_its_row_is_named(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    more = "ALTER TABLE s.new ADD FOREIGN KEY (kind) REFERENCES s.kinds"
    error = await refused(source, target, tmp_path, text({}), more)
    assert error.where.endswith(", key tables.new.columns.kind")
    assert "kinds would have no row for kind=kind 1" in error.what
    assert "map kinds" in error.remedy


async def test_a_looked_up_key_without_its_row_is_named(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    note = "  note:\n    from: entry\n    columns:\n      new_id: {lookup: new, value: old_id}\n"
    error = await refused(source, target, tmp_path, text({}, rest=note))
    assert error.where.endswith(", key tables.note.columns.new_id")
    assert "new has no row for '6512bd43-d9ca-a6e0-2c99-0b0a82652dca', 'c20ad4d7-" in error.what
    assert "missing" in error.remedy


async def test_a_lookup_of_another_type_is_refused(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    note = "  note:\n    from: entry\n    columns:\n      new_id: {lookup: new, value: old_id::text}\n"
    error = await refused(source, target, tmp_path, text({}, rest=note))
    assert error.where.endswith(", key tables.note.columns.new_id")
    assert "the old keys of s.new are uuid" in error.what
