"""Item init-neon: the target has the schema that the rows need, without its hypertable machinery."""

from __future__ import annotations

from pathlib import Path

from wsdash.data.catalog.read import read_catalog
from wsdash.data.mapping.check import fit
from wsdash.data.mapping.objects import reduced
from wsdash.data.mapping.seed_rows import note_seed_rows
from wsdash.data.pg.connect import connection
from wsdash.data.pg.transactions import transaction
from wsdash.data.pg.transfer import server_words
from wsdash.data.rehearsal.trial_database import end_trial, read_mark
from wsdash.data.schema.apply import apply_file, ensure_schema
from wsdash.data.schema.compare import compare
from wsdash.data.schema.ddl import before_rows, pre_data
from wsdash.errors import RefusedError
from wsdash.model import Mode, Notice, SchemaCompared, SchemaObject, StepId
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.database.scope import RECOGNISED, compare_sides, read_mapping, recognise_rows
from wsdash.steps.limits import CONTAINER_READY_SECONDS
from wsdash.steps.services.readiness import api_state, wait_for_api


class InitNeon:
    """Initialize Neon database."""

    id: str = StepId.INIT_NEON
    fence = False
    until_open = True

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when every table, column, type, function and sequence that the rows need is in the target."""
        if await self._left_by(ctx):
            return Evidence(False, "a rehearsal that was killed left its copy in the target's place")
        found = await compare_sides(ctx.settings, rehearse=ctx.dry)
        ctx.emit(SchemaCompared(objects=found.objects))
        made = found.source if found.mapping is None else reduced(found.source, found.mapping)
        first = before_rows(made)
        own = (
            {f"{ctx.settings.target.schema}.{name}" for name in found.mapping.tables} if found.mapping else {}
        )
        needed = [
            one
            for one in found.objects
            if (one.kind, one.name) in first or (one.kind == "table" and one.name in own)
        ]
        if found.unknown:
            text = "the schema file was run by hand: which rows are its own is still to be found out"
            return Evidence(False, f"{text} ({', '.join(found.unknown)})")
        blocking = [one for one in found.objects if one.fate == "blocks"]
        missing = [one for one in needed if one.fate == "created"]
        if blocking:
            return Evidence(False, "blocked by " + _names(blocking))
        if missing:
            return Evidence(False, f"{len(missing)} objects are missing: {_names(missing)}")
        if not found.source.tables:
            return Evidence(
                False,
                f"the source's schema {ctx.settings.source.schema} has no table: there is nothing to move",
                insufficient=True,
                remedy="correct source.schema (and source.database) in wsdash.yaml",
            )
        tables = sum(1 for one in needed if one.kind == "table" and one.fate in ("same", "adapted"))
        left = sum(1 for one in found.objects if one.fate == "not-carried")
        why = "hypertable machinery" if found.mapping is None else "see the schema panel for the reasons"
        return Evidence(
            True,
            f"{tables} tables and {len(needed) - tables} further objects are in the target's schema "
            f"{ctx.settings.target.schema}; {left} of the source are not carried ({why})"
            + await api_state(ctx),
        )

    async def act(self, ctx: StepContext) -> None:
        """As _create, then wait for the API, whose health needs the tables; online it refuses all until the
        switch, so nothing is waited for.
        """
        await self._create(ctx)
        await wait_for_api(ctx, CONTAINER_READY_SECONDS if ctx.mode == Mode.OFFLINE else 0.0)

    async def _create(self, ctx: StepContext) -> None:
        """Create what is missing, from the source's catalog or the configured SQL file.

        The file is run and the mapping asked in one transaction: a mapping that does not fit leaves nothing.
        """
        if await self._left_by(ctx):
            await end_trial(ctx.target)
        mapping = await read_mapping(ctx.settings)
        settings = ctx.settings.target
        async with (
            connection(ctx.source, read_only=True) as old,
            connection(ctx.target, read_only=False) as session,
        ):
            source = await read_catalog(old, ctx.settings.source.schema)
            rest = source if mapping is None else reduced(source, mapping)
            async with transaction(session):
                existing = await read_catalog(session, settings.schema)
                if settings.schema_file and not existing.tables:
                    await apply_file(session, Path(settings.schema_file))
                    existing = await read_catalog(session, settings.schema)
                    await note_seed_rows(session, existing.tables)
                elif (reason := await recognise_rows(ctx.settings, session, existing)) is not None:
                    ctx.emit(Notice("warning" if reason else "info", reason or RECOGNISED, ctx.item))
                blocking = [one for one in compare(rest, existing) if one.fate == "blocks"]
                if blocking:
                    raise RefusedError(
                        "the target's schema does not fit: "
                        + "; ".join(f"{b.name}: {b.detail}" for b in blocking),
                        where=ctx.target.address,
                        remedy="alter or move away these objects, then retry (s shows the whole comparison)",
                    )
                if mapping is not None:
                    await fit(mapping, (old, source), (session, existing))
            await ensure_schema(session, pre_data(rest))

    async def _left_by(self, ctx: StepContext) -> bool:
        """Whether the target's database is the copy of another rehearsal than the one we are part of."""
        async with connection(ctx.target, read_only=True) as session:
            with server_words(ctx.target, "reading whose database it is", "then retry"):
                mark = await read_mark(session)
        return mark is not None and mark.run != ctx.run

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The target's schema stays: it is the new stack's own and harms nobody."""
        return None


def _names(objects: list[SchemaObject]) -> str:
    names = ", ".join(f"{found.kind} {found.name}" for found in objects[:6])
    return names + (f" and {len(objects) - 6} more" if len(objects) > 6 else "")
