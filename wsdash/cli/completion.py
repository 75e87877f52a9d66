"""`wsdash completion SHELL`: the completion of a shell, made from the parser that is really there."""

from __future__ import annotations

import argparse

import shtab

from wsdash.cli.arguments import make_parser
from wsdash.cli.printing import say


def completion(arguments: argparse.Namespace) -> int:
    """Print it; the shell evaluates it."""
    parser, _ = make_parser()
    say(shtab.complete(parser, arguments.shell))
    return 0
