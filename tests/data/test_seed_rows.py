"""Rows that the target's schema file inserts itself: known, and replaced, merged or refused by rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.copying import fetch, ignore, run_sql
from tests.data.mapping_world import fitted, make_target, mapped_request
from wsdash.data.copy.manifest import empty_tables, inspect_target
from wsdash.data.copy.run import copy_tables
from wsdash.data.mapping.seed_rows import changed_seed_rows
from wsdash.data.mapping.types import MappedTables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.tables.shape import Table
from wsdash.data.verify.run import verify_tables
from wsdash.errors import InputError, RefusedError

SOURCE = """
CREATE SCHEMA s;
CREATE TABLE s.old_kinds (code text PRIMARY KEY, label text NOT NULL);
CREATE TABLE s.items (id uuid PRIMARY KEY, title text NOT NULL, kind text NOT NULL);
INSERT INTO s.old_kinds VALUES ('x', 'The x'), ('y', 'The y');
INSERT INTO s.items SELECT md5(n::text)::uuid, 'item ' || n, CASE n % 2 WHEN 0 THEN 'x' ELSE 'y' END
FROM generate_series(1, 40) n;
"""
TARGET = """
CREATE SCHEMA s;
CREATE TABLE s.kinds (id serial PRIMARY KEY, code text NOT NULL UNIQUE, label text NOT NULL,
  made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  upper text GENERATED ALWAYS AS (upper(code)) STORED);
CREATE TABLE s.items (id serial PRIMARY KEY, title text NOT NULL,
  kind_id integer NOT NULL REFERENCES s.kinds (id));
CREATE TABLE s.colours (name text PRIMARY KEY);
CREATE FUNCTION s.touch() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.label = NEW.label || '!'; RETURN NEW; END $$;
INSERT INTO s.kinds (code, label) VALUES ('a', 'Seed a'), ('b', 'Seed b');
DO $$ BEGIN INSERT INTO s.kinds (code, label) VALUES ('c', 'Seed c');
  EXCEPTION WHEN unique_violation THEN NULL; END $$;
INSERT INTO s.colours VALUES ('red'), ('blue');
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON s.kinds FOR EACH ROW EXECUTE FUNCTION s.touch();
"""
"""The seed rows of kinds come from two transactions: a block with EXCEPTION is one of its own."""
KINDS = "SELECT code || '=' || label FROM s.kinds ORDER BY id"
SEEDS = ["a=Seed a", "b=Seed b", "c=Seed c"]
ROWS = ["x=The x", "y=The y"]


async def world(
    source: Endpoint, target: Endpoint, directory: Path, rule: str = "", file: str = TARGET
) -> MappedTables:
    """Both schemas, and a mapping with a rule for the seed rows of kinds."""
    await run_sql(source, SOURCE)
    (directory / "target.sql").write_text(file)
    await make_target(target, directory / "target.sql", "s")
    return await mapped(source, target, directory, rule)


async def mapped(source: Endpoint, target: Endpoint, directory: Path, rule: str = "") -> MappedTables:
    """The mapping, fitted again."""
    (directory / "mapping.yaml").write_text(f"""
tables:
  kinds:
    from: old_kinds
    columns: {{id: {{assign: code}}}}
    {rule}
  items: {{columns: {{id: {{assign: id, order: title}}, kind_id: {{lookup: kinds, value: kind}}}}}}
""")
    return await fitted(source, target, directory / "mapping.yaml", "s")


async def copy(source: Endpoint, target: Endpoint, fitting: MappedTables, run: str = "run-1") -> None:
    """Copy what the mapping says."""
    await copy_tables(await mapped_request(source, target, fitting, schema="s", run=run), ignore)


async def equal(source: Endpoint, target: Endpoint, fitting: MappedTables) -> bool:
    """Whether both sides hold the same through the mapping."""
    found = await verify_tables(source, target, fitting.tables, on_table=lambda _: None, workers=1)
    return all(one.match for one in found)


async def kinds(target: Endpoint) -> list[str]:
    """The target's kinds, in the order of their keys."""
    return [row[0] for row in await fetch(target, KINDS)]


async def changed(target: Endpoint) -> list[str]:
    """Seed rows that are no longer as the file inserted them."""
    async with connection(target, read_only=True) as conn:
        return await changed_seed_rows(conn)


