"""`wsdash verify` and `wsdash schema`: both sides compared now, by content or object by object.

Nothing changes, and what was compared before is not asked. Where background jobs of the source would
disturb the comparison, a typed word answers whether they are paused.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from wsdash.cli.places import config_of, found_state
from wsdash.cli.printing import print_json, say
from wsdash.config import Settings, load_settings
from wsdash.data.timescaledb.jobs import BackgroundJob, scheduled_jobs
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.store import FILE
from wsdash.engine.operator.launch import engine_alive
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.source_jobs import paused_at_rest
from wsdash.errors import LockHeldError, UnreachableError, WsdashError
from wsdash.model import Notice, Recorded, SchemaObject
from wsdash.model.facts import API_TESTED
from wsdash.model.fold import fold_all
from wsdash.model.run import DIFFERS, EQUAL, MOVING
from wsdash.model.written import stamp
from wsdash.steps.base import endpoint
from wsdash.steps.database.scope import Compared, compare_sides
from wsdash.steps.database.verify import ComparedNow, changed_seeds, verify_now

FATES = ("blocks", "not-carried", "adapted", "created", "same")
FATE_SIGNS = {"blocks": "✗", "not-carried": "–", "adapted": "~", "created": "+", "same": "="}


def schema(arguments: argparse.Namespace) -> int:
    """Exit 0 when nothing blocks, 1 when something does, 2 for bad input or a side that cannot be reached."""
    state = found_state(arguments)
    settings = load_settings(config_of(arguments, state))
    try:
        found = asyncio.run(compare_sides(settings, rehearse=True))
    except UnreachableError as error:
        error.exit_code = 2
        raise
    blocks = sum(1 for one in found.objects if one.fate == "blocks")
    if arguments.json:
        print_json(_schema_as_json(settings, found, blocks))
    else:
        _print_schema(found, blocks)
    if found.unreached:
        say(f"wsdash: {found.unreached}; shown is what would be created", error=True)
        return 2
    return 1 if blocks else 0


def _schema_as_json(settings: Settings, found: Compared, blocks: int) -> dict[str, Any]:
    counts = Counter(one.fate for one in found.objects)
    target: dict[str, Any] = {"address": endpoint(settings.target).address, "schema": settings.target.schema}
    if found.target is None:
        target |= {"reached": False, "error": found.unreached}
    else:
        target |= {
            "reached": True,
            "server_version": found.target.server_version,
            "tables": len(found.target.tables),
            "schema_file_rehearsed": found.rehearsed,
            "ddl_rehearsed": found.trial.tried if found.trial is not None else None,
        }
    return {
        "source": {
            "address": endpoint(settings.source).address,
            "schema": settings.source.schema,
            "server_version": found.source.server_version,
            "timescaledb": found.source.timescaledb or None,
            "tables": len(found.source.tables),
        },
        "target": target,
        "mapping": str(found.mapping.path) if found.mapping is not None else None,
        "blocks": blocks,
        "counts": {fate: counts.get(fate, 0) for fate in FATES},
        "objects": msgspec.to_builtins(found.objects),
    }


def _print_schema(found: Compared, blocks: int) -> None:
    counts = Counter(one.fate for one in found.objects)
    say("   ".join(f"{FATE_SIGNS[fate]} {counts[fate]} {fate}" for fate in FATES if counts[fate]))
    for one in sorted(found.objects, key=_rank):
        say(
            f"{FATE_SIGNS.get(one.fate, '?')} {one.fate:<11} {one.kind:<18} "
            f"{one.name:<52} {one.detail}".rstrip()
        )
    if found.trial is not None:
        tried = f"{found.trial.tried} statements and {found.trial.rows} sample rows"
        say(f"{tried} were tried on the target's server and taken back")
    if found.rehearsed:
        say("the target's schema file was run for this comparison and taken back")
    say(f"{blocks} of {len(found.objects)} objects block" if blocks else "nothing blocks")


def _rank(one: SchemaObject) -> int:
    return FATES.index(one.fate) if one.fate in FATES else len(FATES)


PAUSE = "PAUSE"
"""What must be typed to have them paused."""


def ask_jobs(state: Path, config: Path | None) -> bool | None:
    """Whether the jobs are paused, as somebody at the terminal says; None where nobody is asked: no terminal,
    a setting that says it, an answer of this run, or no job that may start."""
    settings = load_settings(config)
    if settings.source.pause_jobs != "ask" or not sys.stdin.isatty() or _answered(state):
        return None
    jobs = asyncio.run(_scheduled(settings))
    if not jobs:
        return None
    say("background jobs of the source may start while rows are read:")
    for job in jobs:
        say(f"  {job.described}")
    try:
        typed = input(f"Type {PAUSE} to pause them until both sides were compared, Enter to leave them: ")
    except EOFError:
        typed = ""
    return typed.strip() == PAUSE


async def _scheduled(settings: Settings) -> list[BackgroundJob]:
    try:
        return await scheduled_jobs(endpoint(settings.source), settings.source.schema)
    except WsdashError:
        return []  # the run itself says why the source cannot be read


def _answered(state: Path) -> bool:
    if not (state / FILE).exists():
        return False
    reader = JournalReader(state)
    try:
        return fold_all(reader.history()).jobs_answer is not None
    finally:
        reader.close()


TABLE_SIGNS = {EQUAL: "✓", DIFFERS: "✗", MOVING: "?"}
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
        tables = [_table_as_json(verdict) for verdict in verdicts]
        found = {"at": began, "equal": well, "new_service_opened_at": opened, "how": HOW, "tables": tables}
        print_json(found | {"schema_file_rows_changed": seeds})
        return 0 if well else 1
    for verdict in verdicts:
        _print_table(verdict)
    for seed in seeds:
        say(f"{TABLE_SIGNS[DIFFERS]} rows that stay were changed or deleted: {seed}")
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


def _print_table(verdict: ComparedNow) -> None:
    table = verdict.table
    counts = f"{table.source_rows:,} rows"
    if table.source_rows != table.target_rows:
        counts = f"{table.source_rows:,} rows in the source, {table.target_rows:,} in the target"
    written = f"; written to meanwhile: {' and '.join(verdict.written)}" if verdict.written else ""
    moved = f"; {verdict.moved} differences had moved" if verdict.moved else ""
    say(f"{TABLE_SIGNS[verdict.how]} {table.name:<40} {verdict.how:<8} {counts}{written}{moved}")
    for line in verdict.differences:
        say(f"    {line}")


def _table_as_json(verdict: ComparedNow) -> dict[str, Any]:
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
