"""What single partitions and chunks have of their own, now that all of them become one table.

A rule that every part has holds for every row, so the one table gets it too. A rule that only some parts
have cannot hold for all rows and is named as not carried. What a part merely repeats of its parent is no
object of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from wsdash.data.catalog.dropped import fetch_defined
from wsdash.data.catalog.items import FOREIGN_KEYS, INDEXES, KEYS, TRIGGERS, Draft, SchemaItem
from wsdash.data.catalog.kinds import part_queries as queries
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.quoting import ident
from wsdash.data.tables.shape import Table

SHOWN = 12
"""How many parts are named in one line before the rest is a number."""
NAME_BYTES = 63
_DIMENSION = re.compile(r"constraint_\d+$")
"""How TimescaleDB names the CHECK that holds a chunk's borders."""
COSTS = {
    "key of a part": "it makes rows unique within that part only; the one table has its own keys",
    "check of a part": "it holds for rows of that part only; the one table does not check it",
    "foreign key of a part": "it holds for rows of that part only; the one table does not check it",
    "index of a part": "only some parts have it; queries of those rows lose it",
    "unique index of a part": "it makes rows unique within that part only",
    "trigger of a part": "it runs for rows of that part only, or for commands on the part itself",
    "trigger state of a part": "it differs in that part; in the one table the parent's holds for all",
    "rule of a part": "it rewrites commands on the part itself, which no longer exists",
    "policy of a part": "it holds for commands on the part itself, which no longer exists",
    "row security of a part": "it holds for commands on the part itself, which no longer exists",
    "grant of a part": "it allows access to the part itself, which no longer exists",
    "comment of a part": "there is no part any more that it could belong to",
    "default of a part": "it holds for rows inserted into the part itself, which no longer exists",
    "NOT NULL of a part": "it holds for rows of that part only; the one table allows null there",
    "option of a part": "storage options of a part go with it; the one table has the parent's",
    "column option of a part": "storage options of a part go with it; the one table has the parent's",
    "statistics of a part": "they describe that part; create them on the one table where plans need them",
    "replica identity of a part": "the one table has the parent's",
    "tablespace of a part": "the target's default tablespace is used",
    "access method of a part": "the one table has the default one",
}
_CONSTRAINTS = {"f": "foreign key of a part", "c": "check of a part"}


@dataclass
class MemberParts:
    """The members of one root. leaves: by member, the relations below it that hold rows (itself, if it does).

    own_rows: the root holds rows as well, so a rule of all leaves still does not hold for all rows.
    """

    table: Table
    leaves: dict[int, set[int]] = field(default_factory=dict)
    own_rows: bool = False

    def covered_by(self, members: Iterable[int]) -> bool:
        """Whether what these members have holds for every row."""
        every = set().union(*self.leaves.values())
        return not self.own_rows and set().union(*(self.leaves[one] for one in members)) == every


async def read_parts(
    conn: asyncpg.Connection, tables: Mapping[int, Table]
) -> tuple[list[Draft], dict[tuple[str, int], str]]:
    """Drafts for what parts have of their own; and every part's relation with what it is folded into, in
    words."""
    roots = {oid: table for oid, table in tables.items() if table.hypertable}
    if not roots:
        return [], {}
    parts, folded = await _members(conn, roots)
    members = sorted({member for found in parts.values() for member in found.leaves} - set(roots))
    if not members:
        return [], folded
    arguments = (list(roots), members)
    drafts = _constraints(parts, await fetch_defined(conn, queries.CONSTRAINTS, *arguments))
    drafts += _indexes(parts, await fetch_defined(conn, queries.INDEXES, *arguments))
    drafts += _triggers(parts, await fetch_defined(conn, queries.TRIGGERS, *arguments))
    return drafts + _others(parts, await conn.fetch(queries.OTHERS, *arguments, timeout=TIMEOUT)), folded


async def _members(
    conn: asyncpg.Connection, roots: Mapping[int, Table]
) -> tuple[dict[int, MemberParts], dict[tuple[str, int], str]]:
    parts = {
        oid: MemberParts(table, own_rows=table.hypertable == "inheritance") for oid, table in roots.items()
    }
    folded: dict[tuple[str, int], str] = {}
    for row in await conn.fetch(queries.MEMBERS, list(roots), timeout=TIMEOUT):
        parts[row["root"]].leaves[row["oid"]] = set(row["leaves"])
        what = f"{row['name']}, which becomes a part of {roots[row['root']].qualified}"
        folded["pg_class", row["oid"]] = what
        folded["pg_type", row["row_type"]] = what
    return parts, folded