async def test_seed_rows_are_replaced_by_the_sources_and_other_tables_keep_theirs(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    fitting = await world(source, target, tmp_path)
    await copy(source, target, fitting)
    assert await kinds(target) == ROWS
    assert (await fetch(target, "SELECT min(id) FROM s.kinds"))[0][0] == 1
    assert (await fetch(target, "SELECT count(*) FROM s.colours"))[0][0] == 2
    assert await equal(source, target, fitting)
    assert await changed(target) == []
    await run_sql(target, "DELETE FROM s.colours WHERE name = 'red'")
    assert await changed(target) == ["s.colours: 1 of the 2 rows of the schema file"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "UPDATE s.kinds SET label = 'theirs' WHERE code = 'b'",
            "did not copy and 1 rows changed",
        ),
        ("UPDATE s.kinds SET label = label WHERE code = 'c'", "1 rows that this run did not copy"),
        ("INSERT INTO s.kinds (code, label) VALUES ('d', 'theirs')", "1 rows that this run did not copy"),
        ("DELETE FROM s.kinds WHERE code = 'c'", "1 rows changed or deleted"),
    ],
)
@pytest.mark.parametrize("rule", ["replace", "merge"])
async def test_what_somebody_did_to_seed_rows_stops_the_copy(
    source: Endpoint, target: Endpoint, tmp_path: Path, rule: str, change: str, told: str
) -> None:
    fitting = await world(source, target, tmp_path, f"seed_rows: {rule}")
    await run_sql(target, change)
    before = await kinds(target)
    with pytest.raises(RefusedError, match=told):
        await copy(source, target, fitting)
    assert await kinds(target) == before


async def test_what_comes_while_the_copy_begins_is_not_emptied(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await world(source, target, tmp_path)
    await run_sql(target, "INSERT INTO s.kinds (code, label) VALUES ('d', 'theirs')")
    async with connection(target, read_only=False) as conn:
        with pytest.raises(RefusedError, match="1 rows that this run did not copy"):
            await empty_tables(conn, [Table("s", "kinds", ()), Table("s", "items", ())], "run-1")
    assert await kinds(target) == [*SEEDS, "d=theirs!"]


async def test_merged_rows_stand_beside_the_seed_rows_and_are_verified_without_them(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    fitting = await world(source, target, tmp_path, "seed_rows: merge")
    await copy(source, target, fitting)
    assert await kinds(target) == [*SEEDS, *ROWS]
    assert (await fetch(target, "SELECT last_value FROM s.kinds_id_seq"))[0][0] == 5
    fitting = await mapped(source, target, tmp_path, "seed_rows: merge")
    assert await equal(source, target, fitting)
    async with connection(target, read_only=True) as conn:
        assert await inspect_target(conn, fitting.tables, "run-1") == []
    await run_sql(target, "UPDATE s.kinds SET label = 'theirs' WHERE code = 'a'")
    assert not await equal(source, target, fitting), "a changed seed row is one row too many"
    assert await changed(target) == ["s.kinds: 1 of the 3 rows of the schema file"]


async def test_merged_rows_are_copied_anew_without_the_seed_rows_being_lost(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    fitting = await world(source, target, tmp_path, "seed_rows: merge")
    whole = "SELECT string_agg(k::text, ';' ORDER BY id) FROM s.kinds k WHERE id <= 3"
    before = (await fetch(target, whole))[0][0]
    await copy(source, target, fitting)
    await run_sql(source, "INSERT INTO s.old_kinds VALUES ('z', 'The z')")
    await copy(source, target, fitting)
    assert await kinds(target) == [*SEEDS, *ROWS, "z=The z"]
    assert (await fetch(target, whole))[0][0] == before
    assert await equal(source, target, fitting)
    assert await changed(target) == []


@pytest.mark.parametrize("rule", ["replace", "merge"])
async def test_a_copy_that_stopped_between_two_tables_goes_on(
    source: Endpoint, target: Endpoint, tmp_path: Path, rule: str
) -> None:
    fitting = await world(source, target, tmp_path, f"seed_rows: {rule}")
    stop = "ALTER TABLE s.items ADD CONSTRAINT stop CHECK (title <> 'item 7')"
    await run_sql(target, stop)
    with pytest.raises(Exception, match="stop"):
        await copy(source, target, fitting)
    await run_sql(target, "ALTER TABLE s.items DROP CONSTRAINT stop")
    await copy(source, target, fitting)
    assert await kinds(target) == [*(SEEDS if rule == "merge" else ()), *ROWS]
    assert await equal(source, target, fitting)


async def test_a_key_that_a_seed_row_has_already_is_refused_with_the_row(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    file = TARGET.replace("'Seed b'", "'Seed b'), ('y', 'Seed y'")
    with pytest.raises(InputError, match="same key kinds_code_key: code=y") as caught:
        await world(source, target, tmp_path, "seed_rows: merge", file)
    assert "tables.kinds.seed_rows" in caught.value.where
    assert "replace" in caught.value.remedy


async def test_where_no_seed_rows_are_wanted_they_stop_it_at_once(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="inserts 3 rows into kinds") as caught:
        await world(source, target, tmp_path, "seed_rows: refuse")
    assert "tables.kinds.seed_rows" in caught.value.where


async def test_rows_of_another_table_that_refer_to_replaced_ones_stop_it(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    file = TARGET + "CREATE TABLE s.notes (kind_id integer REFERENCES s.kinds (id) ON DELETE CASCADE);"
    fitting = await world(source, target, tmp_path, "", file + "INSERT INTO s.notes VALUES (1);")
    with pytest.raises(RefusedError, match=r"s\.notes has rows and a foreign key"):
        await copy(source, target, fitting)
    assert await kinds(target) == SEEDS
    await run_sql(target, "DELETE FROM s.notes")
    await copy(source, target, fitting)
    assert await kinds(target) == ROWS
