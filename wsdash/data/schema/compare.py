"""Object by object: what the source has, and what becomes of it in the target."""

from __future__ import annotations

from wsdash.data.catalog.collation import changed_order
from wsdash.data.catalog.items import SchemaItem
from wsdash.data.catalog.read import Catalog
from wsdash.data.schema.ddl import Statement, pre_data
from wsdash.data.schema.judge import ObjectJudge, Verdict, folded
from wsdash.data.tables.shape import Column, Table
from wsdash.model import SchemaObject

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
