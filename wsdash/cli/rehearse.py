"""`wsdash rehearse`: the whole migration while the old service serves; then all is as before."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from wsdash.cli.headless import run_engine
from wsdash.cli.places import config_of, living_engine, own_state
from wsdash.cli.printing import print_json, say
from wsdash.demo.world.scratch_server import scratch_server
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import engine_alive
from wsdash.engine.options import EngineOptions
from wsdash.engine.outlook.words import rehearsal_lines
from wsdash.engine.run.rehearsing import REHEARSE
from wsdash.errors import RefusedError, WsdashError
from wsdash.model import Intent, Notice, Recorded, RehearsalOutcome, RehearsalProgress, Rehearsed

POLL_SECONDS = 0.1


def rehearse(arguments: argparse.Namespace) -> int:
    """Exit 0 when all was clean, 1 when something blocked or differed, 2 for bad input, 3 when another
    operator's command holds the run, 130 when it was interrupted. With an engine alive, that one does it.
    """
    state = own_state(arguments)
    show = _quiet if arguments.json else _show
    if living_engine(arguments, state):
        found = _by_the_engine(state, arguments.rounds, show)
        return _conclude(found, arguments.json)
    newest = _newest(state)
    options = EngineOptions(
        state=state,
        config=config_of(arguments, state),
        rehearse=arguments.rounds,
        exit_when_done=True,
        take_over=arguments.take_over,
        on_event=show,
        scratch_server=scratch_server,
    )
    code = run_engine(options, None)
    after = _newest(state)
    if after is None or (newest is not None and after.id == newest.id):
        return code or 1
    return _conclude(after, arguments.json) if code != 130 else code


def _by_the_engine(state: Path, rounds: int, show: Callable[[Recorded], None]) -> Rehearsed:
    """Ask the living engine, and follow the journal to the end of it. Raises RefusedError, WsdashError."""
    reader = JournalReader(state)
    try:
        history = reader.history()
        after = history[-1].seq if history else 0
        reply = asyncio.run(ControlClient(state).send(Intent(REHEARSE, options={"rounds": rounds})))
        if not reply.ok:
            raise RefusedError(reply.text, where="wsdash rehearse", remedy="nothing was done")
        while True:
            alive = engine_alive(state) is not None
            for recorded in reader.events(after):
                after = recorded.seq
                show(recorded)
                if isinstance(recorded.event, Rehearsed):
                    return recorded.event
            if not alive:
                raise WsdashError(
                    "the engine ended before the rehearsal did",
                    where=str(state),
                    remedy="run `wsdash rehearse` again: it clears up what was left first",
                )
            time.sleep(POLL_SECONDS)
    finally:
        reader.close()


def _newest(state: Path) -> Rehearsed | None:
    if not (state / "journal.db").exists():
        return None
    reader = JournalReader(state)
    try:
        events = (recorded.event for recorded in reader.history())
        return next((e for e in reversed(list(events)) if isinstance(e, Rehearsed)), None)
    finally:
        reader.close()


def _conclude(found: Rehearsed, json: bool) -> int:
    if json:
        print_json(found)
    else:
        say("\n".join(rehearsal_lines(found)))
    return 0 if found.outcome is RehearsalOutcome.CLEAN else 1


def _show(recorded: Recorded) -> None:
    event = recorded.event
    if isinstance(event, RehearsalProgress):
        say(f"  round {event.round} of {event.rounds}: {event.doing}")
    elif isinstance(event, Notice) and event.level != "info":
        say(f"! {event.level}: {event.text}")


def _quiet(recorded: Recorded) -> None:
    """Nothing but the JSON object is printed."""
