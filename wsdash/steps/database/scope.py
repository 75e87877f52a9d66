"""What is migrated, and how it fits: both catalogs, and the mapping where the settings name one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from wsdash.config import Settings
from wsdash.data.catalog.read import Catalog, Part, read_catalog
from wsdash.data.copy.seed_recognition import recognise_seed_rows, unknown_rows
from wsdash.data.mapping.check import fit, understood_by_source
from wsdash.data.mapping.file import Mapping, load_mapping
from wsdash.data.mapping.keys import serial_values
from wsdash.data.mapping.objects import mapped_objects, reduced, unseen_objects
from wsdash.data.mapping.per_row import examine
from wsdash.data.mapping.seed_rows import SeedRows, note_seed_rows, read_seed_rows
from wsdash.data.mapping.types import KeyMap, MappedTables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.transactions import transaction
from wsdash.data.rehearsal.ddl import DdlRehearsal, rehearse_between, with_findings
from wsdash.data.schema.apply import apply_file
from wsdash.data.schema.compare import compare
from wsdash.data.schema.ddl import Statement, post_data, sequence_values
from wsdash.data.tables.shape import Table
from wsdash.errors import InputError, UnreachableError
from wsdash.model import SchemaObject
from wsdash.steps.base import endpoint


@dataclass(frozen=True)
class MigrationScope:
    """What a migration carries. catalog: what is made in the target after the source. tables: whose rows are
    copied and compared. keys: the new keys that a mapping assigns. serials: sequences set after the rows."""

    catalog: Catalog
    tables: tuple[Table, ...]
    keys: tuple[KeyMap, ...] = ()
    serials: tuple[Statement, ...] = ()

    @property
    def post(self) -> list[Statement]:
        """What follows the rows."""
        return post_data(self.catalog)

    async def sequences(self, source: asyncpg.Connection) -> list[Statement]:
        """The values of the sequences, read in a session of the source."""
        return [*await sequence_values(source, self.catalog), *self.serials]


@dataclass(frozen=True)
class Compared:
    """Both sides object by object. target: None when it could not be reached, with the reason in
    `unreached`. rehearsed: the target's schema file was run for this, and taken back. trial: what the
    target's server said of the DDL, where that was rehearsed."""

    source: Catalog
    target: Catalog | None
    objects: tuple[SchemaObject, ...]
    mapping: Mapping | None = None
    rehearsed: bool = False
    unreached: str = ""
    unknown: tuple[str, ...] = ()
    """Tables of a schema file that was run by hand, whose rows nobody has distinguished from others yet."""
    trial: DdlRehearsal | None = None


RECOGNISED = "the schema file was run by hand: its own rows are known now"


async def read_mapping(settings: Settings) -> Mapping | None:
    """The mapping that the settings name, or None. Raises InputError."""
    name = settings.target.mapping
    return await asyncio.to_thread(load_mapping, Path(name)) if name else None


async def read_side(side: Endpoint, schema: str, part: Part = "everything") -> Catalog:
    """One side's catalog, or that part of it, read-only. Raises UnreachableError."""
    async with connection(side, read_only=True) as session:
        return await read_catalog(session, schema, part=part)


async def read_scope(settings: Settings, *, probe: bool = False) -> MigrationScope:
    """What is migrated now, with a target whose schema is there. probe: ask the rows too whether they fit.

    Raises InputError for a mapping that does not fit, UnreachableError.
    """
    mapping = await read_mapping(settings)
    source = await read_side(endpoint(settings.source), settings.source.schema)
    if mapping is None:
        return MigrationScope(source, source.tables)
    async with (
        connection(endpoint(settings.source), read_only=True) as old,
        connection(endpoint(settings.target), read_only=True) as new,
    ):
        target = await read_catalog(new, settings.target.schema)
        mapped = await fit(mapping, (old, source), (new, target), probe=probe)
        serials = await serial_values(new, mapped.tables)
    rest = reduced(source, mapping)
    return MigrationScope(rest, (*mapped.tables, *rest.tables), mapped.keys, tuple(serials))


