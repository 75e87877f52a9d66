"""Item migrate-data: every row copied in one snapshot, indexes and constraints built, sequences set."""

from __future__ import annotations

from pathlib import Path

from wsdash.data.backup.take import keep_copy
from wsdash.data.copy.indexes import builders_on, within_limit
from wsdash.data.copy.manifest import inspect_target
from wsdash.data.copy.run import CopyRequest, CopyResult, copied_state, copy_tables
from wsdash.data.pg.connect import connection
from wsdash.errors import WsdashError
from wsdash.model import Notice, StepId
from wsdash.model.facts import API_TESTED, FENCE, READ, STOPPED_AT, FenceNote
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.database.scope import read_scope, written_tables


class MigrateData:
    """Migrate data from TimescaleDB."""

    id: str = StepId.MIGRATE_DATA
    fence = False
    until_open = True

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's manifest in the target says that every table is complete, and they are; and,
        until the new service is open, when the old one has not run since. With force also the rows must be
        as they were copied.
        """
        scope = await read_scope(ctx.settings)
        async with connection(ctx.target, read_only=True) as session:
            state = await copied_state(session, scope.tables, ctx.run, scope.post)
            foreign = await inspect_target(session, scope.tables, ctx.run) if ctx.force else []
        if foreign:
            return Evidence(False, "to be written over, as asked: " + "; ".join(map(str, foreign)))
        fence = ctx.facts.get(FENCE)
        broken = fence is not None and fence["stopped_at"] != ctx.facts.get(STOPPED_AT)
        if state.complete and broken and ctx.facts.get(API_TESTED) is None:
            return Evidence(False, "the old service ran again after its rows were copied: they are compared")
        read = ctx.facts.get(READ) if state.complete else ""
        return Evidence(state.complete, state.text + (f"; {read}" if read else ""))

    async def act(self, ctx: StepContext) -> None:
        """Copy; with force, keep a copy of what the target holds and write over it. What is copied already
        and still equals the source is kept.
        """
        await ctx.facts.put(API_TESTED, None)  # what was compared and tested is not what will be there
        await ctx.facts.put(FENCE, FenceNote(stopped_at=ctx.facts.get(STOPPED_AT)))
        scope = await read_scope(ctx.settings, probe=True)
        if ctx.force:
            await self._keep_foreign(ctx)

        request = CopyRequest(
            source=ctx.source,
            target=ctx.target,
            tables=scope.tables,
            post=scope.post,
            sequences=scope.sequences,
            keys=scope.keys,
            snapshot=ctx.trial.snapshot if ctx.trial is not None else None,
            run=ctx.run,
            item=ctx.item,
            workers=ctx.settings.copy.workers,
            maintenance_work_mem=await _build_memory(ctx),
            force=ctx.force,
        )
        await self._copy(ctx, request)

    async def _copy(self, ctx: StepContext, request: CopyRequest) -> None:
        def tell(why: str) -> None:
            ctx.emit(Notice(level="warning", text=why, item=ctx.item))

        result = await copy_tables(request, ctx.emit, tell)
        await ctx.facts.put(READ, how_read(result))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The target's rows stay; what was written there after the migration is kept in a file first."""
        kept = await self._keep_foreign(ctx)
        if kept is None:
            return Evidence(
                True, "the target holds only what was copied from the source; nothing would be lost"
            )
        return Evidence(True, f"the target held rows of its own: all of it is kept in {kept}")

    async def _keep_foreign(self, ctx: StepContext) -> Path | None:
        """A file with everything the target holds, when it holds rows that this run did not copy."""
        tables = await written_tables(ctx.settings)
        async with connection(ctx.target, read_only=True) as session:
            foreign = await inspect_target(session, tables, ctx.run)
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


def how_read(result: CopyResult) -> str:
    """How it is known that no chunk of the source was rewritten meanwhile, in words."""
    anew = f"read anew {len(result.retakes)} times: {result.retakes[-1]}" if result.retakes else ""
    return "; ".join(note for note in (result.chunks, anew) if note)


async def _build_memory(ctx: StepContext) -> str:
    """copy.maintenance_work_mem, or less where the target's container has no room for all builds at once."""
    wanted = ctx.settings.copy.maintenance_work_mem
    target = ctx.settings.target
    try:
        readings = await ctx.stack.readings()
    except WsdashError:
        return wanted  # who does not tell a limit sets none
    limits = [
        one.memory_limit_bytes
        for one in readings
        if one.memory_limit_bytes and (one.name == target.label or target.port in one.ports)
    ]
    if not limits:
        return wanted
    limit, builders = min(limits), builders_on(ctx.target, ctx.settings.copy.workers)
    fitting = within_limit(wanted, limit, builders)
    if fitting != wanted:
        text = f"{builders} index builds at once get {fitting} each instead of {wanted}: {target.label}"
        text += f" is limited to {limit / 2**20:.0f} MiB"
        ctx.emit(Notice(level="info", text=text, item=ctx.item))
    return fitting
