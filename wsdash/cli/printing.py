"""What commands print: for people with everything harmful written out, for programs as JSON."""

from __future__ import annotations

import json
import sys

import msgspec

from wsdash.outside import PLAIN_SIGNS, clean, plain_signs_wanted

LONGEST_OUTPUT = 64 << 20
"""Characters that one call prints."""


def print_json(value: object) -> None:
    """A value, with the typed structs in it, as indented JSON and a line's end on standard output."""
    json.dump(msgspec.to_builtins(value), sys.stdout, indent=2)
    print()


def say(text: object = "", *, error: bool = False, end: str = "\n") -> None:
    """Print for a person, on standard output or (error) standard error, at once.

    Control characters, also those that reverse or hide text, are written out: what servers, files and people
    said is only ever shown. A stream that lacks a sign gets a plain one.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is None:
        return  # it was closed before we began
    shown = clean(str(text), LONGEST_OUTPUT)
    encoding = stream.encoding or "utf-8"
    if plain_signs_wanted():
        encoding = "ascii"
    print(shown.encode(encoding, PLAIN_SIGNS).decode(encoding, "replace"), file=stream, end=end, flush=True)
