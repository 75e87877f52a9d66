"""Everything in a schema that DDL can make: items, and their drafts while they are being read."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsdash.data.tables.shape import Table

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
    roles: those it cannot be made without. since: the server version that first knew such a thing, 0 for all.
    blocked: why it cannot be made although rows depend on it (a table), or ''.
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
    roles: tuple[str, ...] = ()
    since: int = 0
    blocked: str = ""
    shape: Table | None = field(default=None, repr=False)
    about: SchemaItem | None = field(default=None, repr=False)


@dataclass
class Draft:
    """An item while it is being read: with the server's objects it consists of (the first one is itself).

    comment_on: how COMMENT ON names it. rank: its place among items that need nothing of each other.
    after: objects it needs beside those that the server knows of. of_parts: its objects belong to relations
    that will not exist (partitions), and it covers all of them.
    """

    item: SchemaItem
    refs: list[Ref]
    comment_on: str = ""
    rank: str = ""
    after: list[Ref] = field(default_factory=list)
    needs: set[int] = field(default_factory=set)
    of_parts: bool = False
