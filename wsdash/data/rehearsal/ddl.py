"""The DDL tried out on the target's own server before anything is stopped, in a transaction that is taken
back.

What a comparison of catalogs cannot know (an index whose function finds nothing by the search_path, a view
over a system view that changed, a right that the target's user lacks) the server itself says here, while it
is still early.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from wsdash.data.catalog.items import FOREIGN_KEYS
from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.limits import DOUBLES_SECONDS, REHEARSED_STATEMENT_SECONDS
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors, remedy_for
from wsdash.data.pg.sql import column_list, ident
from wsdash.data.pg.transactions import transaction
from wsdash.data.schema.apply import judge_statements, run_statement
from wsdash.data.schema.ddl import Statement, post_data, pre_data
from wsdash.data.scratch import scratch_database
from wsdash.data.tables.shape import Table
from wsdash.data.verify.checksum import row_source
from wsdash.errors import WsdashError
from wsdash.model import SchemaObject

SAMPLE_ROWS = 20
"""Rows of each table that go along, so that checks, generated columns and index expressions are evaluated."""


@dataclass(frozen=True)
class DdlFinding:
    """One object that the target's server refused. kind and name as `compare` names it; kind 'rows': a
    table's rows.

    problem: the server's words. after: the object whose failure this one only follows from, or ''.
    """

    kind: str
    name: str
    problem: str
    remedy: str
    after: str = ""


@dataclass(frozen=True)
class DdlRehearsal:
    """What was tried, and where. tried: statements run; rows: sample rows that went along; nothing was
    kept."""

    server: str
    server_version: int
    tried: int
    rows: int
    findings: tuple[DdlFinding, ...]


async def rehearse_ddl(
    source: Endpoint,
    schema: str,
    target: Endpoint,
    *,
    catalog: Catalog | None = None,
    scratch: bool = False,
) -> DdlRehearsal:
    """Make everything in the target that a migration would make there, sample rows included, and take it
    back.

    target: the database to come; with `scratch` any server of its version, where a scratch database is made
    and dropped. catalog: what is to be made, when that is not all of the source's schema (a mapping). Every
    object is tried; one that fails does not end the rehearsal. The source is only read. Raises
    UnreachableError, and WsdashError when the source's catalog cannot be read or the scratch database
    cannot be made.
    """
    if scratch:
        async with scratch_database(target) as database:
            return await rehearse_ddl(source, schema, database, catalog=catalog)
    async with (
        connection(source, read_only=True) as old,
        connection(target, read_only=False) as new,
    ):
        found = catalog if catalog is not None else await read_catalog(old, schema)
        return await rehearse_between(old, new, found, target)


async def rehearse_between(
    old: asyncpg.Connection, new: asyncpg.Connection, catalog: Catalog, target: Endpoint
) -> DdlRehearsal:
    """The same over open sessions; `new` may have a transaction open, of which the rehearsal sees what was
    made.

    target: what `new` is connected to. Raises UnreachableError.
    """
    with ServerErrors(target, "rehearsing the schema", "then retry; nothing of it was kept"):
        async with transaction(new, taken_back=True):
            return await _Rehearsal(old, new, catalog, target).run()


class _Rehearsal:
    def __init__(
        self, old: asyncpg.Connection, new: asyncpg.Connection, catalog: Catalog, target: Endpoint
    ) -> None:
        self.old = old
        self.new = new
        self.catalog = catalog
        self.target = target
        self.findings: list[DdlFinding] = []
        self.failed: dict[tuple[str, str], str] = {}
        self.made: set[tuple[str, str]] = set()
        self.tried = 0
        self.samples: dict[str, int] = {}

    async def run(self) -> DdlRehearsal:
        """Types, tables, sample rows, and all that follows them, in the order of a migration."""
        for statements in (pre_data(self.catalog), post_data(self.catalog)):
            missing = []
            for one, fate, detail in await judge_statements(self.new, statements):
                if fate == "created":
                    missing.append(one)
                elif fate == "blocks":
                    self._fails(one, detail, "alter, rename or drop it in the target")
            await self._make(missing)
            if not self.samples:
                for table in self.catalog.tables:
                    if ("table", table.qualified) in self.made:
                        await self._carry_samples(table)
        for table in self.catalog.tables:
            if self.samples.get(table.qualified):
                await self._see_samples(table)
            if table.hypertable == "inheritance" and table.key and table.time_column not in table.key:
                await self._look_for_doubles(table)
        version = self.new.get_server_version()
        number = version.major * 10000 + version.minor
        rows = sum(self.samples.values())
        return DdlRehearsal(self.target.address, number, self.tried, rows, tuple(self.findings))

    async def _make(self, statements: Sequence[Statement]) -> None:
        for one in statements:
            self.tried += 1
            try:
                await run_statement(self.new, _for_samples(one), REHEARSED_STATEMENT_SECONDS)
            except WsdashError as error:
                cause = error.__cause__
                if self.new.is_closed() or not isinstance(cause, asyncpg.PostgresError):
                    raise
                self._fails(one, str(cause), remedy_for(cause))
            else:
                self.made.add((one.kind, one.name))

    def _fails(self, one: Statement, problem: str, remedy: str) -> None:
        needs = one.item.needs if one.item is not None else ()
        after = next((f"{kind} {name}" for kind, name in needs if (kind, name) in self.failed), "")
        self.failed[one.kind, one.name] = problem
        self.findings.append(DdlFinding(one.kind, one.name, problem, remedy, after))

    async def _carry_samples(self, table: Table) -> None:
        columns = [column.name for column in table.copied_columns]
        sample = io.BytesIO()
        try:
            await self.old.copy_from_query(
                f"{row_source(table)} LIMIT {SAMPLE_ROWS}",
                output=sample,
                format="binary",
                timeout=REHEARSED_STATEMENT_SECONDS,
            )
            sample.seek(0)
            async with transaction(self.new):
                done = await self.new.copy_to_table(
                    table.name,
                    schema_name=table.schema,
                    columns=columns or None,
                    source=sample,
                    format="binary",
                    timeout=REHEARSED_STATEMENT_SECONDS,
                )
            self.samples[table.qualified] = int(done.split()[-1])
        except asyncpg.PostgresError as error:
            if self.new.is_closed() or self.old.is_closed():
                raise
            self.findings.append(DdlFinding("rows", table.qualified, str(error), remedy_for(error)))

    async def _look_for_doubles(self, table: Table) -> None:
        """Inheriting children have a key each, and no server looks whether two of them hold the same one."""
        key = column_list(table.key)
        doubled = await self.old.fetchval(
            f"SELECT ROW({key})::text FROM {ident(table.schema, table.name)} GROUP BY {key} "
            "HAVING count(*) > 1 LIMIT 1",
            timeout=DOUBLES_SECONDS,
        )
        if doubled is not None:
            problem = f"children repeat the key ({', '.join(table.key)}): {doubled} is there more than once"
            remedy = "remove one of the rows in the source; the one table's key refuses both"
            self.findings.append(DdlFinding("rows", table.qualified, problem, remedy))

    async def _see_samples(self, table: Table) -> None:
        """Row-level security may hide from the target's user what it wrote itself: verify would miss the
        rows."""
        wrote = self.samples[table.qualified]
        try:
            async with transaction(self.new):
                seen = await self.new.fetchval(
                    f"SELECT count(*) FROM {ident(table.schema, table.name)}",
                    timeout=REHEARSED_STATEMENT_SECONDS,
                )
        except asyncpg.PostgresError as error:
            seen, why = None, str(error)
        else:
            why = f"row-level security shows the target's user {seen} of {wrote} rows"
        if seen != wrote:
            remedy = f"ALTER ROLE {ident(self.target.user)} BYPASSRLS in the target, as a superuser"
            self.findings.append(DdlFinding("rows", table.qualified, why, remedy))


def with_findings(objects: Sequence[SchemaObject], trial: DdlRehearsal) -> tuple[SchemaObject, ...]:
    """The lines of a comparison, those that the target's server refused to make turned into lines that
    block."""
    findings = {(found.kind, found.name): found for found in trial.findings}
    lines = []
    for one in objects:
        found = findings.pop((one.kind, one.name), None)
        if found is None or one.fate == "blocks":
            lines.append(one)
        else:
            lines.append(SchemaObject(one.kind, one.name, "blocks", _sentence(found)))
    lines += [SchemaObject(one.kind, one.name, "blocks", _sentence(one)) for one in findings.values()]
    return tuple(lines)


def _sentence(found: DdlFinding) -> str:
    if found.after:
        return f"it needs {found.after}, which cannot be made: {found.problem}"
    return f"the target's server refuses it: {found.problem}; {found.remedy}"


def _for_samples(one: Statement) -> Statement:
    """A foreign key that does not look at the rows: of the rows it points to, only samples are there."""
    if one.stage != FOREIGN_KEYS or one.sql.endswith((" NOT VALID", " NOT ENFORCED")):
        return one
    return replace(one, sql=f"{one.sql} NOT VALID")
