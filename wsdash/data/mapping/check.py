"""What the rows themselves say to a mapping, before anything is written: nulls, values that do not fit,
keys that would be there twice, references without their row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from wsdash.data.catalog.read import Catalog
from wsdash.data.limits import PROBE_SECONDS, TIMEOUT
from wsdash.data.mapping.file import Mapping
from wsdash.data.mapping.plan import ColumnPlan, TableMappingPlan, all_go_somewhere, lay_out, require_sources
from wsdash.data.mapping.seed_rows import SeedRows, is_seed_row, read_seed_rows
from wsdash.data.mapping.types import OLD, MappedTables, understand, understand_alone
from wsdash.data.pg.errors import ServerErrors, session_lives
from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import Table
from wsdash.errors import InputError

SHOWN = 3
MOST_VALUES = 100_000
"""Distinct values of a reference that are taken to the target to be looked for there."""

UNIQUES = """
SELECT c.relname AS name,
       array(SELECT a.attname::text
             FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place)
       AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indisprimary DESC, 1
"""

CHECKS = """
SELECT conname AS name, pg_get_expr(conbin, conrelid) AS expression FROM pg_constraint
WHERE conrelid = to_regclass($1) AND contype = 'c' ORDER BY 1
"""

REFERENCES = """
SELECT k.conname AS name, n.nspname AS schema, p.relname AS parent,
       array(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY c(number, place)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number ORDER BY c.place)
       AS columns,
       array(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY c(number, place)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number ORDER BY c.place)
       AS referenced
FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE k.conrelid = to_regclass($1) AND k.contype = 'f' ORDER BY 1
"""


@dataclass(frozen=True)
class Checker:
    """Probes a mapping against both servers; reads only. source_catalog: for tables that are not mapped.
    seeds: the rows that the target's schema file inserted."""

    source: asyncpg.Connection
    target: asyncpg.Connection
    mapped: MappedTables
    source_catalog: Catalog
    seeds: SeedRows

    @property
    def mapping(self) -> Mapping:
        """The mapping file."""
        return self.mapped.mapping

    async def check(self) -> None:
        """Raises InputError that names key, value, rows and remedy for the first thing that does not fit;
        asyncpg.PostgresError when a server cannot answer."""
        for plan, table in zip(self.mapped.plans, self.mapped.tables, strict=True):
            await self._values(plan, table)
            await self._constraints(plan, table)
            await self._uniques(plan, table)
            await self._lookups(plan)
            if plan.target.qualified in self.seeds:
                await self._seed_rows(plan, table)
        for plan, table in zip(self.mapped.plans, self.mapped.tables, strict=True):
            await self._references(plan, table)

    async def _values(self, plan: TableMappingPlan, table: Table) -> None:
        """Nulls for NOT NULL, and values that a length or a precision of the target would change."""
        probes: list[tuple[str, ColumnPlan, str, str]] = []
        for column in plan.columns:
            null = f"({column.expression}\n) IS NULL"
            if column.column.not_null and not column.never_null:
                remedy = f"write coalesce({column.expression}, ...) or leave these rows out with where:"
                what = f"null for {column.column.name}, which is NOT NULL in the target"
                probes.append((null, column, what, remedy))
            if "(" in column.column.type and column.kind not in ("assign", "lookup"):
                changed = f"({column.expression}\n) IS DISTINCT FROM ({column.expression}\n)::"
                if await self._known(column.column.type):
                    what = f"for {column.column.name} what is no {column.column.type}"
                    remedy = "shorten or round it in an expression, knowingly, or widen the target's column"
                    probes.append((changed + column.column.type, column, what, remedy))
        if not probes:
            return
        where = f" WHERE ({plan.rule.where}\n)" if plan.rule.where else ""
        counts = ", ".join(f"count(*) FILTER (WHERE {probe[0]})" for probe in probes)
        row = await self.source.fetchrow(f"SELECT {counts} FROM {plan.rows}{where}", timeout=PROBE_SECONDS)
        assert row is not None
        for count, (condition, column, what, remedy) in zip(row, probes, strict=True):
            if count:
                rows = await self._keys(plan, condition)
                raise self._wrong(column, f"{count:,} rows give {what}: {rows}", remedy)

    async def _known(self, type_name: str) -> bool:
        known: bool = await self.source.fetchval(
            "SELECT to_regtype($1) IS NOT NULL", type_name, timeout=TIMEOUT
        )
        return known

    async def _keys(self, plan: TableMappingPlan, condition: str) -> str:
        """The first rows for which a condition holds, by their key in the source."""
        key = plan.source.key if plan.source is not None else ()
        if not key:
            return "the table has no key to name them by"
        also = f" AND ({plan.rule.where}\n)" if plan.rule.where else ""
        columns = ", ".join(f"{ident(name)}::text" for name in key)
        query = f"SELECT {columns} FROM {plan.rows} WHERE ({condition}){also} LIMIT {SHOWN}"
        rows = await self.source.fetch(query, timeout=PROBE_SECONDS)
        return "; ".join(_named(key, row) for row in rows)

    async def _constraints(self, plan: TableMappingPlan, table: Table) -> None:
        """CHECK constraints of the target, where the source can judge them."""
        name = ident(table.schema, table.name)
        for row in await self._ask_target(CHECKS, name, timeout=TIMEOUT):
            query = f"SELECT count(*) FROM {table.rows_of('source')} WHERE NOT ({row['expression']})"
            try:
                count = await self.source.fetchval(query, timeout=PROBE_SECONDS)
            except asyncpg.PostgresError as error:
                if not session_lives(error):
                    raise
                continue  # it needs what only the target has, which will refuse such rows itself
            if count:
                what = f"{count:,} rows break the target's {row['name']}: CHECK ({row['expression']})"
                remedy = "correct the values in an expression, or leave these rows out with where:"
                raise self.mapping.wrong(plan.rule.key, plan.rule.name, what, remedy)

    async def _uniques(self, plan: TableMappingPlan, table: Table) -> None:
        """Keys of the target that two rows of the source would share."""
        filled = {column.name for column in table.columns}
        for row in await self._ask_target(UNIQUES, ident(table.schema, table.name), timeout=TIMEOUT):
            names: list[str] = row["columns"]
            if not filled.issuperset(names):
                continue
            columns = ", ".join(f"{ident(name)}::text" for name in names)
            there = " AND ".join(f"{ident(name)} IS NOT NULL" for name in names)
            query = (
                f"SELECT {columns}, count(*) AS times FROM {table.rows_of('source')} WHERE {there} "
                f"GROUP BY {', '.join(str(place + 1) for place in range(len(names)))} "
                f"HAVING count(*) > 1 ORDER BY count(*) DESC, 1 LIMIT {SHOWN}"
            )
            twice = await self.source.fetch(query, timeout=PROBE_SECONDS)
            if twice:
                rows = "; ".join(f"{_named(names, found)} {found['times']} times" for found in twice)
                what = f"the target's key {row['name']} would refuse rows: {rows}"
                remedy = "leave the surplus rows out with where:, or widen the key in the target"
                if plan.parts and not plan.rule.by:
                    remedy = f"take each key from the first part that has it: by: [{', '.join(names)}]"
                column = plan.column(names[0])
                key = column.key if column is not None and len(names) == 1 else plan.rule.key
                raise self.mapping.wrong(key, ", ".join(names), what, remedy)

    async def _seed_rows(self, plan: TableMappingPlan, table: Table) -> None:
        """Rows of the schema file where none are wanted, and keys that one of them has already."""
        count = sum(self.seeds[plan.target.qualified].values())
        if plan.rule.seed_rows == "refuse":
            what = f"the schema file inserts {count:,} rows into {plan.rule.name}"
            remedy = "take them out of the file, or say replace or merge"
            raise self.mapping.wrong(f"{plan.rule.key}.seed_rows", "refuse", what, remedy)
        if plan.rule.seed_rows != "merge":
            return
        new = {column.column.name for column in plan.columns if column.kind in ("assign", "lookup")}
        comparable = {column.name for column in table.columns} - new
        for row in await self._ask_target(UNIQUES, ident(table.schema, table.name), timeout=TIMEOUT):
            names: list[str] = row["columns"]
            if not comparable.issuperset(names):
                continue  # new keys begin above the seed rows'
            key = f"ROW({', '.join(map(ident, names))})::text"
            there = " AND ".join(f"{ident(name)} IS NOT NULL" for name in names)
            seeds = await self._ask_target(
                f"SELECT {key} AS key FROM {ident(table.schema, table.name)} AS seed "
                f"WHERE {is_seed_row(table, 'seed')} AND {there}",
                timeout=PROBE_SECONDS,
            )
            columns = ", ".join(f"{ident(name)}::text" for name in names)
            twice = await self.source.fetch(
                f"SELECT {columns} FROM {table.rows_of('source')} WHERE {key} = ANY($1::text[]) "
                f"ORDER BY {', '.join(str(place + 1) for place in range(len(names)))} LIMIT {SHOWN}",
                [found["key"] for found in seeds],
                timeout=PROBE_SECONDS,
            )
            if twice:
                rows = "; ".join(_named(names, found) for found in twice)
                what = f"rows of the schema file and of the source have the same key {row['name']}: {rows}"
                remedy = "say seed_rows: replace, or leave these rows out with where:"
                raise self.mapping.wrong(f"{plan.rule.key}.seed_rows", "merge", what, remedy)

    async def _lookups(self, plan: TableMappingPlan) -> None:
        """Old keys that no row with a new one has."""
        keys = {found.name: found for found in self.mapped.keys}
        for column in plan.columns:
            if column.kind != "lookup" or (column.rule is not None and column.rule.missing == "null"):
                continue
            old = f"({column.expression}\n)::{keys[column.keys].old_type}"
            where = f" AND ({plan.rule.where}\n)" if plan.rule.where else ""
            query = (
                f"SELECT DISTINCT {old}::text AS value FROM {plan.rows} WHERE ({old}) IS NOT NULL{where} "
                f"AND {old} NOT IN (SELECT {OLD} FROM ({keys[column.keys].old}) k) "
                f"ORDER BY 1 LIMIT {SHOWN}"
            )
            lost = await self.source.fetch(query, timeout=PROBE_SECONDS)
            if lost:
                values = ", ".join(repr(row["value"]) for row in lost)
                what = f"{column.keys} has no row for {values}"
                raise self._wrong(column, what, 'leave these rows out with where:, or say missing: "null"')

    async def _references(self, plan: TableMappingPlan, table: Table) -> None:
        """Foreign keys of the target whose parent row would be missing."""
        filled = {column.name for column in table.columns}
        for row in await self._ask_target(REFERENCES, ident(table.schema, table.name), timeout=TIMEOUT):
            if not filled.issuperset(row["columns"]):
                continue
            child = ", ".join(f"{ident(name)}::text" for name in row["columns"])
            there = " AND ".join(f"{ident(name)} IS NOT NULL" for name in row["columns"])
            children = f"SELECT {child} FROM {table.rows_of('source')} WHERE {there}"
            lost = await self._orphans(children, row)
            if lost:
                rows = "; ".join(_named(row["columns"], found) for found in lost)
                what = f"{row['parent']} would have no row for {rows} (foreign key {row['name']})"
                remedy = f"map {row['parent']} so that it has them, or correct the values in an expression"
                column = plan.column(row["columns"][0])
                key = column.key if column is not None else plan.rule.key
                raise self.mapping.wrong(key, ", ".join(row["columns"]), what, remedy)

    async def _orphans(self, children: str, reference: Any) -> Sequence[Any]:
        parent = next((t for t in self.mapped.tables if t.name == reference["parent"]), None)
        if parent is None and reference["parent"] not in self.mapping.leave_out:
            unmapped = (t for t in self.source_catalog.tables if t.name == reference["parent"])
            parent = next(unmapped, None)
        wanted = ", ".join(f"{ident(name)}::text" for name in reference["referenced"])
        if parent is not None and {c.name for c in parent.columns}.issuperset(reference["referenced"]):
            parents = f"SELECT {wanted} FROM {parent.rows_of('source')}"
            kept = f"{reference['schema']}.{reference['parent']}" in self.seeds and parent.keep_seed_rows
            limit = MOST_VALUES if kept else SHOWN
            query = f"({children}) EXCEPT ({parents}) ORDER BY 1 LIMIT {limit}"
            lost = list(await self.source.fetch(query, timeout=PROBE_SECONDS))
            if not kept or not lost:
                return lost
            children = f"({query})"  # the seed rows may be the parents of these
        if len(reference["columns"]) > 1:
            return []
        query = f"SELECT DISTINCT * FROM ({children}) c LIMIT {MOST_VALUES}"
        values = [found[0] for found in await self.source.fetch(query, timeout=PROBE_SECONDS)]
        there = f"SELECT {wanted} FROM {ident(reference['schema'], reference['parent'])}"
        return list(
            await self._ask_target(
                f"SELECT v FROM unnest($1::text[]) v EXCEPT ({there}) ORDER BY 1 LIMIT {SHOWN}",
                values,
                timeout=PROBE_SECONDS,
            )
        )

    async def _ask_target(self, query: str, *arguments: Any, timeout: float) -> list[asyncpg.Record]:
        with _words(self.target, self.mapping):
            return list(await self.target.fetch(query, *arguments, timeout=timeout))

    def _wrong(self, column: ColumnPlan, what: str, remedy: str) -> InputError:
        value = column.rule.constant if column.kind == "constant" and column.rule else column.expression
        return self.mapping.wrong(column.key, value, what, remedy)


