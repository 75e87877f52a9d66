"""A schema file that somebody ran by hand: its rows are told from others, and stay known from there on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.data.copying import fetch, run_sql
from tests.data.test_seed_rows import KINDS, ROWS, SOURCE, TARGET
from tests.steps.support import context
from wsdash.config import DatabaseSettings, load_settings
from wsdash.data.catalog.read import read_catalog
from wsdash.data.copy.manifest import inspect_target
from wsdash.data.copy.seed_recognition import Recognised, recognise_seed_rows, unknown_rows
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import transaction
from wsdash.data.schema.apply import apply_file
from wsdash.model import Notice, SchemaCompared
from wsdash.steps.database.migrate import MigrateData
from wsdash.steps.database.schema import InitNeon
from wsdash.steps.database.verify import VerifyData, changed_seeds

ALL = {"s.kinds": 3, "s.colours": 2}
RANDOM = """
CREATE SCHEMA s;
CREATE TABLE s.kinds (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code text NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(), made_on date NOT NULL DEFAULT current_date, note text);
INSERT INTO s.kinds (code) VALUES ('a'), ('b');
CREATE TABLE s.colours (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
INSERT INTO s.colours DEFAULT VALUES;
"""
"""The colours have nothing that two runs share."""


async def recognised(target: Endpoint, directory: Path, file: str = TARGET) -> Recognised:
    """What is told of the target's rows."""
    path = directory / "target.sql"
    path.write_text(file)
    async with connection(target, read_only=False) as conn, transaction(conn):
        tables = await unknown_rows(conn, (await read_catalog(conn, "s")).tables)
        return await recognise_seed_rows(conn, lambda: apply_file(conn, path), "s", tables)


async def foreign(target: Endpoint) -> list[str]:
    """The target's rows that are nobody's of ours."""
    async with connection(target, read_only=True) as conn:
        tables = (await read_catalog(conn, "s")).tables
        return [str(one) for one in await inspect_target(conn, tables, "run-1")]


async def test_the_files_rows_are_known_and_nothing_of_its_second_run_stays(
    target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(target, TARGET)
    before = await fetch(target, "SELECT id, made_at FROM s.kinds ORDER BY 1")
    assert await recognised(target, tmp_path) == Recognised(ALL)
    assert await foreign(target) == []
    assert await fetch(target, "SELECT id, made_at FROM s.kinds ORDER BY 1") == before
    assert (await fetch(target, "SELECT last_value FROM s.kinds_id_seq"))[0][0] == 3
    assert [
        row[0] for row in await fetch(target, "SELECT nspname FROM pg_namespace WHERE nspname ~ 'aside'")
    ] == []


async def test_once_told_it_is_not_asked_again(target: Endpoint, tmp_path: Path) -> None:
    await run_sql(target, TARGET)
    await recognised(target, tmp_path)
    async with connection(target, read_only=True) as conn:
        assert await unknown_rows(conn, (await read_catalog(conn, "s")).tables) == []


async def test_values_of_the_clock_and_random_ones_are_not_compared(target: Endpoint, tmp_path: Path) -> None:
    await run_sql(target, RANDOM)
    assert await recognised(target, tmp_path, RANDOM) == Recognised({"s.kinds": 2})
    assert [line.partition(":")[0] for line in await foreign(target)] == ["s.colours"]


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ("INSERT INTO s.kinds (code, label) VALUES ('d', 'theirs')", {"s.kinds": 3, "s.colours": 2}),
        ("UPDATE s.kinds SET label = 'theirs' WHERE code = 'b'", {"s.kinds": 2, "s.colours": 2}),
        (
            "UPDATE s.colours SET name = 'green' WHERE name = 'red'",
            {"s.kinds": 3, "s.colours": 1},
        ),
    ],
)
async def test_rows_of_others_stay_others(
    target: Endpoint, tmp_path: Path, change: str, known: dict[str, int]
) -> None:
    await run_sql(target, TARGET)
    await run_sql(target, change)
    assert (await recognised(target, tmp_path)).rows == known
    table = "s.colours" if "colours" in change else "s.kinds"
    assert [line for line in await foreign(target) if line.startswith(table)], (
        "somebody's row is not the file's"
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE s.kinds SET made_at = made_at - interval '1 year' WHERE code = 'b'",
        "UPDATE s.kinds SET id = gen_random_uuid(), code = 'z' WHERE code = 'a';"
        "UPDATE s.kinds SET id = gen_random_uuid() WHERE code = 'b'",
    ],
)
async def test_a_change_of_values_that_cannot_be_compared_makes_a_table_unknown(
    target: Endpoint, tmp_path: Path, change: str
) -> None:
    await run_sql(target, RANDOM)
    await run_sql(target, change)
    assert (await recognised(target, tmp_path, RANDOM)).rows == {}
    assert [line for line in await foreign(target) if line.startswith("s.kinds")]


