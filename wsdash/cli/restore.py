"""`wsdash restore FILE`: the guide's Option A, a backup into the new database (or what the source lacks)."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable

from wsdash.cli.headless import confirm_phrase
from wsdash.cli.places import config_of, own_state
from wsdash.cli.printing import say
from wsdash.config import load_settings
from wsdash.data.restore.run import restore_backup, restore_missing_into_source
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.run.migration import note_restore
from wsdash.errors import InputError
from wsdash.model import AnyEvent, Progress
from wsdash.steps.base import endpoint


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
