"""Drafts of grants, the roles they name,
and comments. Every one can run on a server where a role is missing."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import asyncpg

from wsdash.data.catalog import queries
from wsdash.data.catalog.items import COMMENTS, GRANTS, Draft, Ref, SchemaItem
from wsdash.data.catalog.kinds.around import read_memberships
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident, literal

TIMEOUT = TIMEOUT
NEW_PRIVILEGES = {"MAINTAIN": 170000}
"""Privileges that older servers do not know, with the version that brought them."""


def role_item(role: str) -> SchemaItem:
    """The role that grants need: made without login when it is missing and we may; otherwise left alone."""
    sql = (
        "DO $wsdash$ BEGIN\n"
        f"  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(role)}) THEN\n"
        f"    CREATE ROLE {ident(role)} NOLOGIN;\n"
        "  END IF;\n"
        "EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;\n"
        "END $wsdash$"
    )
    return SchemaItem("role", role, sql, role=role)


async def read_grants(conn: asyncpg.Connection, drafts: list[Draft]) -> list[Draft]:
    """Roles and what each may do, and what PUBLIC may not; what an owner may do is not carried, because
    ownership is not. Roles that a policy names come with them."""
    objects = {draft.refs[0]: draft for draft in drafts if draft.refs and draft.comment_on}
    oids = sorted({oid for _, oid in objects})
    grouped: dict[tuple[Ref, str, bool, str], list[Any]] = defaultdict(list)
    for row in await conn.fetch(queries.GRANTS, oids, timeout=TIMEOUT):
        subject: Ref = (row["class"], row["oid"])
        if subject in objects:
            grouped[subject, row["column"], row["revoked"], row["grantee"]].append(row)
    made = []
    for (ref, column, revoked, grantee), rows in grouped.items():
        if not revoked:
            made.append(_grant(objects[ref], column, grantee, rows))
        elif rows[0]["by_owner"]:
            made.append(_owners(objects[ref], rows))
        else:
            made.append(_shut_out(objects[ref], rows))
    named = {role for draft in drafts if not draft.item.left_out for role in draft.item.roles}
    roles = sorted(({draft.item.role for draft in made} | named) - {""})
    return (
        made + [Draft(role_item(role), [], rank="0") for role in roles] + await read_memberships(conn, roles)
    )


def _on(subject: Draft) -> str:
    """How GRANT and REVOKE name it."""
    on = subject.comment_on
    if subject.item.kind in ("view", "materialized view"):
        return "TABLE " + on.split("VIEW ", 1)[1]
    for word, instead in (("DOMAIN ", "TYPE "), ("AGGREGATE ", "FUNCTION ")):
        if on.startswith(word):
            return instead + on.removeprefix(word)
    return on


def _shut_out(subject: Draft, rows: list[Any]) -> Draft:
    name = f"PUBLIC shut out of {subject.item.kind} {subject.item.name}"
    sql = f"REVOKE ALL ON {_on(subject)} FROM PUBLIC"
    parts = frozenset(f"-{row['privilege']}" for row in rows)
    left_out = subject.item.left_out and "what it is about is not carried"
    item = SchemaItem("grant", name, sql, stage=GRANTS, parts=parts, left_out=left_out)
    return Draft(item, [], rank="1")


def _owners(subject: Draft, rows: list[Any]) -> Draft:
    privileges = ", ".join(row["privilege"] for row in rows)
    name = f"{rows[0]['grantee']} without {privileges} on {subject.item.kind} {subject.item.name}"
    reason = (
        "its owner gave that up; in the target everything belongs to the target's user, who has all rights"
    )
    return Draft(SchemaItem("owner's rights", name, left_out=reason), [])


def _grant(subject: Draft, column: str, grantee: str, rows: list[Any]) -> Draft:
    on = _on(subject)
    commands = []
    for row in rows:
        privilege = row["privilege"] + (f" ({ident(column)})" if column else "")
        option = " WITH GRANT OPTION" if row["grantable"] else ""
        command = f"GRANT {privilege} ON {on} TO {ident(grantee) if grantee else 'PUBLIC'}{option};"
        since = NEW_PRIVILEGES.get(row["privilege"])
        if since:
            version = f"current_setting('server_version_num')::int >= {since}"
            command = f"IF {version} THEN EXECUTE {literal(command)}; END IF;"
        commands.append(command)
    known = f"EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(grantee)})"
    there = known if grantee else "true"
    body = "\n    ".join(commands)
    item = SchemaItem(
        "grant",
        f"{grantee or 'PUBLIC'} on {subject.item.kind} {subject.item.name}"
        + (f".{column}" if column else ""),
        f"DO $wsdash$ BEGIN\n  IF {there} THEN\n    {body}\n  END IF;\nEND $wsdash$",
        table=subject.item.table,
        stage=GRANTS,
        parts=frozenset(row["privilege"] + ("*" if row["grantable"] else "") for row in rows),
        role=grantee,
        left_out="what it is granted on is not carried" if subject.item.left_out else "",
        note=f"granted by {rows[0]['grantor']} in the source" if rows[0]["grantor"] else "",
    )
    return Draft(item, [], rank="2")


async def read_comments(conn: asyncpg.Connection, drafts: list[Draft]) -> list[Draft]:
    """COMMENT ON for everything that has one, columns included."""
    objects: dict[Ref, Draft] = {
        d.refs[0]: d for d in drafts if d.refs and d.comment_on and not d.item.left_out
    }
    made = []
    oids = sorted({oid for _, oid in objects})
    for row in await conn.fetch(queries.DESCRIPTIONS, oids, timeout=TIMEOUT):
        subject = objects.get((row["class"], row["oid"]))
        if subject is not None:
            name = f"{subject.item.kind} {subject.item.name}"
            made.append(_comment(name, subject.comment_on, row["description"], subject.item))
    relations = {oid: draft for (catalog, oid), draft in objects.items() if catalog == "pg_class"}
    composites = {
        draft.refs[1][1]: draft for draft in objects.values() if draft.item.kind == "composite type"
    }
    both = relations | composites
    for row in await conn.fetch(queries.COLUMN_DESCRIPTIONS, sorted(both), timeout=TIMEOUT):
        subject = both[row["oid"]]
        if subject.item.kind == "index":
            continue
        name = f"column {subject.item.name}.{row['column']}"
        on = f"COLUMN {subject.comment_on.split(' ', 1)[1].removeprefix('VIEW ')}.{ident(row['column'])}"
        made.append(_comment(name, on, row["description"], subject.item))
    return made


def _comment(name: str, on: str, text: str, about: SchemaItem) -> Draft:
    sql = f"COMMENT ON {on} IS {literal(text)}"
    item = SchemaItem("comment", name, sql, table=about.table, stage=COMMENTS, about=about, since=about.since)
    return Draft(item, [])
