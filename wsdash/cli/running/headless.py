"""`wsdash migrate`, `rollback` and `restore FILE`: the engine, or a backup, in the foreground, printing."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from wsdash.cli.looking.compare import ask_jobs
from wsdash.cli.places import config_of, needed_state, own_state
from wsdash.cli.plain import printer
from wsdash.cli.printing import say
from wsdash.config import load_settings
from wsdash.data.backup.take import load_manifest
from wsdash.data.restore.run import restore_backup
from wsdash.data.restore.source import restore_missing_into_source
from wsdash.engine.operator.launch import run_mode
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.options import Keep
from wsdash.engine.process import EngineOptions, serve
from wsdash.engine.run.intents import SIDES
from wsdash.engine.run.recorder import note_restore
from wsdash.errors import InputError
from wsdash.model import (
    AnyEvent,
    Mode,
    Progress,
)
from wsdash.model.run import GIVE_UP, ROLLBACK
from wsdash.review.report.build import write_report
from wsdash.steps.base import endpoint


def run_engine(options: EngineOptions, report: Path | None) -> int:
    """Run the engine here until it ends; then write the report. Returns the exit code."""
    if report is not None and not report.absolute().parent.is_dir():
        raise InputError(
            "the report's directory does not exist",
            where=str(report),
            remedy="make it, or name another with --report",
        )
    code = asyncio.run(serve(options))
    if report is not None:
        write_report(options.state, report, options.config)
        say(f"report: {report}")
    return code


def migrate(arguments: argparse.Namespace) -> int:
    """`wsdash migrate`."""
    _refuse_idle(arguments)
    state = own_state(arguments)
    config = config_of(arguments, state)
    asks = not (arguments.yes or arguments.dry_run)
    options = EngineOptions(
        state=state,
        config=config,
        pause_jobs=ask_jobs(state, config) if asks else None,
        mode=arguments.mode or "",
        auto=not arguments.dry_run,
        yes=arguments.yes,
        until=arguments.until,
        from_item=arguments.from_item,
        dry_run=arguments.dry_run,
        force=arguments.force,
        phrase=confirm_phrase("OVERWRITE", "the target's rows will be replaced", arguments.yes)
        if arguments.force
        else "",
        exit_when_done=True,
        take_over=arguments.take_over,
        abandon_rollback=arguments.abandon_rollback,
        on_event=printer(),
    )
    return run_engine(options, arguments.report)


def _refuse_idle(arguments: argparse.Namespace) -> None:
    """Raises InputError for options that would be taken and do nothing."""
    if not arguments.dry_run:
        return
    for option, given in (
        ("--force", arguments.force),
        ("--report", arguments.report is not None),
        ("--abandon-rollback", arguments.abandon_rollback),
        ("--take-over", arguments.take_over),
    ):
        if given:
            raise InputError(
                f"{option} does nothing in a dry run: no item acts and nothing is recorded",
                where=option,
                remedy=f"leave out {option}, or --dry-run",
            )


def rollback(arguments: argparse.Namespace) -> int:
    """`wsdash rollback`: undo every item in reverse order."""
    state = needed_state(arguments)
    if arguments.restore is not None:
        load_manifest(arguments.restore)
    if arguments.give_up_writes and run_mode(state) != Mode.ONLINE:
        raise InputError(
            "a rollback of mode offline carries nothing back: there is nothing to give up",
            where="--give-up-writes",
            remedy="leave it out; what users wrote to the new database is kept in a file",
        )
    confirm_phrase(*_word(arguments), arguments.yes)
    options = EngineOptions(
        state=state,
        config=config_of(arguments, state),
        rollback=True,
        restore=str(arguments.restore.absolute()) if arguments.restore is not None else "",
        keep=_keep(arguments),
        give_up=arguments.give_up_writes,
        exit_when_done=True,
        take_over=arguments.take_over,
        on_event=printer(),
    )
    return run_engine(options, arguments.report)


def _word(arguments: argparse.Namespace) -> tuple[str, str]:
    """What must be typed for the rollback, and what it does."""
    does = "the new stack will be stopped and the old service started"
    if arguments.give_up_writes:
        lost = "what users wrote to the new database is lost where it cannot be carried back"
        return GIVE_UP, f"{does}; {lost}"
    return ROLLBACK, does


def _keep(arguments: argparse.Namespace) -> Keep:
    """What was chosen of rows that both sides changed. Raises InputError."""
    rows = {}
    for line in arguments.keep_row:
        name, _, side = line.rpartition("=")
        if not name or side not in SIDES:
            raise InputError(
                f"{line!r} names no row and side",
                where="--keep-row",
                remedy="give it as 'ID=source' or 'ID=target'; the rollback that stopped names the IDs",
            )
        rows[name] = side
    return Keep(arguments.keep or "", rows)


def confirm_phrase(word: str, consequence: str, yes: bool) -> str:
    """Have the word typed (or --yes said). Raises InputError when it was not."""
    if yes:
        return word
    if not sys.stdin.isatty():
        raise InputError(
            f"{consequence}: this wants a typed confirmation", where="standard input", remedy="add --yes"
        )
    try:
        typed = input(f"{consequence}. Type {word} to go on: ").strip()
    except EOFError:
        typed = ""
    if typed != word:
        raise InputError("not confirmed; nothing was changed", where="standard input", remedy=f"type {word}")
    return word


def restore(arguments: argparse.Namespace) -> int:
    """Restore a backup; nothing is changed unless the file is whole and the target may be written."""
    state = own_state(arguments)
    config = config_of(arguments, state)
    settings = load_settings(config)
    if arguments.replace and arguments.to == "source":
        raise InputError(
            "--replace does nothing with --to source: rows there are never replaced",
            where="--replace",
            remedy="leave it out: what the source lacks is filled, what it holds stays",
        )
    side = endpoint(settings.target if arguments.to == "target" else settings.source)
    if arguments.replace:
        confirm_phrase(
            "REPLACE", f"what {side.address} holds will be replaced, a copy is kept", arguments.yes
        )
    with OperatorLock.held(state, take_over=arguments.take_over):
        asyncio.run(note_restore(state, config, arguments.to, arguments.file))
        if arguments.to == "source":
            done = asyncio.run(
                restore_missing_into_source(arguments.file, side, item="restore", on_progress=_show())
            )
        else:
            done = asyncio.run(
                restore_backup(
                    arguments.file, side, replace=arguments.replace, item="restore", on_progress=_show()
                )
            )
    rows = sum(done.rows.values())
    say(f"restored {rows:,} rows of {len(done.rows)} tables into {side.address}")
    for name, count in sorted(done.rows.items()):
        say(f"  {name:<40} {count:>12,}")
    for note in done.notes:
        say(f"  {note}")
    return 0


def _show() -> Callable[[AnyEvent], None]:
    last = 0.0

    def show(event: AnyEvent) -> None:
        nonlocal last
        if isinstance(event, Progress) and (event.finished or time.monotonic() - last > 1):
            last = time.monotonic()
            say(f"  {event.activity} {event.subject}: {event.rows:,} rows")

    return show