def _constraints(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    known = {(row["root"], row["definition"]) for row in rows if row["member"] == row["root"]}
    groups: dict[tuple[int, str, str], list[Any]] = defaultdict(list)
    for row in rows:
        table = parts[row["root"]].table
        border = row["type"] == "c" and (
            (table.hypertable == "timescaledb" and _DIMENSION.match(row["name"]))
            or (table.hypertable == "inheritance" and list(row["columns"]) == [table.time_column])
        )
        if row["member"] != row["root"] and (row["root"], row["definition"]) not in known and not border:
            groups[row["root"], row["type"], row["definition"]].append(row)
    drafts = []
    for (root, kind, definition), found in groups.items():
        table = parts[root].table
        if kind in "cf" and parts[root].covered_by(row["member"] for row in found):
            name = min(row["name"] for row in found)
            item = SchemaItem(
                "constraint",
                f"{table.qualified}.{name}",
                f"ALTER TABLE {ident(table.schema, table.name)} ADD CONSTRAINT {ident(name)} {definition}",
                table=table.qualified,
                stage=FOREIGN_KEYS if kind == "f" else KEYS,
                body=f"{table.qualified} {definition}",
                note=f"each of its {len(found)} parts has it",
            )
            refs = [("pg_constraint", row["oid"]) for row in found]
            drafts.append(Draft(item, refs, rank=f"4 {table.qualified}", of_parts=True))
        else:
            label = _CONSTRAINTS.get(kind, "key of a part")
            drafts.append(_left_out(label, found, f"{min(row['name'] for row in found)} {definition}"))
    return drafts


def _indexes(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    known = {(row["root"], row["is_unique"], row["tail"]) for row in rows if row["member"] == row["root"]}
    cloned_from: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        if row["member"] == row["root"] and parts[row["root"]].table.hypertable == "timescaledb":
            cloned_from[row["root"]].append(row)
    groups: dict[tuple[int, bool, str], list[Any]] = defaultdict(list)
    for row in rows:
        key = (row["root"], row["is_unique"], row["tail"])
        if row["member"] == row["root"] or key in known:
            continue
        if not any(_is_clone(row, origin) for origin in cloned_from[row["root"]]):
            groups[key].append(row)
    drafts = []
    for (root, unique, tail), found in groups.items():
        table = parts[root].table
        name = min(row["name"] for row in found)
        if not unique and parts[root].covered_by(row["member"] for row in found):
            item = SchemaItem(
                "index",
                f"{table.schema}.{name}",
                f"CREATE INDEX {ident(name)} ON {ident(table.schema, table.name)} {tail}",
                table=table.qualified,
                stage=INDEXES,
                body=f"CREATE {ident(table.schema, table.name)} {tail}",
                note=f"each of its {len(found)} parts has it",
            )
            refs = [("pg_class", row["oid"]) for row in found]
            drafts.append(Draft(item, refs, rank="5", of_parts=True))
        else:
            label = "unique index of a part" if unique else "index of a part"
            drafts.append(_left_out(label, found, f"{name} {tail}"))
    return drafts


def _is_clone(row: Any, origin: Any) -> bool:
    """Whether a chunk's index is the one that TimescaleDB made for its root's index.

    Their texts may differ: the clone's predicate and expressions have their constants folded. Its name is the
    chunk's and the origin's, cut to 63 bytes together (timescaledb 2.23, chunk_index_choose_name).
    """
    chunk = row["relation"].rpartition(".")[2]
    whole = f"{chunk}_{origin['name']}"
    if len(whole.encode()) <= NAME_BYTES:
        named = row["name"] == whole or row["name"].removeprefix(whole).isdigit()
    else:
        named = row["name"].startswith(f"{chunk}_")
    method = row["tail"].split(" (", 1)[0]
    same_kind = row["is_unique"] == origin["is_unique"] and method == origin["tail"].split(" (", 1)[0]
    return bool(named and same_kind)


def _triggers(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    known = {(row["root"], row["definition"]): row for row in rows if row["member"] == row["root"]}
    groups: dict[tuple[int, str], list[Any]] = defaultdict(list)
    states: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for row in rows:
        if row["member"] == row["root"]:
            continue
        own = known.get((row["root"], row["definition"]))
        if own is None:
            if not row["cloned"]:
                groups[row["root"], row["definition"]].append(row)
        elif own["enabled"] != row["enabled"]:
            states[row["root"], row["name"]].append(row)
    drafts = [_left_out("trigger state of a part", found, name) for (_, name), found in states.items()]
    for (root, definition), found in groups.items():
        table = parts[root].table
        covers = parts[root].covered_by(row["member"] for row in found)
        if covers and all(row["for_rows"] and row["enabled"] == "O" for row in found):
            item = SchemaItem(
                "trigger",
                f"{table.qualified}.{found[0]['name']}",
                definition,
                table=table.qualified,
                stage=TRIGGERS,
                note=f"each of its {len(found)} parts has it",
            )
            refs = [("pg_trigger", row["oid"]) for row in found]
            drafts.append(Draft(item, refs, of_parts=True))
        else:
            drafts.append(_left_out("trigger of a part", found, found[0]["name"]))
    return drafts


def _others(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    groups: dict[tuple[int, str, str], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row["root"], row["kind"], row["what"]].append(row)
    return [_left_out(kind, found, what) for (_, kind, what), found in groups.items()]


def _left_out(kind: str, rows: list[Any], what: str) -> Draft:
    own = {row["name"] for row in rows if "name" in row}
    names = sorted({row["relation"] + (f" ({row['name']})" if len(own) > 1 else "") for row in rows})
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    item = SchemaItem(kind, f"{shown}: {what}" if what else shown, left_out=COSTS[kind])
    return Draft(item, [])
