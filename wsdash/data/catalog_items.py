"""Everything in a schema that DDL can make, as items in an order in which they can be created."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from wsdash.data.catalog_queries import DEPENDENCIES, OUTSIDE, TIMEOUT
from wsdash.data.shape import Table

PRE = 0
KEYS, INDEXES, FOREIGN_KEYS, VIEWS, TRIGGERS, SECURITY, GRANTS, COMMENTS = range(1, 9)
"""Stages: PRE before rows, the others after them,
in this order (needs inside a stage are kept by the order)."""

Ref = tuple[str, int]
"""A catalog's name and an oid in it: one object of the server."""

FIRST_USER_OID = 16384


@dataclass(frozen=True)
class SchemaItem:
    """One object beside the rows. name is its identity within kind, for people: unquoted and qualified.

    sql: the one command that creates it. body: what must be equal where names may differ (indexes,
    constraints). table: the qualified name of the table it belongs to, or ''. about: what a comment is on.
    left_out: why it is not carried, or ''. role: the grantee. shape: the table's. outside: what it needs
    from outside the schema, as (kind, name); needs: what of the schema. parts: a grant's single privileges.
    """

    kind: str
    name: str
    sql: str = ""
    table: str = ""
    stage: int = PRE
    body: str = ""
    left_out: str = ""
    note: str = ""
    outside: tuple[tuple[str, str], ...] = ()
    needs: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    parts: frozenset[str] = frozenset()
    role: str = ""
    shape: Table | None = field(default=None, repr=False)
    about: SchemaItem | None = field(default=None, repr=False)


@dataclass
class Draft:
    """An item while it is being read: with the server's objects it consists of (the first one is itself).

    comment_on: how COMMENT ON names it. rank: its place among items that need nothing of each other.
    after: objects it needs beside those that the server knows of.
    """

    item: SchemaItem
    refs: list[Ref]
    comment_on: str = ""
    rank: str = ""
    after: list[Ref] = field(default_factory=list)
    needs: set[int] = field(default_factory=set)


async def ordered_items(
    conn: asyncpg.Connection, drafts: list[Draft], aliases: dict[Ref, Ref]
) -> tuple[SchemaItem, ...]:
    """The drafts' items: stage by stage, what is needed first; what comes from outside the schema is noted.

    aliases: objects that stand for another one (a table's row type for the table). A function or type that
    needs
    a view waits for the views' stage.
    """
    owner = {ref: place for place, draft in enumerate(drafts) for ref in draft.refs}
    for draft in drafts:
        draft.needs.update(owner[ref] for ref in draft.after if ref in owner)
    outside = await _link(conn, drafts, owner, aliases)
    late = _late(drafts)
    items: dict[int, SchemaItem] = {}
    for place in _topological(drafts, late):
        item, draft_needs = drafts[place].item, drafts[place].needs
        missing = [items[need] for need in draft_needs if need in items and items[need].left_out]
        beyond = outside[place] | {(found.kind, found.name) for found in missing}
        items[place] = replace(
            item,
            stage=VIEWS if place in late else item.stage,
            outside=tuple(sorted(beyond)),
            needs=tuple(
                sorted((items[need].kind, items[need].name) for need in draft_needs if need in items)
            ),
            left_out=item.left_out or _left_out(item, beyond, missing),
        )
    return tuple(items.values())


def _left_out(item: SchemaItem, outside: set[tuple[str, str]], missing: list[SchemaItem]) -> str:
    """Why an item falls with what it needs; a table never does: its rows must be carried."""
    if item.kind == "table":
        return ""
    for kind, name in sorted(outside):
        if (kind, name) == ("extension", "timescaledb") or name.startswith("_timescaledb_"):
            return f"it needs TimescaleDB ({kind} {name})"
    if missing:
        return f"it needs {missing[0].kind} {missing[0].name}, which is not carried"
    return ""


async def _link(
    conn: asyncpg.Connection, drafts: list[Draft], owner: dict[Ref, int], aliases: dict[Ref, Ref]
) -> dict[int, set[tuple[str, str]]]:
    """Fill in the drafts' needs from pg_depend; what each needs from outside the schema."""
    needed_by: dict[Ref, set[int]] = defaultdict(set)
    oids = sorted({oid for _, oid in owner})
    for row in await conn.fetch(DEPENDENCIES, oids, timeout=TIMEOUT):
        place = owner.get((row["class"], row["oid"]))
        if place is None:
            continue
        ref = (row["ref_class"], row["ref_oid"])
        while ref in aliases and ref not in owner:
            ref = aliases[ref]
        found = owner.get(ref)
        if found is not None:
            if found != place:
                drafts[place].needs.add(found)
        elif ref[1] >= FIRST_USER_OID:
            needed_by[ref].add(place)
    outside: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for row in await _identify(conn, list(needed_by)):
        for place in needed_by[(row["class"], row["oid"])]:
            outside[place].add((row["kind"], row["name"]))
    return outside


async def _identify(conn: asyncpg.Connection, refs: list[Ref]) -> list[Any]:
    classes, oids = [ref[0] for ref in refs], [ref[1] for ref in refs]
    return list(await conn.fetch(OUTSIDE, classes, oids, timeout=TIMEOUT))


def _late(drafts: list[Draft]) -> set[int]:
    """Places of the items of stage PRE that need something that is only there later."""
    late: set[int] = set()
    grown = True
    while grown:
        more = {
            place
            for place, draft in enumerate(drafts)
            if place not in late
            and draft.item.stage == PRE
            and any(need in late or drafts[need].item.stage == VIEWS for need in draft.needs)
        }
        grown = bool(more)
        late |= more
    return late


def _topological(drafts: list[Draft], late: set[int]) -> Iterable[int]:
    """Kahn's algorithm with a heap,
    so that the order depends on names alone; a cycle is cut at its first name."""

    def weight(place: int) -> tuple[int, str, str, str]:
        item = drafts[place].item
        return (VIEWS if place in late else item.stage, drafts[place].rank, item.kind, item.name)

    waits = {place: set(draft.needs) for place, draft in enumerate(drafts)}
    wanted: dict[int, list[int]] = defaultdict(list)
    for place, needs in waits.items():
        for need in needs:
            wanted[need].append(place)
    ready = [(weight(place), place) for place, needs in waits.items() if not needs]
    heapq.heapify(ready)
    done: list[int] = []
    open_places = set(waits)
    while open_places:
        if not ready:
            heapq.heappush(ready, min((weight(place), place) for place in open_places))
        _, place = heapq.heappop(ready)
        if place not in open_places:
            continue
        open_places.discard(place)
        done.append(place)
        for other in wanted[place]:
            waits[other].discard(place)
            if not waits[other] and other in open_places:
                heapq.heappush(ready, (weight(other), other))
    return sorted(done, key=lambda place: VIEWS if place in late else drafts[place].item.stage)