async def read_examined(settings: Settings) -> tuple[Table, ...]:
    """The tables of read_scope, with what is known of each mapped one's rows (mapping/per_row.py). Raises
    as read_scope."""
    scope = await read_scope(settings)
    return await _examined(settings, scope.tables)


async def foresee_examined(settings: Settings) -> tuple[Table, ...] | None:
    """As read_examined, also before the target's tables are there: its schema file is run and taken back.

    None where the target cannot be reached, or nothing says what its tables will be. Raises InputError for a
    mapping that does not fit, UnreachableError for the source.
    """
    mapping = await read_mapping(settings)
    async with connection(endpoint(settings.source), read_only=True) as old:
        source = await read_catalog(old, settings.source.schema)
        if mapping is None:
            return source.tables
        rest = reduced(source, mapping).tables
        for rehearse in (False, True)[: 2 if settings.target.schema_file else 1]:
            try:
                async with _target(settings, rehearse) as (new, target, _):
                    if target.tables:
                        mapped = await fit(mapping, (old, source), (new, target), probe=False)
                        return await _examined(settings, (*mapped.tables, *rest))
            except UnreachableError:
                return None
    return None


async def _examined(settings: Settings, tables: Sequence[Table]) -> tuple[Table, ...]:
    if not settings.target.mapping:
        return tuple(tables)
    async with connection(endpoint(settings.source), read_only=True) as old:
        with ServerErrors(endpoint(settings.source), "asking what a mapping's expressions read"):
            return await examine(old, tables)


async def written_tables(settings: Settings) -> tuple[Table, ...]:
    """The target's tables that a migration writes, by name alone, whether they are there or not.

    Raises InputError, UnreachableError.
    """
    mapping = await read_mapping(settings)
    source = await read_side(endpoint(settings.source), settings.source.schema, part="tables")
    if mapping is None:
        return source.tables
    own = (
        Table(settings.target.schema, name, (), keep_seed_rows=rule.seed_rows == "merge")
        for name, rule in mapping.tables.items()
    )
    return (*own, *reduced(source, mapping).tables)


async def compare_sides(settings: Settings, *, rehearse: bool = False) -> Compared:
    """Object by object, what becomes of the source; works before the target exists.

    rehearse: try the DDL on the target's server in a transaction that is taken back (the target's schema
    file first, where it was not run yet), and ask the rows whether they fit. Raises InputError for a
    mapping that does not, UnreachableError for the source.
    """
    mapping = await read_mapping(settings)
    async with connection(endpoint(settings.source), read_only=True) as old:
        source = await read_catalog(old, settings.source.schema)
        try:
            async with _target(settings, rehearse) as (new, target, rehearsed):
                found = await _compared(mapping, (old, source), (new, target), rehearse, rehearsed)
                lines = seed_objects(await read_seed_rows(new), found, settings.target.schema)
                found = replace(found, objects=(*found.objects, *lines))
                if settings.target.schema_file:
                    unknown = await unknown_rows(new, target.tables)
                    found = replace(found, unknown=tuple(table.qualified for table in unknown))
                return await _rehearsed(settings, found, old, new) if rehearse else found
        except UnreachableError as error:
            if mapping is not None:
                await understood_by_source(old, mapping, source)
            rest = source if mapping is None else reduced(source, mapping)
            objects = compare(rest, None)
            if mapping is not None:
                objects = unseen_objects(mapping, objects, source)
            return Compared(source, None, objects, mapping, unreached=error.what)


async def recognise_rows(settings: Settings, session: asyncpg.Connection, target: Catalog) -> str | None:
    """Tell the rows of a schema file that was run by hand from others, and note them, in a transaction.

    None where there is nothing to recognise, else why the file's rows cannot be recognised, '' where they
    were. Raises WsdashError, InputError for a file that cannot be read.
    """
    if not settings.target.schema_file:
        return None
    unknown = await unknown_rows(session, target.tables)
    if not unknown:
        return None
    file = Path(settings.target.schema_file)
    found = await recognise_seed_rows(
        session, lambda: apply_file(session, file), settings.target.schema, unknown
    )
    return found.reason


