"""`wsdash verify`: both sides compared by content, now; what was compared before is not asked."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from wsdash.cli.background_jobs import ask_jobs
from wsdash.cli.places import config_of, found_state
from wsdash.cli.printing import print_json, say
from wsdash.config import Settings, load_settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.store import FILE
from wsdash.engine.operator.launch import engine_alive
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.source_jobs import paused_at_rest
from wsdash.errors import LockHeldError
from wsdash.model import Notice, Recorded
from wsdash.model.comparison import DIFFERS, EQUAL, MOVING
from wsdash.model.facts import API_TESTED
from wsdash.model.written import stamp
from wsdash.steps.comparing.verify_now import ComparedNow, changed_seeds, verify_now

GLYPHS = {EQUAL: "✓", DIFFERS: "✗", MOVING: "?"}
HOW = (
    "tables that differ were compared twice: a difference seen both times counts, one that changed meanwhile "
    "is a row that was being written"
)


def verify(arguments: argparse.Namespace) -> int:
    """Exit 0 when every table is equal, 1 when one differs or is written to too fast for an answer."""
    state = found_state(arguments)
    settings = load_settings(config_of(arguments, state))
    began = time.time()
    verdicts = _compare(arguments, settings, state)
    seeds = asyncio.run(changed_seeds(settings))
    opened = _opened_at(state)
    well = all(verdict.how == EQUAL for verdict in verdicts) and not seeds
    if arguments.json:
        tables = [_built(verdict) for verdict in verdicts]
        found = {"at": began, "equal": well, "new_service_opened_at": opened, "how": HOW, "tables": tables}
        print_json(found | {"schema_file_rows_changed": seeds})
        return 0 if well else 1
    for verdict in verdicts:
        _print(verdict)
    for seed in seeds:
        say(f"{GLYPHS[DIFFERS]} rows that stay were changed or deleted: {seed}")
    rows = sum(verdict.table.source_rows for verdict in verdicts)
    if well:
        say(f"{rows:,} rows in {len(verdicts)} tables are equal by content, now")
        return 0
    if any(verdict.how != EQUAL for verdict in verdicts):
        say(HOW)
    if opened is not None:
        say(
            f"the new service takes writes since {stamp(opened)}: "
            "what its users changed differs rightly from then on"
        )
    return 1


def _compare(arguments: argparse.Namespace, settings: Settings, state: Path | None) -> list[ComparedNow]:
    """Both sides compared; the source's background jobs are paused meanwhile where a person agreed to that
    and a journal can note it. A living engine has its own say about them."""
    config = config_of(arguments, state) if state is not None else None
    if state is None or not (state / FILE).exists() or engine_alive(state) is not None:
        return asyncio.run(verify_now(settings))
    answer = None if arguments.json else ask_jobs(state, config)
    if answer is False or not settings.source.pause_jobs:
        return asyncio.run(verify_now(settings))

    async def compare(state: Path) -> list[ComparedNow]:
        async with paused_at_rest(state, config, answer, _tell):
            return await verify_now(settings)

    try:
        with OperatorLock.held(state):
            return asyncio.run(compare(state))
    except LockHeldError:
        return asyncio.run(verify_now(settings))


def _tell(recorded: Recorded) -> None:
    if isinstance(recorded.event, Notice):
        say(recorded.event.text, error=True)


def _print(verdict: ComparedNow) -> None:
    table = verdict.table
    counts = f"{table.source_rows:,} rows"
    if table.source_rows != table.target_rows:
        counts = f"{table.source_rows:,} rows in the source, {table.target_rows:,} in the target"
    written = f"; written to meanwhile: {' and '.join(verdict.written)}" if verdict.written else ""
    moved = f"; {verdict.moved} differences had moved" if verdict.moved else ""
    say(f"{GLYPHS[verdict.how]} {table.name:<40} {verdict.how:<8} {counts}{written}{moved}")
    for line in verdict.differences:
        say(f"    {line}")


def _built(verdict: ComparedNow) -> dict[str, Any]:
    table = verdict.table
    return {
        "name": table.name,
        "verdict": verdict.how,
        "source_rows": table.source_rows,
        "target_rows": table.target_rows,
        "source_checksum": table.source_checksum,
        "target_checksum": table.target_checksum,
        "written_meanwhile": list(verdict.written),
        "differences": list(verdict.differences),
        "differences_that_moved": verdict.moved,
    }


def _opened_at(state: Path | None) -> float | None:
    """When the new service was opened for writes in this run; None where it was not, or there is no run."""
    if state is None or not (state / FILE).exists():
        return None
    reader = JournalReader(state)
    try:
        tested = API_TESTED.of(reader.facts())
    finally:
        reader.close()
    return float(tested["at"]) if tested else None
