"""The seed rows of a schema file that somebody ran by hand, before any item of ours: distinguished from other
rows.

The file is run twice more, in transactions that are taken back, beside the real schema, which has another
name meanwhile. What it inserts there is what it inserted by hand, but for values that no two runs share: the
clock's and random ones. The two runs show which columns hold such values; they are not compared: that nobody
changed them follows from the server's count of updates.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.copy.manifest import tables_with_rows
from wsdash.data.limits import COUNT_SECONDS, TIMEOUT
from wsdash.data.mapping.seed_rows import CREATE_SEED_ROWS, SEED_ROWS
from wsdash.data.pg.errors import described
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import transaction
from wsdash.data.tables.shape import Table
from wsdash.errors import WsdashError

ASIDE = "wsdash_schema_set_aside"
MOST_SEEDS = 20_000
"""Rows of one table; a file that inserts more is no seed, and is not held in memory."""
LOCK_TIMEOUT = "5s"
CLOCK = (
    "SELECT now()::text AS a, now()::timestamp::text AS b, now()::date::text AS c, now()::time::text AS d, "
    "now()::timetz::text AS e"
)
UPDATED = "SELECT pg_stat_get_tuples_updated($1::text::regclass)"
UPDATED_HERE = "SELECT pg_stat_get_xact_tuples_updated($1::text::regclass)"

RunFile = Callable[[], Awaitable[object]]
Line = tuple[str | None, ...]
"""A row's values as text, in the order of the table's columns."""


@dataclass(frozen=True)
class Recognised:
    """How many rows of each table are the file's; why it cannot be said, '' where it can."""

    rows: dict[str, int]
    reason: str = ""


@described("looking for rows that nobody noted")
async def unknown_rows(conn: asyncpg.Connection, tables: Sequence[Table]) -> list[Table]:
    """The tables that hold rows, in a database where no item of ours noted or copied any; [] otherwise.

    Raises WsdashError.
    """
    if await conn.fetchval("SELECT to_regnamespace('wsdash') IS NOT NULL", timeout=TIMEOUT):
        return []
    return await tables_with_rows(conn, tables)


@described("telling the schema file's rows from others")
async def recognise_seed_rows(
    conn: asyncpg.Connection, run_file: RunFile, schema: str, tables: Sequence[Table]
) -> Recognised:
    """Note the rows of these tables that the file would insert, as note_seed_rows does. Call it in a
    transaction.

    Rows are known by transaction: where one transaction wrote a seed row and another one, none of its rows is
    known. A table with columns that are not compared is not known at all when it saw more updates than the
    file's own and those that its rows show; the server counts them when a session ends or rests, and loses
    the count in a crash. Where the file cannot be run a second time nothing is known, and the reason is said.
    Raises WsdashError when the session is lost or our own lines cannot be written.
    """
    await conn.execute(CREATE_SEED_ROWS, timeout=TIMEOUT)
    try:
        first = await _trial(conn, run_file, schema, tables)
        second = await _trial(conn, run_file, schema, tables)
        clock = {str(text) for text in (await conn.fetchrow(CLOCK, timeout=TIMEOUT) or ())}
    except (asyncpg.PostgresError, WsdashError) as error:
        if conn.is_closed():
            raise
        return Recognised({}, f"the schema file cannot be run a second time beside the first: {error}")
    known = {}
    for table in tables:
        seeds = second.rows.get(table.qualified, [])
        places = _steady(first.rows.get(table.qualified, []), seeds, clock)
        if not seeds or not places:
            continue
        found = await _transactions(conn, table, seeds, places)
        kept = sum(rows for _, rows in found)
        beyond = await _updates(conn, table, UPDATED) - second.updates[table.qualified]
        if len(places) < len(table.columns) and beyond > len(seeds) - kept:
            continue  # what was changed in rows that look like the file's cannot be seen
        await _note(conn, table, found)
        known[table.qualified] = kept
    return Recognised({name: rows for name, rows in known.items() if rows})


@dataclass(frozen=True)
class FileEffect:
    """What the file did, by the tables' qualified names: the rows it left, and how many updates it made."""

    rows: dict[str, list[Line]]
    updates: dict[str, int]


async def _trial(
    conn: asyncpg.Connection, run_file: RunFile, schema: str, tables: Sequence[Table]
) -> FileEffect:
    """Run the file beside the real schema; nothing of it stays."""
    found: dict[str, list[Line]] = {}
    updates: dict[str, int] = {}
    async with transaction(conn, taken_back=True):
        await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'", timeout=TIMEOUT)
        await conn.execute(f"ALTER SCHEMA {ident(schema)} RENAME TO {ident(ASIDE)}", timeout=TIMEOUT)
        await run_file()
        for table in tables:
            rows = await conn.fetch(
                f"SELECT {_values(table, range(len(table.columns)))}::text AS line "
                f"FROM {ident(table.schema, table.name)} LIMIT {MOST_SEEDS + 1}",
                timeout=COUNT_SECONDS,
            )
            if len(rows) > MOST_SEEDS:
                raise WsdashError(f"it inserts more than {MOST_SEEDS:,} rows into {table.qualified}")
            found[table.qualified] = [tuple(json.loads(row["line"])) for row in rows]
            updates[table.qualified] = await _updates(conn, table, UPDATED_HERE)
    return FileEffect(found, updates)


async def _updates(conn: asyncpg.Connection, table: Table, query: str) -> int:
    """How many updates of rows the server has counted."""
    count: int = await conn.fetchval(query, ident(table.schema, table.name), timeout=TIMEOUT)
    return count


def _values(table: Table, places: Sequence[int]) -> str:
    """SQL of a row's values as a jsonb array of texts; jsonb has no limit of arguments in this form."""
    names = ", ".join(f"{ident(table.columns[place].name)}::text" for place in places)
    return f"to_jsonb(ARRAY[{names}])"


def _steady(first: Sequence[Line], second: Sequence[Line], clock: set[str]) -> list[int]:
    """The columns whose values two runs share and that are not the clock's."""
    width = len(second[0]) if second else 0
    columns = [([row[place] for row in first], [row[place] for row in second]) for place in range(width)]
    return [
        place
        for place, (one, other) in enumerate(columns)
        if Counter(one) == Counter(other) and not clock.intersection(text for text in other if text)
    ]


async def _transactions(
    conn: asyncpg.Connection, table: Table, seeds: Sequence[Line], places: Sequence[int]
) -> list[tuple[str, int]]:
    """The transactions all of whose rows in the table are the file's, and how many rows each has."""
    lines = [json.dumps([seed[place] for place in places]) for seed in seeds]
    rows = await conn.fetch(
        f"""
WITH seed AS (SELECT line::jsonb, count(*) AS n FROM unnest($1::text[]) line GROUP BY 1),
     here AS (SELECT xmin::text AS xid, {_values(table, places)} AS line
              FROM {ident(table.schema, table.name)}),
     known AS (SELECT h.line FROM here h JOIN seed s USING (line) GROUP BY h.line, s.n
               HAVING count(*) <= s.n)
SELECT xid, count(*) AS rows FROM here LEFT JOIN known k USING (line) GROUP BY xid
HAVING count(*) = count(k.line)""",
        lines,
        timeout=COUNT_SECONDS,
    )
    return [(row["xid"], row["rows"]) for row in rows]


async def _note(conn: asyncpg.Connection, table: Table, found: Sequence[tuple[str, int]]) -> None:
    await conn.executemany(
        f"INSERT INTO {SEED_ROWS} VALUES ($1, $2, $3, $4)",
        [(table.schema, table.name, xid, rows) for xid, rows in found],
        timeout=TIMEOUT,
    )
