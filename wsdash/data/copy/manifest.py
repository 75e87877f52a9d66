"""Who wrote what: the loader's book, kept in the target itself in the schema `wsdash`.

Every range of rows is committed together with its line here, so that after a crash anywhere the book and the
rows agree. A line holds the transaction that wrote the rows: PostgreSQL keeps it in every row version (xmin),
so rows that somebody else inserted or changed are distinguished from ours without reading their content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.copy.plan import read_target_side
from wsdash.data.limits import COPY_COMMIT_SECONDS, COUNT_SECONDS, TIMEOUT
from wsdash.data.mapping.seed_rows import (
    CREATE_SEED_ROWS,
    SEED_ROWS,
    forget_tables,
    is_seed_row,
    note_seed_rows,
    read_seed_rows,
    rows_by_transaction,
)
from wsdash.data.pg.errors import described
from wsdash.data.pg.sql import column_list, ident, literal
from wsdash.data.pg.transactions import commit, transaction
from wsdash.data.tables.shape import Table
from wsdash.errors import RefusedError, WsdashError

SCHEMA = "wsdash"
ASKED_AT_ONCE = 100
"""How many tables one question names."""

CREATE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
COMMENT ON SCHEMA {SCHEMA} IS 'what wsdash copied here; may be dropped once the migration is over';
CREATE TABLE IF NOT EXISTS {SCHEMA}.load_ranges (
  run text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL, number integer NOT NULL,
  condition text NOT NULL, snapshot text, rows bigint, bytes bigint, seconds double precision,
  xid text, finished_at timestamptz,
  PRIMARY KEY (run, table_schema, table_name, number));
{CREATE_SEED_ROWS}"""

REFERRING = """
WITH RECURSIVE referring(oid) AS (
  SELECT to_regclass(name)::oid FROM unnest($1::text[]) name
  UNION
  SELECT k.conrelid FROM referring r JOIN pg_constraint k ON k.confrelid = r.oid
  WHERE k.contype = 'f' AND k.conparentid = 0)
SELECT n.nspname AS schema, c.relname AS name FROM referring r JOIN pg_class c ON c.oid = r.oid
JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, 2
"""
"""The tables and all that refer to them, and to these, by foreign keys: what one TRUNCATE has to name."""


@dataclass(frozen=True)
class ForeignRows:
    """A table of the target that holds what this run did not write.

    rows: rows that this run did not write. changed: rows that it wrote and that are no longer as written.
    total: all rows there now.
    """

    table: str
    rows: int
    changed: int
    total: int

    def __str__(self) -> str:
        parts = [f"{self.rows:,} rows that this run did not copy"] if self.rows else []
        parts += [f"{self.changed:,} rows changed or deleted since wsdash wrote them"] if self.changed else []
        return f"{self.table}: {' and '.join(parts)}"


@dataclass(frozen=True)
class Range:
    """A part of a table's rows: number counts from 0; condition is SQL for the source, '' for all rows."""

    number: int
    condition: str
    finished: bool = False
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0


async def ensure_manifest(conn: asyncpg.Connection) -> None:
    """Create the book where it is missing."""
    await conn.execute(CREATE, timeout=TIMEOUT)


async def read_book(conn: asyncpg.Connection, run: str) -> dict[str, tuple[Range, ...]]:
    """Every table's ranges as this run planned them, in order, by qualified name; {} without a book."""
    if not await _has_book(conn):
        return {}
    rows = await conn.fetch(
        "SELECT table_schema || '.' || table_name AS name, number, condition, rows, bytes, seconds, "
        f"finished_at IS NOT NULL AS finished FROM {SCHEMA}.load_ranges WHERE run = $1 "
        "ORDER BY table_schema, table_name, number",
        run,
        timeout=TIMEOUT,
    )
    book: dict[str, list[Range]] = {}
    for r in rows:
        book.setdefault(r["name"], []).append(
            Range(
                r["number"],
                r["condition"],
                r["finished"],
                r["rows"] or 0,
                r["bytes"] or 0,
                r["seconds"] or 0,
            )
        )
    return {name: tuple(ranges) for name, ranges in book.items()}


async def plan_ranges(
    conn: asyncpg.Connection, run: str, conditions: Sequence[tuple[Table, Sequence[str]]]
) -> dict[str, tuple[Range, ...]]:
    """Write the tables' ranges down, all or none, and return them by qualified name.

    Conditions must cut a table's rows into disjoint parts.
    """
    book = {
        table.qualified: tuple(Range(number, condition) for number, condition in enumerate(parts))
        for table, parts in conditions
    }
    lines = [
        (table.schema, table.name, str(part.number), part.condition)
        for table, _ in conditions
        for part in book[table.qualified]
    ]
    await conn.execute(
        f"INSERT INTO {SCHEMA}.load_ranges (run, table_schema, table_name, number, condition) "
        "SELECT $1, s, t, n::integer, c "
        "FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) u(s, t, n, c)",
        run,
        *([line[place] for line in lines] for place in range(4)),
        timeout=TIMEOUT,
    )
    return book


