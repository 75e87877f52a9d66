"""`wsdash container start|stop|restart NAME`: one container, by the engine where one is alive."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import time
from pathlib import Path

from wsdash.cli.places import config_of, living_engine, needed_state
from wsdash.cli.printing import say
from wsdash.config import load_settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.run.containers import CONTAINER, act_at_rest, done, failed
from wsdash.errors import InputError, RefusedError, WsdashError
from wsdash.model import Intent, Notice, Reply

WAIT_SECONDS = 300.0
POLL_SECONDS = 0.1


def container(arguments: argparse.Namespace) -> int:
    """Do it, and tell how it ended: exit 1 when it was refused or failed, 2 for a name that is not ours."""
    state = needed_state(arguments)
    name, action = str(arguments.name), str(arguments.action)
    stack = load_settings(config_of(arguments, state)).stack
    known = (*stack.apps.containers, *stack.workspace.services)
    if name not in known:
        remedy = f"use one of {', '.join(known)}"
        raise InputError(f"{name!r} is no container of the two stacks", where="NAME", remedy=remedy)
    options = {"name": name, "action": action}
    who = arguments.who or _login()
    intent = Intent(CONTAINER, who=who, force=arguments.force, options=options)
    before = newest_event(state)
    if living_engine(arguments, state):
        reply = asyncio.run(ControlClient(state).send(intent))
    else:
        with OperatorLock.held(state, take_over=arguments.take_over):
            reply = asyncio.run(act_at_rest(state, config_of(arguments, state), intent))
    return _outcome(state, before, reply, name, action)


def _outcome(state: Path, after: int, reply: Reply, name: str, action: str) -> int:
    if not reply.ok:
        raise RefusedError(reply.text, where=f"wsdash container {action} {name}", remedy="nothing was done")
    reader = JournalReader(state)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            for recorded in reader.events(after):
                after = recorded.seq
                event = recorded.event
                if not isinstance(event, Notice) or not event.text.startswith(f"container {name}: "):
                    continue
                if event.text.startswith(failed(name, action)):
                    raise WsdashError(event.text)
                say(event.text)
                if event.text.startswith(done(name, action)):
                    return 0
            time.sleep(POLL_SECONDS)
    finally:
        reader.close()
    raise WsdashError(
        f"{action} {name} has not ended within {WAIT_SECONDS:.0f} s",
        where=str(state),
        remedy="wsdash monitor shows how it goes on",
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return ""


def newest_event(state: Path) -> int:
    """The place of the newest event of a run's history, 0 when there is none."""
    reader = JournalReader(state)
    try:
        history = reader.history()
    finally:
        reader.close()
    return history[-1].seq if history else 0
