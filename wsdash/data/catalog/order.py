"""In which order a schema's objects can be made: what is needed first, what cannot be had at all, what
waits."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from wsdash.data.catalog.items import FIRST_USER_OID, PRE, VIEWS, Draft, Ref, SchemaItem
from wsdash.data.catalog.queries import DEPENDENCIES, OUTSIDE
from wsdash.data.limits import TIMEOUT


async def ordered_items(
    conn: asyncpg.Connection,
    drafts: list[Draft],
    aliases: dict[Ref, Ref],
    folded: Mapping[Ref, str] | None = None,
) -> tuple[SchemaItem, ...]:
    """The drafts' items: stage by stage, what is needed first; what comes from outside the schema is noted.

    aliases: other names of an object (a table's row type for the table). folded: relations that
    will not exist (partitions), each with what becomes of it. A function or type that needs a view waits for
    the views' stage; a view whose row type a table needs is made before the tables' rows.
    """
    owner = {ref: place for place, draft in enumerate(drafts) for ref in draft.refs}
    for draft in drafts:
        draft.needs.update(owner[ref] for ref in draft.after if ref in owner)
    outside, gone = await _link(conn, drafts, owner, aliases, folded or {})
    cut_cycles(drafts)
    promote_views(drafts)
    late = late_places(drafts)
    items: dict[int, SchemaItem] = {}
    for place in topological(drafts, late):
        item, needs = drafts[place].item, [items[need] for need in drafts[place].needs if need in items]
        missing = [need for need in needs if need.left_out and need.kind != "access method"]
        beyond = outside[place] | {(found.kind, found.name) for found in missing}
        why = _left_out(beyond, missing, gone[place])
        is_table = item.kind == "table"
        items[place] = replace(
            item,
            stage=VIEWS if place in late else item.stage,
            outside=tuple(sorted(beyond)),
            needs=tuple(sorted((need.kind, need.name) for need in needs)),
            left_out=item.left_out or ("" if is_table else why),
            blocked=item.blocked or (why if is_table else ""),
        )
    return tuple(items.values())


def _left_out(outside: set[tuple[str, str]], missing: list[SchemaItem], gone: list[str]) -> str:
    """Why an item falls with what it needs, or ''. (A table cannot: its rows must be carried, so it
    blocks.)"""
    for kind, name in sorted(outside):
        if (kind, name) == ("extension", "timescaledb") or name.startswith("_timescaledb_"):
            return f"it needs TimescaleDB ({kind} {name})"
    if gone:
        return f"it needs {gone[0]}: write it again over the whole table where it is used"
    if missing:
        return f"it needs {missing[0].kind} {missing[0].name}, which is not carried"
    return ""


async def _link(
    conn: asyncpg.Connection,
    drafts: list[Draft],
    owner: dict[Ref, int],
    aliases: dict[Ref, Ref],
    folded: Mapping[Ref, str],
) -> tuple[dict[int, set[tuple[str, str]]], dict[int, list[str]]]:
    """Fill in the drafts' needs from pg_depend; what each needs from outside the schema, and of what is
    folded."""
    gone: dict[int, list[str]] = defaultdict(list)
    needed_by: dict[Ref, set[int]] = defaultdict(set)
    oids = sorted({oid for _, oid in owner})
    for row in await conn.fetch(DEPENDENCIES, oids, timeout=TIMEOUT):
        place = owner.get((row["class"], row["oid"]))
        if place is None:
            continue
        ref = (row["ref_class"], row["ref_oid"])
        if ref in folded:
            if not drafts[place].of_parts:
                gone[place].append(folded[ref])
            continue
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
    return outside, gone


async def _identify(conn: asyncpg.Connection, refs: list[Ref]) -> list[Any]:
    if not refs:
        return []
    classes, oids = [ref[0] for ref in refs], [ref[1] for ref in refs]
    return list(await conn.fetch(OUTSIDE, classes, oids, timeout=TIMEOUT))


def cut_cycles(drafts: list[Draft]) -> None:
    """Leave out, with the reason, what needs itself through others (views that read each other).

    DDL that names finished objects cannot make such a ring; a table in it blocks.
    """
    for place in sorted(_in_cycles(drafts)):
        draft = drafts[place]
        ring = sorted(need for need in draft.needs if place in _reachable(drafts, need))
        if draft.item.left_out or not ring:
            continue
        other = drafts[ring[0]].item
        why = f"it and {other.kind} {other.name} need each other; make them by hand, one first as a stand-in"
        if draft.item.kind == "table":
            draft.item = replace(draft.item, blocked=why)
        else:
            draft.item = replace(draft.item, left_out=why)
    for place in _in_cycles(drafts):
        drafts[place].needs = {need for need in drafts[place].needs if place not in _reachable(drafts, need)}


def _in_cycles(drafts: list[Draft]) -> set[int]:
    """The places that need themselves through others."""
    waits = {place: set(draft.needs) for place, draft in enumerate(drafts)}
    users: dict[int, set[int]] = defaultdict(set)
    for place, needs in waits.items():
        for need in needs:
            users[need].add(place)
    ready = [place for place, needs in waits.items() if not needs]
    while ready:
        done = ready.pop()
        del waits[done]
        for user in users[done]:
            waits[user].discard(done)
            if user in waits and not waits[user]:
                ready.append(user)
    # what is left needs a ring or is part of one
    return {place for place in waits if any(place in _reachable(drafts, need) for need in waits[place])}


def _reachable(drafts: list[Draft], start: int) -> set[int]:
    """A place with all that it needs, directly or through others."""
    found, todo = {start}, [start]
    while todo:
        for need in drafts[todo.pop()].needs - found:
            found.add(need)
            todo.append(need)
    return found


def promote_views(drafts: list[Draft]) -> None:
    """Views whose row type a table needs come before the rows; a table whose view cannot come so early
    blocks."""
    for draft in drafts:
        if draft.item.kind != "table":
            continue
        needed = {place for need in draft.needs for place in _reachable(drafts, need)}
        later = [place for place in needed if drafts[place].item.stage != PRE]
        bad = next((drafts[place].item for place in later if drafts[place].item.kind != "view"), None)
        if bad is not None:
            why = f"its rows need {bad.kind} {bad.name}, which is only made after the rows"
            draft.item = replace(draft.item, blocked=draft.item.blocked or why)
            continue
        for place in later:
            drafts[place].item = replace(drafts[place].item, stage=PRE)


def late_places(drafts: list[Draft]) -> set[int]:
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


def topological(drafts: list[Draft], late: set[int]) -> Iterable[int]:
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