def _named(names: Sequence[str], row: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(names, tuple(row), strict=False))


async def fit(
    mapping: Mapping,
    source: tuple[asyncpg.Connection, Catalog],
    target: tuple[asyncpg.Connection, Catalog],
    *,
    probe: bool = True,
) -> MappedTables:
    """The mapping laid over both catalogs, typed by the source and asked of the rows (probe); writes nothing.

    Raises InputError for what does not fit, WsdashError in a server's own words when it cannot answer.
    """
    plans = lay_out(mapping, source[1], target[1])
    seeds = await read_seed_rows(target[0])
    with _words(source[0], mapping):
        mapped = await understand(source[0], mapping, plans, seeds)
        all_go_somewhere(mapping, plans)
        if probe:
            await Checker(source[0], target[0], mapped, source[1], seeds).check()
    return mapped


async def understood_by_source(conn: asyncpg.Connection, mapping: Mapping, source: Catalog) -> None:
    """What is known of a mapping while the target's tables are not there: the source has its tables and
    understands every expression. Raises as fit."""
    require_sources(mapping, source)
    with _words(conn, mapping):
        await understand_alone(conn, mapping, source)


def _words(conn: asyncpg.Connection, mapping: Mapping) -> ServerErrors:
    return ServerErrors(conn, f"the mapping {mapping.path} cannot be checked")
