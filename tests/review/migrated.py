"""A run in which every step is a small real effect, for what comes after a migration."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from pathlib import Path

from tests.engine.small_world import MakeFiles, Small
from wsdash.config import shipped
from wsdash.demo.days import Script, ScriptedDays
from wsdash.engine.options import EngineOptions
from wsdash.engine.process import serve
from wsdash.model import ItemKind, LoadRung, LoadTested, Phase, TableVerified
from wsdash.plan import load_plan
from wsdash.steps.base import Evidence, Step, StepContext


class Verifies(MakeFiles):
    """verify-data: tells one table that is equal."""

    async def check(self, ctx: StepContext) -> Evidence:
        """As MakeFiles, and the table."""
        evidence = await super().check(ctx)
        if evidence.holds:
            ctx.emit(TableVerified("workspace.workspace_items", 10, 10, "aa", "aa", True))
        return evidence


class Measures(MakeFiles):
    """benchmarks: tells one load test of each API, equally fast."""

    async def check(self, ctx: StepContext) -> Evidence:
        """As MakeFiles, and the loads."""
        evidence = await super().check(ctx)
        if evidence.holds:
            rung = LoadRung(1, 100, 0, 50.0, 0.02, 0.03, 0.03, 0.04)
            for api in ("baseline", "new"):
                ctx.emit(LoadTested(api, "http://here", "read", (rung,)))
        return evidence


KINDS = {"verify-data": Verifies, "benchmarks": Measures}


def options(directory: Path, **changes: object) -> tuple[Small, EngineOptions]:
    """An engine that runs the guide's plan on a small world, everything ticked."""
    small = Small(directory)
    for name in ("plan.yaml", "timeline.yaml"):
        shutil.copy(shipped("config", name), small.config / name)
    plan = load_plan(small.config)
    steps: dict[str, Step] = {}
    for item in plan.everything:
        if item.kind is ItemKind.AUTO:
            steps[item.id] = KINDS.get(item.id, MakeFiles)(item.id, small.work)
    made = small.options(steps=steps, auto=True, yes=True)
    return small, dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def lived(directory: Path, script: Script) -> Path:
    """The state of a run that was migrated and lived through that script."""
    small, made = options(directory, source=ScriptedDays(script) if script is not None else None)
    assert asyncio.run(serve(made)) == 0
    return small.state


def migrated(directory: Path) -> Path:
    """The state of a run that was migrated just now."""
    small, made = options(directory)
    assert asyncio.run(serve(made)) == 0
    return small.state


__all__ = ["Phase", "lived", "migrated", "options"]
