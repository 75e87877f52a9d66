"""The source's server types every expression of a mapping; out come tables that copy and verify can read."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from wsdash.data.catalog.read import Catalog
from wsdash.data.limits import TIMEOUT
from wsdash.data.mapping.file import Mapping
from wsdash.data.mapping.plan import ColumnPlan, TableMappingPlan
from wsdash.data.mapping.seed_rows import SeedRows, is_seed_row
from wsdash.data.pg.errors import session_lives
from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import Lookup, Mapped, Reading, Table

KEY_SCHEMA = "wsdash"
OLD = '"wsdash old"'
"""A name that no expression of a mapping means."""
_CUT = re.compile(r"(character varying|bit varying)\(\d+\)$")

TYPE = """
SELECT format_type(t.oid, NULL) AS type, n.nspname = 'pg_catalog' AS built_in, to_regtype($2)::oid AS wanted,
       coalesce(nullif(t.typbasetype, 0), t.oid) AS base, t.typcategory::text = 'S' AS textual,
       (SELECT c.castcontext::text FROM pg_cast c
        WHERE c.castsource = coalesce(nullif(t.typbasetype, 0), t.oid) AND c.casttarget = to_regtype($2))
       AS cast
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = $1
"""


@dataclass(frozen=True)
class KeyMap:
    """The pairs of old and new keys of one table, kept in the target.

    table: the target's table (qualified, for people); column: its new key, of type new_type. old: SELECT on
    the source of every distinct old key as OLD, in the order in which they are numbered.
    locked: the source's tables it reads.
    """

    table: str
    schema: str
    name: str
    column: str
    old_type: str
    new_type: str
    old: str
    above_seed_rows: bool = False
    """The numbers begin above those of the table's seed rows, which stay."""

    @property
    def relation(self) -> str:
        """The key map's quoted, qualified name."""
        return key_map(self.name)


@dataclass(frozen=True)
class MappedTables:
    """A mapping that both servers understand. tables: in its order, as copy and verify take them."""

    mapping: Mapping
    plans: tuple[TableMappingPlan, ...]
    tables: tuple[Table, ...]
    keys: tuple[KeyMap, ...]


def key_map(table: str) -> str:
    """The quoted name of a table's key map in the target."""
    return ident(KEY_SCHEMA, f"key_map_{table}")


async def understand(
    conn: asyncpg.Connection, mapping: Mapping, plans: Sequence[TableMappingPlan], seeds: SeedRows
) -> MappedTables:
    """Have the source type every expression. seeds: what the target's schema file inserted.

    Raises InputError naming the key whose expression it refuses, or whose type does not become the target's
    without a cast; asyncpg.PostgresError when it cannot answer.
    """
    keys: dict[str, KeyMap] = {}
    plans = [await _united(conn, mapping, plan) if plan.parts else plan for plan in plans]
    for plan in plans:
        if plan.rule.where:
            key = f"{plan.rule.key}.where"
            await _prepare(conn, mapping, key, f"({plan.rule.where}\n)::boolean", plan.rows, plan.rule.where)
        if plan.assigned is not None:
            keys[plan.rule.name] = await _key_map(conn, mapping, plan, plan.assigned)
    tables = []
    for plan in plans:
        expressions = {}
        for column in plan.columns:
            expressions[column.column.name] = await _typed(conn, mapping, plan, column, keys)
        tables.append(_table(plan, expressions, keys, plan.target.qualified in seeds))
    return MappedTables(mapping, tuple(plans), tuple(tables), tuple(keys.values()))


async def understand_alone(conn: asyncpg.Connection, mapping: Mapping, source: Catalog) -> None:
    """Have the source read every expression, whatever the target makes of it. Raises as understand."""
    for rule in (part for table in mapping.tables.values() for part in table.union or (table,)):
        if not rule.source:
            continue
        rows = ident(source.schema, rule.source)
        if rule.where:
            await _prepare(conn, mapping, f"{rule.key}.where", f"({rule.where}\n)::boolean", rows, rule.where)
        for column in rule.columns.values():
            for expression in (column.expression, column.assign, column.order):
                if expression:
                    await _prepare(conn, mapping, column.key, expression, rows)


