"""What a person says or does without a screen, through the engine where one is alive.

`wsdash decide` and `finish` on the fourteen days, `confirm` and `skip` on an item, `container` to start,
stop or restart one container.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from wsdash.cli.limits import CONTAINER_SECONDS, JOURNAL_POLL_SECONDS
from wsdash.cli.places import config_of, living_engine, needed_state
from wsdash.cli.printing import say
from wsdash.config import load_settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.run.asked import CONTAINER, act_at_rest, done, failed
from wsdash.engine.run.decisions import CONFIRM, DECIDE, decide_at_rest
from wsdash.errors import InputError, RefusedError, WsdashError
from wsdash.model import Intent, Notice, Reply


def confirm(arguments: argparse.Namespace) -> int:
    """Tick an item that a person confirms; --fails says that it does not hold."""
    options = {"holds": not arguments.fails}
    return _tick(arguments, Intent("confirm", arguments.item, arguments.who, arguments.note, options=options))


def skip(arguments: argparse.Namespace) -> int:
    """Leave an item out with a name and a reason; during a rollback: leave it as it is."""
    return _tick(arguments, Intent("skip", arguments.item, arguments.who, arguments.why))


def _tick(arguments: argparse.Namespace, intent: Intent) -> int:
    """Exit 0 when it was recorded, 2 when it was refused, with the reason."""
    from wsdash.engine.run.ticks import tick_at_rest

    reply = record_word(arguments, intent, tick_at_rest)
    if not reply.ok:
        raise InputError(reply.text, where=f"wsdash {intent.do} {intent.item}", remedy="nothing was recorded")
    done = {"confirm": "confirmed" if intent.options.get("holds") else "does not hold", "skip": "skipped"}
    say(f"{intent.item}: {done[intent.do]}, says {intent.who}")
    return 0


AtRest = Callable[[Path, Path | None, Intent], Coroutine[Any, Any, Reply]]
"""Records an intent without an engine, given state directory and configuration."""


def record_word(arguments: argparse.Namespace, intent: Intent, at_rest: AtRest) -> Reply:
    """The answer to the intent. Raises InputError where there is no run, LockHeldError, UnreachableError."""
    state = needed_state(arguments)
    if living_engine(arguments, state):
        return asyncio.run(ControlClient(state).send(intent))
    with OperatorLock.held(state, take_over=arguments.take_over):
        return asyncio.run(at_rest(state, config_of(arguments, state), intent))


def decide(arguments: argparse.Namespace) -> int:
    """Record a decision or a tick: through the engine when one is alive, else in the journal itself."""
    reply = record_word(arguments, _intent(arguments), decide_at_rest)
    if not reply.ok:
        raise InputError(reply.text, where="wsdash decide", remedy="correct it; nothing was recorded")
    say(reply.text)
    return 0


def _intent(arguments: argparse.Namespace) -> Intent:
    if (arguments.day is None) == (arguments.criterion is None):
        raise InputError(
            "either a day or a criterion is decided",
            where="wsdash decide",
            remedy="give --day N with --go or --no-go, or --criterion ID",
        )
    stray = "--fails" if arguments.day is not None and arguments.fails else ""
    if arguments.criterion is not None and (arguments.go or arguments.no_go):
        stray = "--go" if arguments.go else "--no-go"
    if arguments.criterion is not None and arguments.phrase:
        stray = "--phrase"
    if stray:
        raise InputError(
            f"{stray} says nothing here",
            where=stray,
            remedy="--go, --no-go and --phrase go with --day, --fails with --criterion",
        )
    if arguments.criterion is not None:
        options = {"holds": not (arguments.fails)}
        return Intent(CONFIRM, arguments.criterion, arguments.who, arguments.why, options=options)
    if not (arguments.go or arguments.no_go):
        raise InputError(
            "it was not said which", where="wsdash decide", remedy="add --go or --no-go, and --why TEXT"
        )
    options = {"day": arguments.day, "go": arguments.go}
    return Intent(DECIDE, who=arguments.who, note=arguments.why, phrase=arguments.phrase, options=options)


def finish(arguments: argparse.Namespace) -> int:
    """List what decommissioning would remove; exit 1 while go is not recorded for Day 14.

    --remove-traces: take wsdash out of both databases, once the way back is not wanted any more.
    """
    if arguments.remove_traces:
        return _remove_traces(arguments)
    if arguments.yes:
        raise InputError("--yes answers nothing here", where="--yes", remedy="it goes with --remove-traces")
    from wsdash.config import load_settings
    from wsdash.review.finish import finishing

    state = needed_state(arguments)
    config = config_of(arguments, state)
    outcome = finishing(state, load_settings(config), config)
    say("\n".join(outcome.lines))
    return 0 if outcome.approved else 1


def _remove_traces(arguments: argparse.Namespace) -> int:
    from wsdash.cli.running.headless import confirm_phrase
    from wsdash.config import load_settings
    from wsdash.engine.operator.lock import OperatorLock
    from wsdash.engine.run.traces import remove_traces, serving_side
    from wsdash.review.finish import finishing

    state = needed_state(arguments)
    config = config_of(arguments, state)
    with OperatorLock.held(state):
        if asyncio.run(serving_side(config)) == "target":
            outcome = finishing(state, load_settings(config), config)
            if not outcome.approved:
                say("\n".join(outcome.lines))
                say("Traces stay: without them there is no way back for what users wrote.")
                return 1
        what = "capture and schema wsdash are removed from both databases; the way back ends with them"
        confirm_phrase("FINISH", what, arguments.yes)
        say("\n".join(asyncio.run(remove_traces(state, config))))
    return 0


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
        deadline = time.monotonic() + CONTAINER_SECONDS
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
            time.sleep(JOURNAL_POLL_SECONDS)
    finally:
        reader.close()
    raise WsdashError(
        f"{action} {name} has not ended within {CONTAINER_SECONDS:.0f} s",
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
