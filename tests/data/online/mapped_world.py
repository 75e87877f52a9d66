"""A schema that moves into one of the target's own, through a mapping; and what its rows must be there,
written down a second time by hand."""

from __future__ import annotations

from pathlib import Path

from tests.data.copying import catalog_of, ignore, run_sql
from tests.data.mapping_world import fitted, make_target, mapped_request
from tests.data.online.world import RUN, rows
from wsdash.data.mapping.objects import reduced
from wsdash.data.mapping.per_row import examine
from wsdash.data.online.capture.install import install
from wsdash.data.online.sync.copying import copy_online
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection

SOURCE = """
CREATE SCHEMA s;
CREATE SCHEMA chunks;
CREATE TABLE s.items (
  id integer NOT NULL, at timestamptz NOT NULL DEFAULT '2025-01-09Z', title text, size integer,
  secret text DEFAULT 'unknown', rank integer, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE chunks.first PARTITION OF s.items FOR VALUES FROM ('2025-01-01Z') TO ('2025-02-01Z');
CREATE TABLE chunks.second PARTITION OF s.items FOR VALUES FROM ('2025-02-01Z') TO ('2025-03-01Z');
CREATE TABLE s.people (id serial PRIMARY KEY, name varchar(20) UNIQUE, age smallint, note text);
CREATE TABLE s.words (word text);
CREATE TABLE s.others (id integer PRIMARY KEY, body text);
INSERT INTO s.items (id, at, title, size)
  SELECT i, timestamptz '2025-01-03Z' + i % 50 * interval '1 day', 'item ' || i, i % 100
  FROM generate_series(1, 200) i;
INSERT INTO s.people (name, age, note) SELECT 'p' || i, i, 'n' || i FROM generate_series(1, 20) i;
INSERT INTO s.words VALUES ('one'), ('two'), ('two');
INSERT INTO s.others SELECT i, 'b' || i FROM generate_series(1, 10) i;
"""
THERE_AND_BACK = (
    """
CREATE SCHEMA s;
CREATE TABLE s.things (
  thing_id bigint NOT NULL, happened timestamptz NOT NULL, label text, volume bigint, place integer,
  origin text NOT NULL, made_here text DEFAULT 'here', PRIMARY KEY (thing_id, happened));
CREATE TABLE s.persons (number serial PRIMARY KEY, who text UNIQUE, years integer);
""",
    """
tables:
  things:
    from: items
    columns: {thing_id: id, happened: at, label: title, volume: size, place: rank, origin: {value: old}}
    leave_out: {secret: the new service has none}
  persons: {from: people, columns: {number: id, who: name, years: age}, leave_out: {note: not wanted}}
""",
    {
        "s.things": "SELECT id::bigint, at, title, size::bigint, rank, 'old', 'here' FROM s.items",
        "s.persons": "SELECT id, name::text, age::integer FROM s.people",
        "s.words": "SELECT * FROM s.words",
        "s.others": "SELECT * FROM s.others",
    },
)
"""The target's schema, the mapping, and by hand what each table of the target holds."""
ONE_WAY = (
    """
CREATE SCHEMA s;
CREATE TABLE s.things (
  thing_id integer PRIMARY KEY, label text NOT NULL, doubled integer, happened timestamptz NOT NULL);
CREATE TABLE s.large (id integer, at timestamptz, size numeric, PRIMARY KEY (id, at));
CREATE TABLE s.persons (code text PRIMARY KEY, who text UNIQUE, fixed integer NOT NULL);
CREATE TABLE s.expressions (word text, length integer);
CREATE TABLE s.settings (name text PRIMARY KEY, value text);
""",
    """
tables:
  things:
    from: items
    where: size < 50
    columns:
      {thing_id: id, label: "coalesce(title, '?') || '/' || size", doubled: items.size * 2, happened: at}
    leave_out: {secret: none, rank: none}
  large:
    from: items
    where: size >= 50
    columns: {size: size::numeric}
    leave_out: {title: none, secret: none, rank: none}
  persons: {from: people, columns: {code: "'p' || id", who: name, fixed: {value: 7}},
            leave_out: {age: none, note: none}}
  expressions: {from: words, columns: {word: upper(word), length: length(word)}}
  settings: {rows: [{name: colour, value: blue}]}
""",
    {
        "s.things": "SELECT id, coalesce(title, '?') || '/' || size, size * 2, at FROM s.items "
        "WHERE size < 50",
        "s.large": "SELECT id, at, size::numeric FROM s.items WHERE size >= 50",
        "s.persons": "SELECT 'p' || id, name::text, 7 FROM s.people",
        "s.expressions": "SELECT upper(word), length(word) FROM s.words",
        "s.others": "SELECT * FROM s.others",
        "s.settings": "SELECT 'colour'::text, 'blue'::text",
    },
)


WORLDS = {"there and back": THERE_AND_BACK, "one way": ONE_WAY}


async def examined(source: Endpoint, target: Endpoint, mapping: Path) -> Move:
    """The move of what a mapping makes of the source; nothing is written."""
    mapped = await fitted(source, target, mapping, "s")
    rest = reduced(await catalog_of(source), mapped.mapping)
    async with connection(source, read_only=True) as conn:
        tables = await examine(conn, (*mapped.tables, *rest.tables))
    return Move(RUN, source, target, tables)


async def mapped_move(
    source: Endpoint, target: Endpoint, folder: Path, world: tuple[str, str, dict[str, str]], *commands: str
) -> Move:
    """A move with capture on both sides and the rows copied; commands are run between capture and copy."""
    await run_sql(source, SOURCE)
    schema, mapping = folder / "schema.sql", folder / "mapping.yaml"
    schema.write_text(world[0])
    mapping.write_text(world[1])
    await make_target(target, schema, "s")
    move = await examined(source, target, mapping)
    await install(source, move.tracked, RUN, closed=False)
    await run_sql(source, *commands)
    request = await mapped_request(source, target, await fitted(source, target, mapping, "s"), schema="s")
    await copy_online(move, request, ignore)
    return move


async def differing(move: Move, by_hand: dict[str, str]) -> list[str]:
    """The target's tables that do not hold what the mapping says."""
    return [
        name
        for name, query in by_hand.items()
        if await rows(move.target, name) != await rows(move.source, f"({query})")
    ]
