"""Object by object: what the source has, and what becomes of it in the target.

One judgement of one object against a target's catalog; comparing and creating share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from wsdash.data.catalog.items import SchemaItem, changed_order
from wsdash.data.catalog.read import Catalog
from wsdash.data.catalog.rights import NEW_PRIVILEGES
from wsdash.data.schema.compare_tables import canonical, compare_tables
from wsdash.data.schema.ddl import Statement, pre_data
from wsdash.data.tables.shape import Column, Table
from wsdash.model import SchemaObject

RENAMED = frozenset({"constraint", "index"})
"""Kinds of which an equal one under another name does."""
KEPT = frozenset(
    {
        "comment",
        "default",
        "column option",
        "sequence owner",
        "trigger state",
        "replica identity",
        "cluster",
        "statistics target",
        "rule state",
    }
)
"""Kinds of which a differing one of the target is kept without harm to rows."""
RELATIONS = frozenset({"table", "view", "materialized view", "sequence"})
QUALIFIER_VERSION = 160000


@dataclass(frozen=True)
class Verdict:
    """fate as in model.SchemaObject: same, created (it is missing), adapted, not-carried or blocks."""

    fate: str
    detail: str = ""
    match: SchemaItem | None = None


class ObjectJudge:
    """What a target has, ready for look-up."""

    def __init__(self, source_version: int, target: Catalog) -> None:
        """source_version: server_version_num of the side the items come from."""
        self.target = target
        self._crossing = (source_version < QUALIFIER_VERSION) != (target.server_version < QUALIFIER_VERSION)
        self._by_name = {(item.kind, item.name): item for item in target.items}
        self._by_body = {
            (item.kind, item.table, self._body(item)): item for item in target.items if item.kind in RENAMED
        }
        self._relations = {item.name: item.kind for item in target.items if item.kind in RELATIONS}

    def verdict(self, item: SchemaItem) -> Verdict:
        """What becomes of an item that is carried."""
        if item.kind == "schema":
            return Verdict("same" if self.target.exists else "created")
        if item.kind == "role":
            return self._role(item)
        if item.kind == "grant":
            return self._grant(item)
        if item.about is not None and item.about.kind in RENAMED:
            subject = self.verdict(item.about).match
            if subject is not None and subject.name != item.about.name:
                return Verdict("not-carried", f"its {subject.kind} is named {subject.name} in the target")
        found = self._by_name.get((item.kind, item.name))
        if found is None and item.kind in RENAMED:
            found = self._by_body.get((item.kind, item.table, self._body(item)))
        if found is None:
            return self._missing(item)
        if item.kind == "table" and item.shape is not None and found.shape is not None:
            return _table(item.shape, found)
        if self._body(item) == self._body(found):
            detail = "" if found.name == item.name else f"as {found.name}"
            return Verdict("same", detail, found)
        if item.kind in KEPT:
            return Verdict("adapted", "it differs in the target and is left alone", found)
        detail = (
            f"it differs: alter or drop the target's {item.kind}; there: {_short(found.body or found.sql)}"
        )
        return Verdict("blocks", detail, found)

    def _body(self, item: SchemaItem) -> str:
        unqualified = self._crossing and item.kind in ("view", "materialized view", "rule")
        return canonical(item.body or item.sql, unqualified=unqualified)

    def _missing(self, item: SchemaItem) -> Verdict:
        if item.blocked:
            return Verdict("blocks", f"{item.blocked}: make it by hand in the target, or change the source")
        if item.since > self.target.server_version > 0:
            return Verdict("not-carried", f"only PostgreSQL {item.since // 10000} and later know this")
        absent = [role for role in item.roles if role not in self.target.roles]
        if absent and not self.target.makes_roles:
            text = f"role {absent[0]} is missing and user {self.target.user} may not create roles"
            return Verdict("blocks", f"{text}: create it in the target first")
        other = self._relations.get(item.name) if item.kind in RELATIONS else None
        if other is not None:
            return Verdict("blocks", f"the target has a {other} of that name: rename or drop it")
        if item.kind == "constraint" and " PRIMARY KEY " in f" {item.body} ":
            for found in self.target.of("constraint"):
                if found.table == item.table and " PRIMARY KEY " in f" {found.body} ":
                    text = f"the target's table has another primary key, {found.name}: drop it"
                    return Verdict("blocks", text, found)
        for kind, name in item.outside:
            if kind == "extension" or (kind, name) in self.target.elsewhere or (kind, name) in self._by_name:
                continue
            if kind not in (
                "table",
                "type",
                "function",
                "view",
                "sequence",
                "materialized view",
                "procedure",
            ):
                continue
            if not name.startswith(f"{self.target.schema}."):
                text = f"it needs {kind} {name}, which lies outside the schema and is not in the target"
                return Verdict("blocks", f"{text}: create that first")
        return Verdict("created")

    def _role(self, item: SchemaItem) -> Verdict:
        if item.role in self.target.roles:
            return Verdict("same")
        if self.target.makes_roles:
            return Verdict("created", "without login and password: give it both where it is used")
        return Verdict(
            "not-carried", f"user {self.target.user} may not create roles: its grants are left out"
        )

    def _grant(self, item: SchemaItem) -> Verdict:
        if item.role and item.role == self.target.user:
            return Verdict("same", "everything belongs to this user in the target")
        version = self.target.server_version
        known = {part for part in item.parts if NEW_PRIVILEGES.get(part.rstrip("*"), 0) <= version}
        if not known:
            return Verdict(
                "not-carried", f"the target's version does not know {', '.join(sorted(item.parts))}"
            )
        found = self._by_name.get((item.kind, item.name))
        if found is not None and found.parts >= known:
            return Verdict("same", "", found)
        if item.role and item.role in (self.target.owner, self.target.user):
            return Verdict("same", "it owns the object in the target")
        if item.role and item.role not in self.target.roles and not self.target.makes_roles:
            return Verdict("not-carried", f"role {item.role} does not exist in the target and cannot be made")
        return Verdict("created", ", ".join(sorted(known)))


def _table(source: Table, found: SchemaItem) -> Verdict:
    assert found.shape is not None
    differences = compare_tables(source, found.shape)
    if differences.blocking:
        return Verdict("blocks", "; ".join(differences.blocking), found)
    made = [note for note in folded(source) if note != MADE_LOGGED or not found.shape.unlogged]
    notes = [*made, *differences.harmless]
    return Verdict("adapted" if notes else "same", "; ".join(notes), found)


MADE_LOGGED = "logged instead of UNLOGGED: a Neon compute empties unlogged tables at each restart"


def folded(table: Table) -> list[str]:
    """What becomes of a hypertable, of partitions, and of a table that is not logged, in words."""
    logged = [MADE_LOGGED] if table.unlogged else []
    if not table.hypertable:
        return logged
    if table.hypertable == "timescaledb":
        return [f"plain table instead of a hypertable of {len(table.chunks)} chunks", *logged]
    if table.hypertable == "aggregate":
        return ["plain table instead of a continuous aggregate", *logged]
    if table.hypertable == "inheritance":
        return [f"plain table instead of a parent with {len(table.chunks)} chunks", *logged]
    return [f"plain table instead of {len(table.chunks)} partitions (partitions folded)", *logged]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 200 else flat[:197] + "..."


UNTOLD = frozenset(
    {"role", "comment", "grant", "default", "column option", "sequence owner", "schema", "trigger state"}
)
"""Kinds that are not worth a line when only the target has them."""
BUILT_IN_UUID = "uuid-ossp"


def compare(source: Catalog, target: Catalog | None) -> tuple[SchemaObject, ...]:
    """One line for every object of the source, then what only the target has, then what is not carried.

    With target None (it cannot be reached yet): what will be created. Fates as in model.SchemaObject; the
    detail of 'blocks' says what to do. Both schemas must have the same name: objects are matched by name.
    """
    empty = Catalog(source.schema, source.server_version, "", (), exists=False, makes_roles=True)
    judge = ObjectJudge(source.server_version, target or empty)
    lines = [_extension(source, target, extension) for extension in _needed(source)]
    seen: set[tuple[str, str]] = set()
    for item in source.items:
        if item.left_out:
            lines.append(SchemaObject(item.kind, item.name, "not-carried", item.left_out))
            continue
        verdict = judge.verdict(item) if target is not None else _unreachable(judge, item)
        if verdict.match is not None:
            seen.add((verdict.match.kind, verdict.match.name))
        lines += _lines(item, verdict)
    if target is not None:
        lines += _only_there(target, seen)
        sorted_anew = changed_order(source.collation, target.collation, source.tables)
        lines += [sorted_anew] if sorted_anew is not None else []
    return (*lines, *_left_behind(source, target))


def _unreachable(judge: ObjectJudge, item: SchemaItem) -> Verdict:
    verdict = judge.verdict(item)
    if verdict.fate != "blocks" or item.blocked:
        return verdict
    return Verdict("created", verdict.detail)


def _lines(item: SchemaItem, verdict: Verdict) -> list[SchemaObject]:
    detail = "; ".join(text for text in (verdict.detail, item.note) if text)
    if item.kind != "table" or item.shape is None:
        return [SchemaObject(item.kind, item.name, verdict.fate, detail)]
    table = item.shape
    details = list(folded(table)) if verdict.fate == "created" else []
    details += [detail] if detail else []
    lines = [SchemaObject("table", item.name, verdict.fate, "; ".join([*details, _figures(table)]))]
    there = verdict.match.shape if verdict.match is not None else None
    existing = {column.name: column for column in there.columns} if there is not None else {}
    for column in table.columns:
        fate = "created" if there is None else _column_fate(column, existing.get(column.name))
        lines.append(SchemaObject("column", f"{item.name}.{column.name}", fate, _describe(column)))
    return lines


def _column_fate(column: Column, other: Column | None) -> str:
    if other is None:
        return "blocks"
    return "same" if _describe(column) == _describe(other) else "adapted"


def _describe(column: Column) -> str:
    parts = [column.type]
    if column.generated:
        parts.append(f"generated from {column.default}")
    elif column.identity:
        parts.append("identity")
    elif column.default is not None:
        parts.append(f"default {column.default}")
    return " ".join(parts + (["not null"] if column.not_null else []))


def _figures(table: Table) -> str:
    rows = "an unknown number of rows" if table.rows is None else f"about {table.rows} rows"
    key = f"key ({', '.join(table.key)})" if table.key else "no key: compared as a multiset"
    return f"{len(table.columns)} columns, {key}, {rows}"


def _needed(source: Catalog) -> list[Statement]:
    return [statement for statement in pre_data(source) if statement.kind == "extension"]


def _extension(source: Catalog, target: Catalog | None, statement: Statement) -> SchemaObject:
    name = statement.name
    users = [item.name for item in source.items if not item.left_out and ("extension", name) in item.outside]
    used = f"needed by {', '.join(users[:3])}" + (f" and {len(users) - 3} more" if len(users) > 3 else "")
    if target is None:
        return SchemaObject("extension", name, "created", f"{used}; if the target's server offers it")
    home = target.extensions.get(name)
    if home is not None and home == source.extensions.get(name, home):
        return SchemaObject("extension", name, "same", used)
    if home is not None:
        wanted = source.extensions[name]
        text = f"{used}; it is in schema {home}: ALTER EXTENSION ... SET SCHEMA {wanted}"
        return SchemaObject("extension", name, "blocks", text)
    if name in target.available:
        return SchemaObject("extension", name, "created", used)
    remedy = "install it on the target's server, or remove what needs it"
    if name == BUILT_IN_UUID:
        remedy += " (gen_random_uuid() is built in and does for uuid_generate_v4())"
    return SchemaObject(
        "extension", name, "blocks", f"{used}; the target's server does not offer it: {remedy}"
    )


def _only_there(target: Catalog, seen: set[tuple[str, str]]) -> list[SchemaObject]:
    lines = []
    for item in target.items:
        if (item.kind, item.name) not in seen and item.kind not in UNTOLD and not item.left_out:
            detail = "only in the target; left alone"
            if item.kind in ("constraint", "trigger"):
                detail += "; it may refuse or change the rows that arrive"
            lines.append(SchemaObject(item.kind, item.name, "adapted", detail))
    return lines


def _left_behind(source: Catalog, target: Catalog | None) -> list[SchemaObject]:
    lines = [
        SchemaObject(part.kind, part.name, "blocks" if part.blocks else "not-carried", part.detail)
        for part in source.machinery
    ]
    if source.exists:
        owner = f"the target's user {target.user}" if target is not None else "the target's user"
        lines.append(
            SchemaObject("ownership", source.owner, "not-carried", f"everything will belong to {owner}")
        )
    reason = (
        "it is fixed for the database or a role; set it in the target by hand if the service relies on it"
    )
    lines += [SchemaObject("setting", name, "not-carried", reason) for name in source.settings]
    return lines
