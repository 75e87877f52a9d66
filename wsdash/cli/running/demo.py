"""`wsdash demo`: the embedded world, with or without a screen.

The engine's rooms take a quarter of a second to import: what a screen does without is imported where it is
used.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from wsdash.cli.places import make
from wsdash.cli.printing import say
from wsdash.errors import InputError

LIVELY = "incidents"
AN_HOUR_A_SECOND = 3600.0
SERVERS = ("source", "target", "pageserver", "safekeeper")
"""The world's servers: their data goes with a temporary world."""


def demo(arguments: argparse.Namespace) -> int:
    """`wsdash demo`."""
    if arguments.config is not None:
        raise InputError(
            "the demo writes a configuration of its own, for the ports and passwords of its world",
            where=f"--config {arguments.config}",
            remedy="leave --config out; WSDASH__SECTION__KEY in the environment changes a single value",
        )
    if arguments.then_rollback and not arguments.headless:
        raise InputError(
            "--then-rollback rolls back by itself, which only goes without a screen",
            where="--then-rollback",
            remedy="add --headless, or press R on the screen",
        )
    fortnight(arguments)
    temporary = arguments.state is None
    state = make(Path(tempfile.mkdtemp(prefix="wsdash-demo-")) if temporary else arguments.state.absolute())
    if not arguments.headless:
        from wsdash.cli.running.screen import demo_screen

        return demo_screen(arguments, state)
    from wsdash.cli.running.demo_engine import engine_options
    from wsdash.cli.running.headless import run_engine

    if not arguments.auto:
        say("wsdash: --headless runs the whole plan (as with --auto)")
    code = run_engine(engine_options(arguments, state, headless=True), arguments.report)
    if temporary and code == 0 and not arguments.keep:
        for name in SERVERS:
            shutil.rmtree(state / "world" / name, ignore_errors=True)
        say(f"The journal, the backup and the logs stay in {state}")
    else:
        say(f"state: {state}")
    return code


def fortnight(arguments: argparse.Namespace) -> None:
    """Settle which fortnight is lived, and how fast. Raises InputError for an unknown one."""
    if arguments.time_scale and not arguments.fortnight:
        arguments.fortnight = LIVELY
    if not arguments.fortnight:
        return
    from wsdash.demo.days.fortnight import chosen

    chosen(arguments.fortnight)
    if not arguments.headless and not arguments.time_scale:
        arguments.time_scale = AN_HOUR_A_SECOND