async def finish_range(
    conn: asyncpg.Connection,
    run: str,
    table: Table,
    number: int,
    snapshot: str,
    done: tuple[int, int, float],
) -> None:
    """Write down (rows, bytes, seconds) that a range is here, and commit, with the rows, the transaction that
    wrote them: one message to the server, which does both or neither.

    A session of a copy that was killed may still have its commit under way: whoever is second fails here, and
    its rows go with it. Raises WsdashError then.
    """
    rows, size, seconds = done
    try:
        await commit(
            conn,
            f"WITH line AS (UPDATE {SCHEMA}.load_ranges SET snapshot = {literal(snapshot)}, rows = {rows:d}, "
            f"bytes = {size:d}, seconds = {seconds:f}, xid = pg_current_xact_id()::xid::text, "
            f"finished_at = now() WHERE (run, table_schema, table_name, number) = "
            f"({literal(run)}, {literal(table.schema)}, {literal(table.name)}, {number:d}) "
            "AND finished_at IS NULL RETURNING 1) SELECT 1 / count(*) FROM line",
            timeout=COPY_COMMIT_SECONDS,
        )
    except asyncpg.DivisionByZeroError as error:
        raise WsdashError(
            f"{table.qualified}: another session has finished or removed range {number} meanwhile",
            where=f"schema {SCHEMA} of the target",
            remedy="see that no other wsdash copies into this target, then retry: what was copied is kept",
        ) from error


async def flush(conn: asyncpg.Connection, run: str) -> None:
    """Make sure that all that was committed before is on the server's disk, whatever its settings are."""
    await conn.execute(
        "SET LOCAL synchronous_commit = on; "  # the server makes one transaction of a message
        f"UPDATE {SCHEMA}.load_ranges SET number = number WHERE (run, number) = ({literal(run)}, 0)",
        timeout=COPY_COMMIT_SECONDS,
    )


@described("emptying tables")
async def empty_tables(
    conn: asyncpg.Connection, tables: Sequence[Table], unless_foreign_to: str | None = None
) -> None:
    """Remove all rows of the tables and every line about them, together; seed rows stay where they are kept.

    unless_foreign_to: a run; look again, with the tables locked, that nothing in them is foreign to it. None:
    the caller has seen that they may be emptied. Raises RefusedError, and changes nothing then, for foreign
    rows and for a table beside these whose rows refer to them.
    """
    await ensure_manifest(conn)
    own = {table.qualified for table in tables}
    names = [ident(table.schema, table.name) for table in tables]
    async with transaction(conn):
        rows = await conn.fetch(REFERRING, names, timeout=TIMEOUT)
        beside = [
            found for row in rows if (found := Table(row["schema"], row["name"], ())).qualified not in own
        ]
        named = ", ".join([*names, *(ident(table.schema, table.name) for table in beside)])
        await conn.execute(f"LOCK TABLE {named} IN ACCESS EXCLUSIVE MODE", timeout=TIMEOUT)
        if unless_foreign_to is not None:
            refuse_foreign_rows(await inspect_target(conn, tables, unless_foreign_to), "the target")
        if referring := await tables_with_rows(conn, beside):
            raise RefusedError(
                f"{', '.join(table.qualified for table in referring)} has rows and a foreign key to tables "
                f"whose rows are replaced ({', '.join(sorted(own))})",
                where="the target's schema file",
                remedy="map it too, or take its rows out of the schema file, or say seed_rows: merge for the "
                "table that it refers to",
            )
        kept = await _set_seed_rows_aside(conn, tables)
        await conn.execute(f"TRUNCATE {named}", timeout=TIMEOUT)
        for relation in (SEED_ROWS, f"{SCHEMA}.load_ranges"):
            await forget_tables(conn, relation, tables)
        await _put_seed_rows_back(conn, kept)


async def _set_seed_rows_aside(conn: asyncpg.Connection, tables: Sequence[Table]) -> list[Table]:
    """Tables whose seed rows stay, each with these rows in a temporary table by its place."""
    seeds = await read_seed_rows(conn)
    kept = [table for table in tables if table.keep_seed_rows and table.qualified in seeds]
    for place, table in enumerate(kept):
        await conn.execute(
            f"CREATE TEMP TABLE wsdash_seeds_{place} ON COMMIT DROP AS "
            f"SELECT * FROM {ident(table.schema, table.name)} AS seed WHERE {is_seed_row(table, 'seed')}",
            timeout=COUNT_SECONDS,
        )
    return kept


