"""apply_file: a schema file runs as a whole or not at all, and errors name its line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.data.edges import EDGES, read
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.sql import split_script
from wsdash.data.schema.apply import apply_file
from wsdash.errors import InputError


async def script(directory: Path, text: str) -> Path:
    path = directory / "schema.sql"
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    return path


async def apply(target: Endpoint, directory: Path, text: str) -> None:
    path = await script(directory, text)
    async with connection(target, read_only=False) as conn:
        await apply_file(conn, path)


async def test_a_file_of_many_commands_is_run(target: Endpoint, tmp_path: Path) -> None:
    await apply(target, tmp_path, "BEGIN;\n" + EDGES + "COMMIT;\n")
    assert len((await read(target, "Edge Case")).tables) == 5


async def test_unqualified_names_go_where_psql_would_put_them(target: Endpoint, tmp_path: Path) -> None:
    await apply(target, tmp_path, "CREATE TABLE here (a integer)")
    assert [table.name for table in (await read(target, "public")).tables] == ["here"]


async def test_settings_of_the_file_do_not_stay(target: Endpoint, tmp_path: Path) -> None:
    path = await script(tmp_path, "SET search_path = public; SET TimeZone = 'Asia/Tokyo'")
    async with connection(target, read_only=False) as conn:
        await apply_file(conn, path)
        assert await conn.fetchval("SHOW search_path") == "pg_catalog"
        assert await conn.fetchval("SHOW TimeZone") == "UTC"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "CREATE TABLE public.a (x int);\n\nCREATE TABLE public.b (\n  y int,\n  z nonsense);\n",
            5,
            "nonsense",
        ),
        ("CREATE TABLE public.a (x int);\n\n\nINSERT INTO public.a\n  VALUES (1/0);", 4, "division by zero"),
        ("-- first\nSELEKT 1;", 2, "syntax error"),
        ("/* a\n;\n*/\nCREATE TABLE public.a (x int);\n\\connect other\n", 5, "command of psql"),
        ("\\restrict abc\nSELECT 1;", 1, "command of psql"),
        ("SELECT 1;\nCOPY public.a (x) FROM stdin;\n1\n\\.\n", 2, "COPY ... FROM stdin"),
        ("SELECT 1;\nROLLBACK;", 2, "ROLLBACK cannot be run"),
        ("SELECT 1;\nSELECT 'open;\n", 2, "never closed"),
        ("SELECT $x$ open $y$;\n", 1, "never closed"),
        ("SELECT 1; /* open", 1, "never closed"),
        ("SELECT 1;\nVACUUM;", 2, "VACUUM cannot run inside a transaction"),
    ],
)
async def test_errors_name_the_line_and_nothing_is_kept(
    target: Endpoint, tmp_path: Path, text: str, line: int, said: str
) -> None:
    with pytest.raises(InputError) as told:
        await apply(target, tmp_path, text)
    assert said in told.value.what
    assert told.value.where == f"{tmp_path / 'schema.sql'}, line {line}"
    assert told.value.remedy
    assert (await read(target, "public")).tables == ()


async def test_a_file_that_is_not_there_is_said_so(target: Endpoint, tmp_path: Path) -> None:
    async with connection(target, read_only=False) as conn:
        with pytest.raises(InputError, match="cannot be read"):
            await apply_file(conn, tmp_path / "none.sql")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("SELECT ';'; SELECT $$;$$; SELECT $a$ $$ ; $a$; SELECT \";\"", 4),
        ("SELECT E'it\\';s'; SELECT 'C:\\'; SELECT 1", 3),
        ("SELECT 1 -- ; not here\n; /* ; /* ; */ ; */ SELECT 2;;", 2),
        ("CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; SELECT 3", 2),
        ("CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2); SELECT 3", 2),
        ("BEGIN; START TRANSACTION; SELECT a$b$c; COMMIT; END", 1),
    ],
)
def test_commands_are_split_where_psql_splits_them(text: str, count: int) -> None:
    assert len(split_script(text, "file")) == count
