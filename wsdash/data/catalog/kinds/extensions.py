"""Extensions that no dependency names: called in a function's body, or only by the service itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import asyncpg

from wsdash.data.catalog import queries
from wsdash.data.catalog.items import COMMENTS, SchemaItem
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.quoting import ident, literal

IGNORED = frozenset({"plpgsql", "timescaledb"})
"""plpgsql is always there; of timescaledb its own line tells."""
_WORD = re.compile(r"[^\W\d][\w$]*")
UNUSED = (
    "no object and no function body of the schema names it; if the service itself calls it, create it in the "
    "target by hand"
)


async def with_extensions(
    conn: asyncpg.Connection, items: Sequence[SchemaItem], installed: Iterable[str]
) -> tuple[SchemaItem, ...]:
    """The items, functions that name something of an extension in their body now needing it; and a line, not
    carried, for each extension that nothing names.

    What a body calls is known to no catalog, so it is found by name: one that only looks the same costs an
    extension too much, never one too few.
    """
    needed = {name for item in items for kind, name in item.outside if kind == "extension"}
    names: dict[str, set[str]] = defaultdict(set)
    unknown = sorted(set(installed) - needed - IGNORED)
    if unknown:
        for row in await conn.fetch(queries.EXTENSION_MEMBERS, unknown, timeout=TIMEOUT):
            names[row["name"]].add(row["extension"])
    found: list[SchemaItem] = []
    for item in items:
        if item.kind in ("function", "procedure") and not item.left_out:
            words = {word.lower() for word in _WORD.findall(item.sql)} & names.keys()
            called = {extension for word in words for extension in names[word]}
            needed |= called
            outside = {*item.outside, *(("extension", name) for name in called)}
            found.append(replace(item, outside=tuple(sorted(outside))))
        else:
            found.append(item)
    unused = [SchemaItem("extension", name, left_out=UNUSED) for name in unknown if name not in needed]
    comments = [
        SchemaItem(
            "comment",
            f"extension {row['name']}",
            f"COMMENT ON EXTENSION {ident(row['name'])} IS {literal(row['comment'])}",
            stage=COMMENTS,
        )
        for row in await conn.fetch(queries.EXTENSION_COMMENTS, timeout=TIMEOUT)
        if row["name"] in needed - IGNORED
    ]
    return (*found, *unused, *comments)
