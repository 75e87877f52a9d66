"""What of the source's schema is still made in the target when a mapping covers some of its tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wsdash.data.catalog.items import SchemaItem
from wsdash.data.catalog.read import Catalog
from wsdash.data.mapping.file import Mapping, TableRule
from wsdash.data.mapping.plan import ColumnPlan, TableMappingPlan
from wsdash.model import SchemaObject

OWN_SCHEMA = frozenset(
    {"function", "procedure", "view", "materialized view", "rule", "trigger", "trigger state", "aggregate"}
)
"""Kinds that name tables and columns in ways nobody can translate: the target's schema file has its own."""
_REFERENCES = re.compile(r"REFERENCES ((?:\"(?:[^\"]|\"\")+\"|\w+)\.(?:\"(?:[^\"]|\"\")+\"|\w+))\s*\(")


@dataclass(frozen=True)
class _Reduction:
    """Why an item is left out; first item by item, then for what belongs to it."""

    mapping: Mapping
    schema: str
    gone: dict[str, str]
    """Tables (qualified) that are not made after the source, and why."""

    def reason(self, item: SchemaItem) -> str:
        """'' when the item is carried."""
        if item.table in self.gone:
            return self.gone[item.table]
        if item.kind in OWN_SCHEMA:
            return f"with {self.mapping.path.name}, this comes from the target's own schema file"
        if item.kind == "constraint" and (found := _REFERENCES.search(item.body)):
            parent = found[1].replace('""', "\0").replace('"', "").replace("\0", '"')
            if parent in self.gone:
                return f"it refers to {parent}: {self.gone[parent]}"
        return ""


def reduced(source: Catalog, mapping: Mapping) -> Catalog:
    """The source's catalog with only the tables that the mapping does not name; all that goes with the others
    is marked as left out, with its reason."""
    file = mapping.path.name
    fed: dict[str, list[str]] = {}
    for rule in mapping.tables.values():
        for name in rule.sources:
            fed.setdefault(name, []).append(rule.name)
        fed.setdefault(rule.name, [])
    gone = {
        f"{source.schema}.{name}": f"its rows go through {file} into {', '.join(targets)}"
        if targets
        else f"{file} fills the target's table of this name"
        for name, targets in fed.items()
    }
    gone |= {f"{source.schema}.{name}": f"{file}: {reason}" for name, reason in mapping.leave_out.items()}
    reduction = _Reduction(mapping, source.schema, gone)
    owners = {item.name: item.table for item in source.items if item.kind == "sequence owner"}
    out: set[tuple[str, str]] = set()
    items: list[SchemaItem] = []
    for item in source.items:
        reason = item.left_out or reduction.reason(item)
        if not reason and item.kind == "sequence" and owners.get(item.name) in gone:
            reason = gone[owners[item.name]]
        if not reason and item.about is not None and (item.about.kind, item.about.name) in out:
            reason = "what it is about is not carried"
        if not reason and item.kind == "grant" and any(f" {k} {n}" in item.name for k, n in out):
            reason = "what it is granted on is not carried"
        if not reason and item.kind == "default" and _calls(item, out):
            reason = "it calls a function that is not carried"
        if reason:
            out.add((item.kind, item.name))
        items.append(replace(item, left_out=reason))
    wanted = {item.role for item in items if item.kind == "grant" and not item.left_out}
    items = [item for item in items if item.kind != "role" or item.role in wanted]
    tables = tuple(table for table in source.tables if table.qualified not in gone)
    return replace(source, tables=tables, items=tuple(items))


def _calls(item: SchemaItem, out: set[tuple[str, str]]) -> bool:
    return any(kind == "function" and name.split("(", 1)[0] + "(" in item.sql for kind, name in out)


def mapped_objects(
    plans: Sequence[TableMappingPlan], compared: Sequence[SchemaObject], source: Catalog
) -> tuple[SchemaObject, ...]:
    """The comparison with the mapped tables shown as what they are: each with its columns, and what the
    target has beside them.
    """
    schema = source.schema
    mapped = {f"{plan.target.schema}.{plan.rule.name}" for plan in plans}
    sources = {table.qualified for plan in plans for table in plan.sources}
    lines = [
        line
        for line in compared
        if not (line.kind == "table" and (line.name in mapped or line.name in sources))
        and not (line.kind == "column" and line.name.rpartition(".")[0] in mapped)
    ]
    for plan in plans:
        lines += _table_lines(plan)
        for rule in plan.rule.union or (plan.rule,):
            for name, reason in rule.leave_out.items():
                kept = f"{schema}.{rule.source}.{name}"
                lines.append(SchemaObject("column", kept, "not-carried", reason))
    return tuple(lines)


def unseen_objects(
    mapping: Mapping, compared: Sequence[SchemaObject], source: Catalog
) -> tuple[SchemaObject, ...]:
    """The same before the target's tables are there: which of them its schema file must make."""
    mapped = {f"{source.schema}.{name}" for name in mapping.tables}
    lines = [line for line in compared if not (line.kind == "table" and line.name in mapped)]
    for rule in mapping.tables.values():
        detail = f"by the target's schema file; {_origin(rule, source.schema)}, {rule.key} of the mapping"
        lines.append(SchemaObject("table", f"{source.schema}.{rule.name}", "created", detail))
    return tuple(lines)


def _origin(rule: TableRule, schema: str) -> str:
    """Where a table's rows come from, in words."""
    if rule.union:
        parts = " and ".join(_origin(part, schema) for part in rule.union)
        return parts + (f", each {', '.join(rule.by)} from the first that has it" if rule.by else "")
    origin = f"from {schema}.{rule.source}" if rule.source else "constant rows"
    if rule.distinct:
        origin += ", each value once"
    if rule.where:
        origin += f", where {rule.where}"
    return origin


def _table_lines(plan: TableMappingPlan) -> list[SchemaObject]:
    name = plan.target.qualified
    origin = _origin(plan.rule, plan.target.schema if not plan.sources else plan.sources[0].schema)
    lines = [SchemaObject("table", name, "adapted", f"{origin}; {plan.rule.key} of the mapping")]
    for column in plan.columns:
        full = f"{name}.{column.column.name}"
        fate = "same" if column.kind == "same" and _unchanged(column, plan) else "adapted"
        lines.append(SchemaObject("column", full, fate, f"{column.column.type}: {_made_of(column)}"))
    lines += [
        SchemaObject("column", f"{name}.{column}", "adapted", "not in the mapping: the target's default")
        for column in plan.defaulted
    ]
    if plan.assigned is not None:
        pairs = f"wsdash.key_map_{plan.rule.name}"
        detail = "old_id, new_id: old keys resolve here; keep it as long as anybody may ask by an old key"
        lines.append(SchemaObject("key map", pairs, "created", detail))
    return lines


def _unchanged(column: ColumnPlan, plan: TableMappingPlan) -> bool:
    assert plan.source is not None
    return any(c.name == column.column.name and c.type == column.column.type for c in plan.source.columns)


def _made_of(column: ColumnPlan) -> str:
    if column.kind == "same":
        return "the source's column of this name"
    if column.kind == "constant":
        return "a constant"
    if column.kind == "assign":
        return f"a new integer for each {column.expression}"
    if column.kind == "lookup":
        return f"the new key of {column.keys} for {column.expression}"
    return column.expression