async def test_the_files_own_updates_are_no_change(target: Endpoint, tmp_path: Path) -> None:
    file = RANDOM + "UPDATE s.kinds SET note = 'set by the file';"
    await run_sql(target, file)
    assert (await recognised(target, tmp_path, file)).rows == {"s.kinds": 2}


async def test_a_second_row_like_a_seed_row_is_nobodys(target: Endpoint, tmp_path: Path) -> None:
    file = "CREATE SCHEMA s; CREATE TABLE s.words (word text); INSERT INTO s.words VALUES ('a'), ('b');"
    await run_sql(target, file)
    await run_sql(target, "INSERT INTO s.words VALUES ('a')")
    assert (await recognised(target, tmp_path, file)).rows == {}
    assert len(await foreign(target)) == 1


async def test_a_file_that_cannot_run_twice_tells_nothing_and_says_why(
    target: Endpoint, tmp_path: Path
) -> None:
    file = TARGET + "CREATE FUNCTION public.of_the_file() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    await run_sql(target, file)
    found = await recognised(target, tmp_path, file)
    assert found.rows == {}
    assert "cannot be run a second time" in found.reason
    assert "of_the_file" in found.reason
    assert len(await foreign(target)) == len(ALL)


async def test_the_plan_goes_on_over_a_file_that_was_run_by_hand(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, SOURCE)
    (tmp_path / "target.sql").write_text(TARGET)
    (tmp_path / "mapping.yaml").write_text("""
tables:
  kinds: {from: old_kinds, columns: {id: {assign: code}}}
  items: {columns: {id: {assign: id, order: title}, kind_id: {lookup: kinds, value: kind}}}
""")
    await run_sql(target, TARGET)
    usual = load_settings()

    def side(settings: DatabaseSettings, at: Endpoint, **more: str) -> DatabaseSettings:
        address = {name: getattr(at, name) for name in ("host", "port", "database", "user", "password_env")}
        return msgspec.structs.replace(settings, **address, schema="s", **more)

    files = {"schema_file": str(tmp_path / "target.sql"), "mapping": str(tmp_path / "mapping.yaml")}
    ctx, emitted = context(
        tmp_path,
        source=side(usual.source, source),
        target=side(usual.target, target, **files),
        api=msgspec.structs.replace(usual.api, old="http://127.0.0.1:9", new="http://127.0.0.1:9"),
    )
    first = await InitNeon().check(ctx)
    assert not first.holds
    assert "run by hand" in first.text
    await InitNeon()._create(ctx)
    assert [one.text for one in emitted if isinstance(one, Notice)] == [
        "the schema file was run by hand: its own rows are known now"
    ]
    assert (await InitNeon().check(ctx)).holds
    objects = [one for event in emitted if isinstance(event, SchemaCompared) for one in event.objects]
    assert "3 rows from the schema file are replaced by the source's" in [one.detail for one in objects]
    await MigrateData().act(ctx)
    assert (await MigrateData().check(ctx)).holds
    assert [row[0] for row in await fetch(target, KINDS)] == ROWS
    found = await VerifyData().check(ctx)
    assert found.holds, found.text
    assert await changed_seeds(ctx.settings) == []
    await run_sql(target, "DELETE FROM s.colours WHERE name = 'red'")
    assert await changed_seeds(ctx.settings) == ["s.colours: 1 of the 2 rows of the schema file"]
