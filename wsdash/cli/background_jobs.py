"""The question about the source's background jobs without a screen: a typed word."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wsdash.cli.printing import say
from wsdash.config import Settings, load_settings
from wsdash.data.timescaledb.jobs import BackgroundJob, scheduled_jobs
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.store import FILE
from wsdash.errors import WsdashError
from wsdash.model.fold import fold_all
from wsdash.steps.base import endpoint

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
