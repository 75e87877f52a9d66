"""Item verify-data: equal by content, every row of every table, on one snapshot a side."""

from __future__ import annotations

from typing import Any

from wsdash.data.verify import verify_tables
from wsdash.errors import WsdashError
from wsdash.steps.api_tests import RESULT as API_TESTED
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.carried import read_carried

RESULT = "verify.result"
"""The fact that holds the last comparison: {"holds", "text"}."""


class VerifyData:
    """Verify data integrity."""

    id = "verify-data"

    async def check(self, ctx: StepContext) -> Evidence:
        """Compare both sides now. Once the new service is open for writes, the comparison made before that
        stands: the target is then meant to differ.
        """
        stored: dict[str, Any] | None = ctx.facts.get(RESULT)
        if stored is not None and stored["holds"] and ctx.facts.get(API_TESTED) is not None:
            return Evidence(True, stored["text"] + " (compared before the new service was opened)")
        carried = await read_carried(ctx.settings)
        results = await verify_tables(
            ctx.source,
            ctx.target,
            carried.tables,
            on_table=ctx.emit,
            workers=ctx.settings.copy.workers,
        )
        differing = [result for result in results if not result.match]
        if differing:
            lines = "; ".join(
                f"{result.name}: {result.source_rows:,} rows in the source, "
                f"{result.target_rows:,} in the target"
                + (f", first: {result.differences[0]}" if result.differences else "")
                for result in differing
            )
            evidence = Evidence(False, f"{len(differing)} of {len(results)} tables differ: {lines}")
        else:
            rows = sum(result.source_rows for result in results)
            each = ", ".join(f"{r.name} {r.source_rows:,} ({r.source_checksum[:12]}…)" for r in results)
            evidence = Evidence(True, f"{rows:,} rows in {len(results)} tables are equal by content: {each}")
        await ctx.facts.put(RESULT, {"holds": evidence.holds, "text": evidence.text})
        return evidence

    async def act(self, ctx: StepContext) -> None:
        """A difference is never talked away: raises WsdashError that names the way out."""
        stored: dict[str, Any] = ctx.facts.get(RESULT) or {"text": "the sides were not compared"}
        raise WsdashError(
            stored["text"],
            where=f"{ctx.source.address} and {ctx.target.address}",
            remedy="look at the differing rows (press d), then migrate again with --force, or roll back",
        )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The comparison no longer stands."""
        await ctx.facts.put(RESULT, None)
        return None
