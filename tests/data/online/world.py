"""A schema whose tables have everything that a move meets, moved as far as a test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from tests.data.copying import catalog_of, ignore, prepare, request_of, run_sql
from wsdash.data.online.capture.install import install
from wsdash.data.online.switch.move_state import MoveState, read_move_state
from wsdash.data.online.sync.copying import copy_online
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection

RUN = "run-1"
MONTHS = "".join(
    f"CREATE TABLE chunks.items_{month} PARTITION OF s.items "
    f"FOR VALUES FROM ('2025-{month:02d}-01 00:00+00') TO ('2025-{month + 1:02d}-01 00:00+00');\n"
    for month in range(1, 7)
)
SCHEMA = f"""
CREATE SCHEMA s;
CREATE SCHEMA chunks;
CREATE TABLE s.owners (id integer PRIMARY KEY, name text UNIQUE, place integer UNIQUE);
CREATE TABLE s.items (
  id integer NOT NULL, at timestamptz NOT NULL, title text, size integer,
  double integer GENERATED ALWAYS AS (size * 2) STORED,
  owner integer REFERENCES s.owners (id) ON UPDATE CASCADE ON DELETE CASCADE,
  PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
{MONTHS}
CREATE TABLE s.audit (id bigserial PRIMARY KEY, item integer, action text, moment timestamptz DEFAULT now());
CREATE TABLE s.notes (note text);
CREATE FUNCTION s.log_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO s.audit (item, action) VALUES (coalesce(NEW.id, OLD.id), TG_OP); RETURN NULL; END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON s.items FOR EACH ROW EXECUTE FUNCTION s.log_item();
INSERT INTO s.owners SELECT i, 'owner ' || i, i FROM generate_series(1, 10) i;
INSERT INTO s.items (id, at, title, size, owner)
  SELECT i, timestamptz '2025-01-01 12:00+00' + i % 150 * interval '1 day', 'item ' || i, i, 1 + i % 10
  FROM generate_series(1, 300) i;
INSERT INTO s.notes VALUES ('one'), ('two'), ('two');
"""
WRITES = """
INSERT INTO s.items VALUES (1001, '2025-02-03 00:00+00', 'new', 1, DEFAULT, 1);
UPDATE s.items SET title = 'changed' WHERE id IN (3, 4, 5);
UPDATE s.items SET id = id + 2000 WHERE id = 6;
DELETE FROM s.items WHERE id = 7;
INSERT INTO s.notes VALUES ('three');
"""
"""Some of everything."""


async def make_move(source: Endpoint, target: Endpoint, *commands: str, schema: str = SCHEMA) -> Move:
    """A move with capture on both sides and the rows copied; commands are run between capture and copy."""
    await run_sql(source, schema)
    return await begin_move(source, target, *commands)


async def begin_move(source: Endpoint, target: Endpoint, *commands: str, schema: str = "s") -> Move:
    """As make_move, of a schema that the source has."""
    move = Move(RUN, source, target, (await catalog_of(source, schema)).tables)
    await install(source, move.tracked, RUN, closed=False)
    await run_sql(source, *commands)
    await copy(move, schema)
    return move


async def copy(move: Move, schema: str) -> None:
    """The copy of a move with its position."""
    catalog = await prepare(move.source, move.target, schema)
    await copy_online(move, request_of(move.source, move.target, catalog, run=RUN), ignore)


async def carry(move: Move, leaving: Endpoint | None = None) -> int:
    """Carry once over a new link; how many log lines that was."""
    async with open_link(move, leaving or move.source) as link:
        return await link.apply()


async def rows(side: Endpoint, table: str = "s.items") -> list[tuple[Any, ...]]:
    """All rows of a table in an order of their own."""
    async with connection(side, read_only=True) as conn:
        return [tuple(row) for row in await conn.fetch(f"SELECT * FROM {table} t ORDER BY t::text")]


async def state_now(move: Move) -> MoveState:
    """Which side is open."""
    found = await read_move_state(move.source, move.target)
    assert found is not None
    return found


async def same(move: Move) -> bool:
    """Whether every table of the move has the same rows on both sides."""
    for one in move.tracked:
        name = one.table.qualified
        if await rows(move.source, name) != await rows(move.target, name):
            return False
    return True


async def value(side: Endpoint, query: str) -> Any:
    """The first value of a query."""
    async with connection(side, read_only=True) as conn:
        return await conn.fetchval(query, timeout=60)


async def refused(side: Endpoint, sql: str) -> str:
    """The SQLSTATE with which a command is refused; '' when it is not."""
    try:
        await run_sql(side, sql)
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    return ""


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    """Wait until a condition holds, at most 60 s."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - another process makes it hold
            await asyncio.sleep(0.02)
