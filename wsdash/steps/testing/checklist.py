"""The guide's testing checklist: each line a step that tries it and remembers what it saw."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wsdash.model.facts import Fact, Tried, result_of
from wsdash.steps.base import Evidence, Step, StepContext
from wsdash.steps.testing.api import (
    categories_populated,
    dashboard_loads,
    get_latency,
    list_items,
    post_latency,
    try_create,
    try_delete,
    try_update,
)
from wsdash.steps.testing.stack import (
    branching_works,
    graceful_shutdown,
    health_checks,
    memory_acceptable,
    metrics_respond,
    no_errors,
)

Trial = Callable[[StepContext], Awaitable[Evidence]]
"""Tries one line of the list, cleans up after itself and tells what it saw."""


@dataclass
class TestStep:
    """One automatic line. Its evidence is what its newest trial in this run saw."""

    __test__ = False

    id: str
    trial: Trial

    async def check(self, ctx: StepContext) -> Evidence:
        """What the trial saw; a trial is a step's act, never its check."""
        result = ctx.facts.get(self._fact)
        if result is None or result["at"] < ctx.options.get("since", 0.0):
            return Evidence(False, "not tried in this run")
        return Evidence(
            result["holds"],
            result["text"],
            result.get("insufficient", False),
            remedy=result.get("remedy", ""),
        )

    async def act(self, ctx: StepContext) -> None:
        """Try it and remember what was seen."""
        await ctx.facts.put(self._fact, None)
        seen = await self.trial(ctx)
        tried: Tried = {
            "holds": seen.holds,
            "text": seen.text,
            "insufficient": seen.insufficient,
            "remedy": seen.remedy,
            "at": time.time(),
        }
        await ctx.facts.put(self._fact, tried)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """A trial leaves nothing."""
        return None

    @property
    def _fact(self) -> Fact[Tried]:
        return result_of(self.id)


TRIALS: dict[str, Trial] = {
    "test-list": list_items,
    "test-create": try_create,
    "test-update": try_update,
    "test-delete": try_delete,
    "test-dashboard": dashboard_loads,
    "test-categories": categories_populated,
    "test-get-latency": get_latency,
    "test-post-latency": post_latency,
    "test-no-errors": no_errors,
    "test-memory": memory_acceptable,
    "test-branching": branching_works,
    "test-metrics": metrics_respond,
    "test-health": health_checks,
    "test-shutdown": graceful_shutdown,
}


def testing_steps() -> list[Step]:
    """A step for every automatic line of the testing checklist."""
    return [TestStep(name, trial) for name, trial in TRIALS.items()]
