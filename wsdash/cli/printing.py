"""What commands print for programs."""

from __future__ import annotations

import json
import sys

import msgspec


def print_json(value: object) -> None:
    """A value, with the typed structs in it, as indented JSON and a line's end on standard output."""
    json.dump(msgspec.to_builtins(value), sys.stdout, indent=2)
    print()
