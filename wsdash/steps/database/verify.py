"""Both sides compared by content: item verify-data, on one snapshot a side; and at any other time.

At any time means on sides that may be written to meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wsdash.config import Settings
from wsdash.data.mapping.seed_rows import changed_seed_rows
from wsdash.data.pg.connect import connection
from wsdash.data.pg.transfer import server_words
from wsdash.data.snapshot.chunk_states import read_anew
from wsdash.data.snapshot.hold import open_snapshot
from wsdash.data.tables.shape import source_tables
from wsdash.data.verify.checksum import checksum_table
from wsdash.data.verify.run import verify_tables
from wsdash.errors import InputError, WsdashError
from wsdash.model import Notice, StepId, TableVerified
from wsdash.model.facts import API_TESTED, STOPPED_AT, VERIFIED, ComparedSides
from wsdash.model.run import DIFFERS, EQUAL, MOVING
from wsdash.steps.base import Evidence, StepContext, endpoint
from wsdash.steps.database.scope import read_scope
from wsdash.steps.limits import COMPARE_PAUSE_SECONDS

BEFORE = " (compared before the new service was opened)"


class VerifyData:
    """Verify data integrity."""

    id: str = StepId.VERIFY_DATA

    async def check(self, ctx: StepContext) -> Evidence:
        """Compare both sides now. Once the new service is open for writes, the comparison made before that
        counts: the target is then meant to differ. The source is not: when the old service ran again since,
        it is held against what it was.
        """
        stored = ctx.facts.get(VERIFIED)
        if stored is not None and stored["holds"] and ctx.facts.get(API_TESTED) is not None:
            if "stopped_at" in stored and stored["stopped_at"] != ctx.facts.get(STOPPED_AT):
                return await self._since_opened(ctx, stored)
            return Evidence(True, stored["text"] + BEFORE)
        scope = await read_scope(ctx.settings)
        results = await verify_tables(
            ctx.source,
            ctx.target,
            scope.tables,
            on_table=ctx.emit,
            workers=ctx.settings.copy.workers,
            on_retake=lambda why: ctx.emit(Notice(level="warning", text=why, item=ctx.item)),
            snapshot=ctx.trial.snapshot if ctx.trial is not None else None,
        )
        async with connection(ctx.target, read_only=True) as session:
            seeds = await changed_seed_rows(session)
        evidence = self._evidence(results, seeds)
        if evidence.insufficient:
            return evidence
        checksums = {result.name: result.source_checksum for result in results}
        found = ComparedSides(
            holds=evidence.holds,
            text=evidence.text,
            source=checksums,
            stopped_at=ctx.facts.get(STOPPED_AT),
        )
        await ctx.facts.put(VERIFIED, found)
        return evidence

    def _evidence(self, results: Sequence[TableVerified], seeds: Sequence[str] = ()) -> Evidence:
        """What was found. seeds: rows of the target's own that should have stayed as they were."""
        differing = [result for result in results if not result.match]
        if not results:
            text = "no table was compared: the source's schema has none that is carried"
            return Evidence(False, text, insufficient=True, remedy="correct source.schema in wsdash.yaml")
        if differing:
            lines = "; ".join(
                f"{result.name}: {result.source_rows:,} rows in the source, "
                f"{result.target_rows:,} in the target"
                + (f", first: {result.differences[0]}" if result.differences else "")
                for result in differing
            )
            return Evidence(False, f"{len(differing)} of {len(results)} tables differ: {lines}")
        if seeds:
            return Evidence(False, f"rows that stay were changed or deleted: {'; '.join(seeds)}")
        rows = sum(result.source_rows for result in results)
        each = ", ".join(f"{r.name} {r.source_rows:,} ({r.source_checksum[:12]}…)" for r in results)
        return Evidence(True, f"{rows:,} rows in {len(results)} tables are equal by content: {each}")

    async def _since_opened(self, ctx: StepContext, stored: ComparedSides) -> Evidence:
        """Whether the source is what it was when the sides were compared: nobody wrote to the old service."""
        scope = await read_scope(ctx.settings)

        async def read() -> list[str]:
            changed = []
            async with open_snapshot(ctx.source, source_tables(scope.tables)) as snapshot:
                for table in scope.tables:
                    with server_words(ctx.source, f"reading {table.qualified} again", "then retry"):
                        now = await checksum_table(snapshot.conn, table)
                    if now.checksum != stored["source"].get(table.qualified):
                        changed.append(f"{table.qualified} ({now.rows:,} rows now)")
                await snapshot.require_unmoved()
            return changed

        changed = await read_anew(
            read, lambda why: ctx.emit(Notice(level="warning", text=why, item=ctx.item))
        )
        if not changed:
            await ctx.facts.put(VERIFIED, stored | {"stopped_at": ctx.facts.get(STOPPED_AT), "diverged": ""})
            return Evidence(
                True, stored["text"] + BEFORE + "; the old service ran since, and changed nothing"
            )
        text = (
            "the old service ran again after the new one was opened, and was written to: "
            f"{', '.join(changed)}; the target does not have these changes"
        )
        await ctx.facts.put(VERIFIED, stored | {"diverged": text})
        return Evidence(False, text)

    async def act(self, ctx: StepContext) -> None:
        """A difference is never talked away: raises WsdashError that names the way out."""
        stored: ComparedSides = ctx.facts.get(VERIFIED) or {"text": "the sides were not compared"}
        if stored.get("diverged"):
            raise WsdashError(
                stored["diverged"],
                where=ctx.source.address,
                remedy="bring these changes over by hand and skip this item with that reason, or roll back",
            )
        raise WsdashError(
            stored["text"],
            where=f"{ctx.source.address} and {ctx.target.address}",
            remedy="look at the differing rows (press d), then migrate again with --force, or roll back",
        )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The comparison no longer counts."""
        await ctx.facts.put(VERIFIED, None)
        return None


@dataclass(frozen=True)
class ComparedNow:
    """One table. how: equal; differs (differences that were seen twice); moving (all of them moved, or the
    table is written to faster than it can be compared: no answer). written: the sides that were written to
    between the two comparisons. differences: those seen twice; moved: how many others there were."""

    table: TableVerified
    how: str
    written: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    moved: int = 0


async def verify_now(
    settings: Settings,
    on_table: Callable[[TableVerified], None] = lambda _: None,
    *,
    pause: float = COMPARE_PAUSE_SECONDS,
) -> list[ComparedNow]:
    """Compare every table that is migrated. Writes nothing. Raises InputError where there is no table,
    UnreachableError and WsdashError.
    """
    source, target = endpoint(settings.source), endpoint(settings.target)
    tables = (await read_scope(settings)).tables
    if not tables:
        raise InputError(
            f"schema {settings.source.schema} of {source.address} has no table to compare",
            where="wsdash.yaml, key source.schema",
            remedy="correct source in wsdash.yaml",
        )
    workers = settings.copy.workers
    first = await verify_tables(source, target, tables, on_table=on_table, workers=workers)
    differing = [table for table, found in zip(tables, first, strict=True) if not found.match]
    again: dict[str, TableVerified] = {}
    if differing:
        await asyncio.sleep(pause)
        second = await verify_tables(source, target, differing, on_table=on_table, workers=workers)
        again = {found.name: found for found in second}
    return [judge(found, again.get(found.name)) for found in first]


async def changed_seeds(settings: Settings) -> list[str]:
    """The target's tables whose rows from the schema file, where they stay, were changed or deleted.

    Raises UnreachableError and WsdashError.
    """
    async with connection(endpoint(settings.target), read_only=True) as session:
        return await changed_seed_rows(session)


def judge(first: TableVerified, second: TableVerified | None) -> ComparedNow:
    """What two comparisons of a table say; second: None where the first found it equal."""
    if second is None:
        return ComparedNow(first, EQUAL)
    sides = (
        ("source", first.source_checksum != second.source_checksum),
        ("target", first.target_checksum != second.target_checksum),
    )
    written = tuple(name for name, changed in sides if changed)
    if second.match:
        return ComparedNow(second, EQUAL, written, moved=max(1, len(first.differences)))
    if not written:
        return ComparedNow(second, DIFFERS, (), second.differences)
    stand = tuple(line for line in second.differences if line in first.differences)
    moved = len({*first.differences, *second.differences}) - len(stand)
    return ComparedNow(second, DIFFERS if stand else MOVING, written, stand, moved)
