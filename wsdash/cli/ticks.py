"""`wsdash confirm` and `wsdash skip`: a person's word on an item, without a screen."""

from __future__ import annotations

import argparse

from wsdash.cli.printing import say
from wsdash.cli.word import record_word
from wsdash.errors import InputError
from wsdash.model import Intent


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