def seed_objects(seeds: SeedRows, found: Compared, schema: str) -> list[SchemaObject]:
    """What becomes of the rows that the target's schema file inserted, table by table."""
    rules = found.mapping.tables if found.mapping is not None else {}
    made = found.source if found.mapping is None else reduced(found.source, found.mapping)
    carried = {table.name for table in made.tables}
    lines = []
    for name, rows in seeds.items():
        table = name.removeprefix(f"{schema}.")
        rule = rules[table].seed_rows if table in rules else "replace" if table in carried else "keep"
        fate, what = {
            "replace": ("adapted", "are replaced by the source's"),
            "merge": ("adapted", "stay, and the source's come beside them"),
            "refuse": ("blocks", "must not be there (seed_rows: refuse): take them out of the file"),
            "keep": ("same", "stay: the source has no rows for this table"),
        }[rule]
        detail = f"{sum(rows.values()):,} rows from the schema file {what}"
        lines.append(SchemaObject("seed rows", name, fate, detail))
    return lines


@asynccontextmanager
async def _target(
    settings: Settings, rehearse: bool
) -> AsyncIterator[tuple[asyncpg.Connection, Catalog, bool]]:
    """A session of the target and its catalog; with the schema file run and taken back where asked."""
    side, schema = endpoint(settings.target), settings.target.schema
    async with connection(side, read_only=True) as session:
        target = await read_catalog(session, schema)
        if not rehearse:
            yield session, target, False
            return
    async with connection(side, read_only=False) as session, transaction(session, taken_back=True):
        by_file = bool(settings.target.schema_file) and not target.tables
        if by_file:
            await apply_file(session, Path(settings.target.schema_file))
            target = await read_catalog(session, schema)
            await note_seed_rows(session, target.tables)
        else:
            await recognise_rows(settings, session, target)
        yield session, target, by_file


async def _compared(
    mapping: Mapping | None,
    source: tuple[asyncpg.Connection, Catalog],
    target: tuple[asyncpg.Connection, Catalog],
    probe: bool,
    rehearsed: bool,
) -> Compared:
    if mapping is None:
        return Compared(source[1], target[1], compare(source[1], target[1]), rehearsed=rehearsed)
    rest = reduced(source[1], mapping)
    objects = compare(rest, target[1])
    if target[1].tables:
        mapped: MappedTables = await fit(mapping, source, target, probe=probe)
        objects = mapped_objects(mapped.plans, objects, source[1])
    else:
        await understood_by_source(source[0], mapping, source[1])
        objects = unseen_objects(mapping, objects, source[1])
    return Compared(source[1], target[1], objects, mapping, rehearsed)


async def _rehearsed(
    settings: Settings, found: Compared, old: asyncpg.Connection, new: asyncpg.Connection
) -> Compared:
    """The comparison, with what the target's server refuses to make among what blocks."""
    made = found.source if found.mapping is None else reduced(found.source, found.mapping)
    trial = await rehearse_between(old, new, made, endpoint(settings.target))
    return replace(found, objects=with_findings(found.objects, trial), trial=trial)


async def panel_objects(settings: Settings) -> tuple[SchemaObject, ...]:
    """The comparison for a screen: a mapping that does not fit is a line of it. Raises UnreachableError."""
    try:
        return (await compare_sides(settings)).objects
    except InputError as error:
        return (SchemaObject("mapping", error.where, "blocks", f"{error.what}: {error.remedy}"),)


async def preflight(settings: Settings) -> None:
    """Refuse a mapping that does not fit, before anything is begun; what cannot be reached yet is asked
    later. Raises InputError."""
    if await read_mapping(settings) is None:
        return
    try:
        await compare_sides(settings, rehearse=True)
    except UnreachableError:
        return
