"""A person's word on an item, confirmed or skipped, without a screen: through the engine, or at rest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from wsdash.engine.journal.redact import redactor_for
from wsdash.engine.journal.writer import Journal
from wsdash.engine.operator.launch import LOG_FILE
from wsdash.engine.run.perform import Performer
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.run.runner import Runner
from wsdash.engine.world import load_world
from wsdash.model import Intent, Reply
from wsdash.model.fold import fold_all
from wsdash.steps.base import Step, StepContext


async def tick_at_rest(
    state: Path, config: Path | None, intent: Intent, steps: dict[str, Step] | None = None
) -> Reply:
    """Record an intent `confirm` or `skip` with no engine alive, by the rules that the engine itself keeps.

    The caller holds the operator's lock. steps replace the shipped ones. Raises InputError.
    """
    world = await asyncio.to_thread(load_world, config, steps)
    journal = await asyncio.to_thread(Journal.open, state)
    try:
        journal.redactor = await asyncio.to_thread(redactor_for, world.settings, state)
        recorder = Recorder(journal, fold_all(await journal.history()), lambda _: None, state / LOG_FILE)
        runner = Runner(world.plan, Performer(recorder, world.steps, _no_context, world.plan), recorder)
        return await runner.handle(intent)
    finally:
        await journal.close()


def _no_context(item: str, force: bool, options: dict[str, Any]) -> StepContext:
    raise AssertionError(f"{item} is only ticked: no step runs here")
