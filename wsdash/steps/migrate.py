"""Item migrate-data: every row carried in one snapshot, indexes and constraints built, sequences set."""

from __future__ import annotations

from pathlib import Path

from wsdash.data.backup import keep_copy
from wsdash.data.catalog import Catalog
from wsdash.data.connect import connection
from wsdash.data.copy import CopyRequest, copied_state, copy_tables
from wsdash.data.ddl import post_data, sequence_values
from wsdash.data.manifest import inspect_target
from wsdash.model import Notice
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.schema import read_side


class MigrateData:
    """Migrate data from TimescaleDB."""

    id = "migrate-data"

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's manifest in the target says that every table is complete, and they are."""
        source = await read_side(ctx.source, ctx.settings.source.schema)
        async with connection(ctx.target, read_only=True) as session:
            state = await copied_state(session, source.tables, ctx.run, post_data(source))
        return Evidence(state.complete, state.text)

    async def act(self, ctx: StepContext) -> None:
        """Copy; with force, keep a copy of what the target holds and write over it."""
        source = await read_side(ctx.source, ctx.settings.source.schema)
        if ctx.force:
            await self._keep_foreign(ctx, source)

        request = CopyRequest(
            source=ctx.source,
            target=ctx.target,
            tables=source.tables,
            post=post_data(source),
            sequences=lambda session: sequence_values(session, source),
            run=ctx.run,
            item=ctx.item,
            workers=ctx.settings.copy.workers,
            maintenance_work_mem=ctx.settings.copy.maintenance_work_mem,
            force=ctx.force,
        )
        await copy_tables(request, ctx.emit)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The target's rows stay; what was written there after the migration is kept in a file first."""
        source = await read_side(ctx.source, ctx.settings.source.schema)
        kept = await self._keep_foreign(ctx, source)
        if kept is None:
            return Evidence(
                True, "the target holds only what was copied from the source; nothing would be lost"
            )
        return Evidence(True, f"the target held rows of its own: all of it is kept in {kept}")

    async def _keep_foreign(self, ctx: StepContext, source: Catalog) -> Path | None:
        """A file with everything the target holds, when it holds rows that this run did not copy."""
        async with connection(ctx.target, read_only=True) as session:
            foreign = await inspect_target(session, source.tables, ctx.run)
        if not foreign:
            return None
        manifest = await keep_copy(
            ctx.target,
            ctx.settings.target.schema,
            Path(ctx.settings.paths.backups),
            prefix="target-before-overwrite" if ctx.force else "target-before-rollback",
            item=ctx.item,
            on_progress=ctx.emit,
            run=ctx.run,
        )
        ctx.emit(
            Notice(level="warning", text=f"the target's rows are kept in {manifest.path}", item=ctx.item)
        )
        return manifest.path
