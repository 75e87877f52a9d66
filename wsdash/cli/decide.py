"""`wsdash decide` and `wsdash finish`: the people's word on the fourteen days."""

from __future__ import annotations

import argparse
import asyncio

from wsdash.cli.places import config_of, needed_state
from wsdash.cli.printing import say
from wsdash.cli.word import record_word
from wsdash.engine.run.decisions import CONFIRM, DECIDE, decide_at_rest
from wsdash.errors import InputError
from wsdash.model import Intent


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
    from wsdash.cli.headless import confirm_phrase
    from wsdash.config import load_settings
    from wsdash.engine.operator.lock import OperatorLock
    from wsdash.engine.run.traces import remove_traces, serving_side
    from wsdash.review.finish import finishing

    state = needed_state(arguments)
    config = config_of(arguments, state)
    with OperatorLock.held(state):
        if asyncio.run(serving_side(config)) == "target":
            told = finishing(state, load_settings(config), config)
            if not told.approved:
                say("\n".join(told.lines))
                say("Traces stay: without them there is no way back for what users wrote.")
                return 1
        what = "capture and schema wsdash are removed from both databases; the way back ends with them"
        confirm_phrase("FINISH", what, arguments.yes)
        say("\n".join(asyncio.run(remove_traces(state, config))))
    return 0