async def _united(conn: asyncpg.Connection, mapping: Mapping, plan: TableMappingPlan) -> TableMappingPlan:
    """The plan of a union with its rows: all of the first part's, and of each later part's those whose `by`
    columns equal no row's of an earlier one (a NULL equals nothing)."""
    selects: list[str] = []
    for part in plan.parts:
        rule = part.rule
        if rule.where:
            await _prepare(
                conn, mapping, f"{rule.key}.where", f"({rule.where}\n)::boolean", part.rows, rule.where
            )
        columns = tuple(
            [(one.column.name, await _typed(conn, mapping, part, one, {})) for one in part.columns]
        )
        select = Reading(columns, part.rows, rule.where, rule.distinct).select()
        if selects and plan.rule.by:
            earlier = " UNION ALL ".join(selects)
            same = " AND ".join(f"earlier.{ident(name)} = part.{ident(name)}" for name in plan.rule.by)
            select = (
                f"SELECT * FROM ({select}) AS part "
                f"WHERE NOT EXISTS (SELECT FROM ({earlier}) AS earlier WHERE {same})"
            )
        selects.append(select)
    rows = f"({' UNION ALL '.join(selects)}) AS united"
    await _prepare(conn, mapping, f"{plan.rule.key}.union", "true", rows)
    return replace(plan, rows=rows)


async def _key_map(
    conn: asyncpg.Connection, mapping: Mapping, plan: TableMappingPlan, column: ColumnPlan
) -> KeyMap:
    rule = column.rule
    assert rule is not None
    oid = await _prepare(conn, mapping, column.key, column.expression, plan.rows)
    found = await _type(conn, oid, "text")
    old_type = str(found["type"]) if found["built_in"] else "text"
    order = f", min({rule.order}\n) AS place" if rule.order else ""
    if rule.order:
        await _prepare(conn, mapping, f"{column.key}.order", rule.order, plan.rows)
    where = f" WHERE ({plan.rule.where}\n)" if plan.rule.where else ""
    distinct = (
        f"SELECT ({column.expression}\n)::{old_type} AS {OLD}{order} FROM {plan.rows}{where} GROUP BY 1"
    )
    collated = f'{OLD} COLLATE "C"' if found["textual"] or old_type == "text" else OLD
    by = f"{'place, ' if order else ''}{collated}"
    old = f"SELECT {OLD} FROM ({distinct}) k WHERE {OLD} IS NOT NULL ORDER BY {by}"
    target = plan.target
    name = plan.rule.name
    return KeyMap(
        table=target.qualified,
        schema=target.schema,
        name=name,
        column=column.column.name,
        old_type=old_type,
        new_type=column.column.type,
        old=old,
        above_seed_rows=plan.rule.seed_rows == "merge",
    )


async def _typed(
    conn: asyncpg.Connection,
    mapping: Mapping,
    plan: TableMappingPlan,
    column: ColumnPlan,
    keys: Dict[str, KeyMap],
) -> str:
    """The expression as both sides compare it: cast to the target's type, or an old key as text."""
    wanted = column.column.type
    if column.kind == "constant" and not plan.rule.rows:
        return await _constant(conn, mapping, column, wanted)
    oid = await _prepare(conn, mapping, column.key, column.expression, plan.rows)
    if column.kind in ("assign", "lookup"):
        return await _old_key(conn, mapping, column, oid, keys[column.keys])
    found = await _type(conn, oid, wanted)
    if found["wanted"] is None:
        if found["textual"]:
            return f"({column.expression}\n)"
        remedy = f"write it as text: ({column.expression})::text"
        what = f"its type {found['type']} is not {wanted}, which only the target knows"
        raise mapping.wrong(column.key, column.expression, what, remedy)
    constant = column.kind == "constant"
    if oid != found["wanted"] and found["cast"] != "i" and not constant:
        what = f"it is {found['type']} in the source and {wanted} in the target"
        remedy = f"say how: ({column.expression})::{wanted}"
        raise mapping.wrong(column.key, column.expression, what, remedy)
    # a cast to varchar(n) would cut in silence: the target itself refuses what is too long
    return f"({column.expression}\n)::{_CUT.sub(lambda cut: cut[1], wanted)}"


async def _constant(conn: asyncpg.Connection, mapping: Mapping, column: ColumnPlan, wanted: str) -> str:
    known = await conn.fetchval("SELECT to_regtype($1) IS NOT NULL", wanted, timeout=TIMEOUT)
    if not known:
        return column.expression
    expression = f"({column.expression})::{wanted}"
    try:
        await conn.fetchval(f"SELECT ({expression})::text", timeout=TIMEOUT)
    except asyncpg.PostgresError as error:
        if not session_lives(error):
            raise
        value = column.rule.constant if column.rule is not None else None
        remedy = f"give a value of type {wanted}"
        raise mapping.wrong(column.key, value, str(error), remedy) from error
    return expression


