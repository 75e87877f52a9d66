"""`wsdash schema`: both catalogs object by object, the same lines as the schema panel; changes nothing."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from typing import Any

import msgspec

from wsdash.cli.places import config_of, found_state
from wsdash.cli.printing import print_json, say
from wsdash.config import Settings, load_settings
from wsdash.errors import UnreachableError
from wsdash.model import SchemaObject
from wsdash.steps.base import endpoint
from wsdash.steps.scope import Compared, compare_sides

FATES = ("blocks", "not-carried", "adapted", "created", "same")
GLYPHS = {"blocks": "✗", "not-carried": "–", "adapted": "~", "created": "+", "same": "="}


def schema(arguments: argparse.Namespace) -> int:
    """Exit 0 when nothing blocks, 1 when something does, 2 for bad input or a side that cannot be reached."""
    state = found_state(arguments)
    settings = load_settings(config_of(arguments, state))
    try:
        found = asyncio.run(compare_sides(settings, rehearse=True))
    except UnreachableError as error:
        error.exit_code = 2
        raise
    blocks = sum(1 for one in found.objects if one.fate == "blocks")
    if arguments.json:
        print_json(_built(settings, found, blocks))
    else:
        _print(found, blocks)
    if found.unreached:
        say(f"wsdash: {found.unreached}; shown is what would be created", error=True)
        return 2
    return 1 if blocks else 0


def _built(settings: Settings, found: Compared, blocks: int) -> dict[str, Any]:
    counts = Counter(one.fate for one in found.objects)
    target: dict[str, Any] = {"address": endpoint(settings.target).address, "schema": settings.target.schema}
    if found.target is None:
        target |= {"reached": False, "error": found.unreached}
    else:
        target |= {
            "reached": True,
            "server_version": found.target.server_version,
            "tables": len(found.target.tables),
            "schema_file_rehearsed": found.rehearsed,
            "ddl_rehearsed": found.trial.tried if found.trial is not None else None,
        }
    return {
        "source": {
            "address": endpoint(settings.source).address,
            "schema": settings.source.schema,
            "server_version": found.source.server_version,
            "timescaledb": found.source.timescaledb or None,
            "tables": len(found.source.tables),
        },
        "target": target,
        "mapping": str(found.mapping.path) if found.mapping is not None else None,
        "blocks": blocks,
        "counts": {fate: counts.get(fate, 0) for fate in FATES},
        "objects": msgspec.to_builtins(found.objects),
    }


def _print(found: Compared, blocks: int) -> None:
    counts = Counter(one.fate for one in found.objects)
    say("   ".join(f"{GLYPHS[fate]} {counts[fate]} {fate}" for fate in FATES if counts[fate]))
    for one in sorted(found.objects, key=_rank):
        say(f"{GLYPHS.get(one.fate, '?')} {one.fate:<11} {one.kind:<18} {one.name:<52} {one.detail}".rstrip())
    if found.trial is not None:
        tried = f"{found.trial.tried} statements and {found.trial.rows} sample rows"
        say(f"{tried} were tried on the target's server and taken back")
    if found.rehearsed:
        say("the target's schema file was run for this comparison and taken back")
    say(f"{blocks} of {len(found.objects)} objects block" if blocks else "nothing blocks")


def _rank(one: SchemaObject) -> int:
    return FATES.index(one.fate) if one.fate in FATES else len(FATES)
