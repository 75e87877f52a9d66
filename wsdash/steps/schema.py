"""Item init-neon: the target has the schema that the rows need, without its hypertable machinery."""

from __future__ import annotations

from pathlib import Path

from wsdash.config import Settings
from wsdash.data.apply import apply_file, ensure_schema
from wsdash.data.catalog import Catalog, read_catalog
from wsdash.data.compare import compare
from wsdash.data.connect import Endpoint, connection
from wsdash.data.ddl import before_rows, pre_data
from wsdash.errors import RefusedError, UnreachableError
from wsdash.model import SchemaCompared, SchemaObject
from wsdash.steps.base import Evidence, StepContext, endpoint


class InitNeon:
    """Initialize Neon database."""

    id = "init-neon"

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when every table, column, type, function and sequence that the rows need is in the target."""
        source, objects = await compare_sides(ctx.settings)
        ctx.emit(SchemaCompared(objects=objects))
        first = before_rows(source)
        needed = [found for found in objects if (found.kind, found.name) in first]
        blocking = [found for found in objects if found.fate == "blocks"]
        missing = [found for found in needed if found.fate == "created"]
        if blocking:
            return Evidence(False, "blocked by " + _names(blocking))
        if missing:
            return Evidence(False, f"{len(missing)} objects are missing: {_names(missing)}")
        tables = sum(1 for found in needed if found.kind == "table" and found.fate in ("same", "adapted"))
        left = sum(1 for found in objects if found.fate == "not-carried")
        return Evidence(
            True,
            f"{tables} tables and {len(needed) - tables} further objects are in the target's schema "
            f"{ctx.settings.target.schema}; {left} of the source are not carried (hypertable machinery)",
        )

    async def act(self, ctx: StepContext) -> None:
        """Create what is missing, from the source's catalog or the configured SQL file."""
        source = await read_side(ctx.source, ctx.settings.source.schema)
        async with connection(ctx.target, read_only=False) as session:
            existing = await read_catalog(session, ctx.settings.target.schema)
            blocking = [found for found in compare(source, existing) if found.fate == "blocks"]
            if blocking:
                raise RefusedError(
                    "the target's schema does not fit: "
                    + "; ".join(f"{b.name}: {b.detail}" for b in blocking),
                    where=ctx.target.address,
                    remedy="alter or move away these objects, then retry (s shows the whole comparison)",
                )
            schema_file = ctx.settings.target.schema_file
            if schema_file and not existing.tables:
                await apply_file(session, Path(schema_file))
            await ensure_schema(session, pre_data(source))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The target's schema stays: it is the new stack's own and harms nobody."""
        return None


async def read_side(side: Endpoint, schema: str) -> Catalog:
    """One side's catalog, read-only. Raises UnreachableError."""
    async with connection(side, read_only=True) as session:
        return await read_catalog(session, schema)


async def compare_sides(settings: Settings) -> tuple[Catalog, tuple[SchemaObject, ...]]:
    """The source's catalog and, object by object, what becomes of it; works before the target exists."""
    source = await read_side(endpoint(settings.source), settings.source.schema)
    try:
        target = await read_side(endpoint(settings.target), settings.target.schema)
    except UnreachableError:
        return source, compare(source, None)
    return source, compare(source, target)


def _names(objects: list[SchemaObject]) -> str:
    names = ", ".join(f"{found.kind} {found.name}" for found in objects[:6])
    return names + (f" and {len(objects) - 6} more" if len(objects) > 6 else "")