async def _old_key(
    conn: asyncpg.Connection, mapping: Mapping, column: ColumnPlan, oid: int, keys: KeyMap
) -> str:
    found = await _type(conn, oid, keys.old_type)
    if oid != found["wanted"] and found["cast"] != "i" and keys.old_type != "text":
        what = f"it is {found['type']}, but the old keys of {keys.table} are {keys.old_type}"
        remedy = f"say how: ({column.expression})::{keys.old_type}"
        raise mapping.wrong(column.key, column.expression, what, remedy)
    old = f"({column.expression}\n)::{keys.old_type}"
    if column.rule is not None and column.rule.missing == "null":
        old = f"CASE WHEN {old} IN ({keys.old}) THEN {old} END"
    return f"({old})::text"


async def _prepare(
    conn: asyncpg.Connection, mapping: Mapping, key: str, expression: str, rows: str, shown: str = ""
) -> int:
    """The oid of an expression's type. It is used in WHERE too, where no aggregate or set is allowed."""
    try:
        statement = await conn.prepare(
            f"SELECT ({expression}\n) AS value FROM {rows} WHERE ({expression}\n) IS NULL", timeout=TIMEOUT
        )
    except asyncpg.PostgresError as error:
        if not session_lives(error):
            raise
        hint = f" ({error.hint})" if getattr(error, "hint", None) else ""
        remedy = "correct the expression; names outside pg_catalog need their schema"
        raise mapping.wrong(key, shown or expression, f"the source says: {error}{hint}", remedy) from error
    return int(statement.get_attributes()[0].type.oid)


async def _type(conn: asyncpg.Connection, oid: int, wanted: str) -> asyncpg.Record:
    found = await conn.fetchrow(TYPE, oid, wanted, timeout=TIMEOUT)
    assert found is not None
    return found


def _table(
    plan: TableMappingPlan, expressions: dict[str, str], keys: Dict[str, KeyMap], seeded: bool
) -> Table:
    target, origin = plan.target, plan.source
    lookups = tuple(
        Lookup(column.column.name, keys[column.keys].relation, keys[column.keys].old_type)
        for column in plan.columns
        if column.kind in ("assign", "lookup")
    )
    source = Reading(tuple(expressions.items()), plan.rows, plan.rule.where, plan.rule.distinct)
    names = set(expressions)
    beside = seeded and plan.rule.seed_rows == "merge"
    mapped = Mapped(
        source=source,
        target=_in_target(target, list(expressions), lookups, beside) if lookups or beside else None,
        origin=None if plan.rule.distinct else origin,
        locked=plan.sources,
        lookups=lookups,
    )
    return Table(
        schema=target.schema,
        name=target.name,
        columns=tuple(column for column in target.columns if column.name in names),
        key=target.key if names.issuperset(target.key) else (),
        rows=origin.rows if origin is not None and not plan.rule.distinct else len(plan.rule.rows),
        bytes=origin.bytes if origin is not None and not plan.rule.distinct else 0,
        mapped=mapped,
        keep_seed_rows=plan.rule.seed_rows == "merge",
    )


def _in_target(target: Table, names: list[str], lookups: tuple[Lookup, ...], beside: bool) -> Reading:
    """The target's rows with the old keys in the place of the new ones; a key without a pair says so.

    beside: without the seed rows, beside which they are.
    """
    row = '"wsdash row"'
    columns = {name: f"{row}.{ident(name)}" for name in names}
    rows = f"{ident(target.schema, target.name)} AS {row}"
    for place, lookup in enumerate(lookups):
        pair, new = f'"wsdash key {place}"', f"{row}.{ident(lookup.column)}"
        rows += f" LEFT JOIN {lookup.keys} AS {pair} ON {pair}.new_id = {new}"
        columns[lookup.column] = (
            f"CASE WHEN {new} IS NOT NULL AND {pair}.new_id IS NULL "
            f"THEN '(no old key for ' || {new} || ')' ELSE {pair}.old_id::text END"
        )
    where = f"NOT ({is_seed_row(target, row)})" if beside else ""
    return Reading(tuple(columns.items()), rows, where)