async def _put_seed_rows_back(conn: asyncpg.Connection, kept: Sequence[Table]) -> None:
    """The target's own triggers are off meanwhile."""
    sides = await read_target_side(conn, kept)
    for place, table in enumerate(kept):
        triggers, columns = sides.triggers.get(place, []), sides.columns[place] or {}
        names = column_list([name for name, column in columns.items() if not column["generated"]])
        insert = (
            f"INSERT INTO {ident(table.schema, table.name)} ({names}) OVERRIDING SYSTEM VALUE "
            f"SELECT {names} FROM pg_temp.wsdash_seeds_{place}"
        )
        commands = [*(one.off for one in triggers), insert, *(one.on for one in triggers)]
        for command in commands:
            await conn.execute(command, timeout=COUNT_SECONDS)
    await note_seed_rows(conn, kept)


def refuse_foreign_rows(foreign: Sequence[ForeignRows], where: str) -> None:
    """Raises RefusedError that names them, if there are any."""
    if foreign:
        raise RefusedError(
            "the target holds rows that must not be overwritten: " + "; ".join(map(str, foreign)),
            where=where,
            remedy="look at them; then move them away, or migrate with --force, which keeps a copy first",
        )


@described("reading what the target holds")
async def inspect_target(conn: asyncpg.Connection, tables: Sequence[Table], run: str) -> list[ForeignRows]:
    """The tables of the target with rows that this run did not write, or that are no longer as written.

    Tables that do not exist or are empty are nobody's; rows that the schema file inserted and that nobody
    changed are no foreign rows. Reads only. Raises WsdashError.
    """
    filled = await tables_with_rows(conn, tables)
    if not filled:
        return []
    ours = await _written(conn, run)
    for name, seeds in (await read_seed_rows(conn)).items():
        ours[name] = ours.get(name, {}) | seeds
    found = [await _inspect(conn, table, ours.get(table.qualified, {})) for table in filled]
    return [foreign for foreign in found if foreign is not None]


@described("looking for rows")
async def tables_with_rows(conn: asyncpg.Connection, tables: Sequence[Table]) -> list[Table]:
    """Those of the tables that exist and hold a row."""
    names = [ident(table.schema, table.name) for table in tables]
    rows = await conn.fetch(
        "SELECT place FROM unnest($1::text[]) WITH ORDINALITY q(name, place) "
        "WHERE to_regclass(q.name) IS NOT NULL ORDER BY 1",
        names,
        timeout=TIMEOUT,
    )
    there = [row["place"] - 1 for row in rows]
    found: list[Table] = []
    for start in range(0, len(there), ASKED_AT_ONCE):
        asked = there[start : start + ASKED_AT_ONCE]
        arms = " UNION ALL ".join(
            f"SELECT {place} AS place WHERE EXISTS (SELECT FROM {names[place]})" for place in asked
        )
        found += [tables[row["place"]] for row in await conn.fetch(arms, timeout=TIMEOUT)]
    return found


async def _inspect(conn: asyncpg.Connection, table: Table, ours: dict[str, int]) -> ForeignRows | None:
    here = await rows_by_transaction(conn, table)
    foreign = sum(count for xid, count in here.items() if xid not in ours)
    changed = sum(max(0, count - here.get(xid, 0)) for xid, count in ours.items())
    if not foreign and not changed:
        return None
    return ForeignRows(table.qualified, foreign, changed, sum(here.values()))


async def _written(conn: asyncpg.Connection, run: str) -> dict[str, dict[str, int]]:
    """By table, the transactions of this run and how many rows each wrote."""
    if not await _has_book(conn):
        return {}
    rows = await conn.fetch(
        "SELECT table_schema || '.' || table_name AS name, xid, sum(rows)::bigint AS rows "
        f"FROM {SCHEMA}.load_ranges WHERE run = $1 AND finished_at IS NOT NULL GROUP BY 1, 2",
        run,
        timeout=TIMEOUT,
    )
    written: dict[str, dict[str, int]] = {}
    for row in rows:
        written.setdefault(row["name"], {})[row["xid"]] = row["rows"]
    return written


async def _has_book(conn: asyncpg.Connection) -> bool:
    found: bool = await conn.fetchval(
        "SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.load_ranges", timeout=TIMEOUT
    )
    return found
