"""A mapping laid over two catalogs: which column of the target is made of what; names alone, no server."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from wsdash.data.catalog.read import Catalog
from wsdash.data.mapping.file import ColumnRule, Mapping, Scalar, TableRule
from wsdash.data.pg.sql import ident, literal
from wsdash.data.tables.shape import Column, Table

INTEGERS = ("smallint", "integer", "bigint")
_WORD = re.compile(r"\"((?:[^\"]|\"\")+)\"|([A-Za-z_\u0080-\uffff][\w$]*)|'(?:[^']|'')*'")
RESTLESS = re.compile(
    r"\b(now|clock_timestamp|transaction_timestamp|statement_timestamp|timeofday|random|nextval|setval"
    r"|gen_random_uuid|uuid_generate_v1|uuid_generate_v4|uuidv4|uuidv7|current_timestamp|current_date"
    r"|current_time|localtime|localtimestamp|txid_current|pg_current_xact_id)\b",
    re.IGNORECASE,
)
"""What gives another value when it is asked again: what it made could never be compared."""


@dataclass(frozen=True)
class ColumnPlan:
    """A column of the target and the SQL over the source's rows that fills it.

    kind: same (the source has a column of that name), expression, constant, assign (a new integer) or lookup.
    keys: the table (the target's name) in whose pairs of old and new keys it is found, for the last two.
    """

    column: Column
    kind: Literal["same", "expression", "constant", "assign", "lookup"]
    expression: str
    key: str
    keys: str = ""
    rule: ColumnRule | None = None
    never_null: bool = False


@dataclass(frozen=True)
class TableMappingPlan:
    """A table of the target and how it is filled. source: None for constant rows.

    defaulted: the columns that nothing fills and the target's default or NULL does. parts: of a union, whose
    columns all give the same names; `rows` is made of them once their types are known.
    """

    rule: TableRule
    target: Table
    source: Table | None
    rows: str
    columns: tuple[ColumnPlan, ...]
    defaulted: tuple[str, ...]
    parts: tuple[TableMappingPlan, ...] = ()

    @property
    def sources(self) -> tuple[Table, ...]:
        """The source's tables that the rows come from."""
        return tuple(part.source for part in self.parts or (self,) if part.source is not None)

    @property
    def assigned(self) -> ColumnPlan | None:
        """The column that gets new integers."""
        return next((column for column in self.columns if column.kind == "assign"), None)

    def column(self, name: str) -> ColumnPlan | None:
        """The plan of one column."""
        return next((plan for plan in self.columns if plan.column.name == name), None)


def lay_out(mapping: Mapping, source: Catalog, target: Catalog) -> tuple[TableMappingPlan, ...]:
    """Each mapped table's plan. Raises InputError for the first name that one of the catalogs lacks and for a
    target column that nothing fills."""
    here = require_sources(mapping, source)
    there = {table.name: table for table in target.tables}
    plans = []
    for rule in mapping.tables.values():
        if rule.name not in there:
            remedy = _one_of(there, "correct the name, or add the table to the target's schema file")
            raise mapping.wrong(rule.key, rule.name, f"the target has no table {rule.name}", remedy)
        parts = tuple(_part(mapping, rule, part, here[part.source], there[rule.name]) for part in rule.union)
        _agree(mapping, rule, parts)
        plans.append(_table(mapping, rule, here.get(rule.source), there[rule.name], parts))
    _check_lookups(mapping, plans)
    return tuple(plans)


def require_sources(mapping: Mapping, source: Catalog) -> dict[str, Table]:
    """The source's tables by name. Raises InputError when the mapping names one that is not there."""
    here = {table.name: table for table in source.tables}
    for name, reason in mapping.leave_out.items():
        if name not in here:
            remedy = _one_of(here, "remove it")
            raise mapping.wrong(f"leave_out.{name}", reason, f"the source has no table {name}", remedy)
    for rule in (part for table in mapping.tables.values() for part in table.union or (table,)):
        if rule.source and rule.source not in here:
            remedy = _one_of(here, "name a table of the source with from:")
            what = f"the source has no table {rule.source}"
            raise mapping.wrong(f"{rule.key}.from", rule.source, what, remedy)
    used = {name for rule in mapping.tables.values() for name in rule.sources} | mapping.leave_out.keys()
    for rule in mapping.tables.values():
        if rule.name in here.keys() - used:
            what = f"the source's table {rule.name} goes nowhere: the target's is filled with other rows"
            remedy = f"fill a table from it, or say why not: leave_out: {{{rule.name}: reason}}"
            raise mapping.wrong(rule.key, rule.name, what, remedy)
    return here


def _part(
    mapping: Mapping, union: TableRule, rule: TableRule, source: Table, target: Table
) -> TableMappingPlan:
    """One part of a union: the columns that it gives, by the target's names."""
    _require_columns(mapping, rule, target)
    ours = {column.name: column for column in source.columns if column.name not in rule.leave_out}
    columns = []
    for column in target.columns:
        own = rule.columns.get(column.name)
        if own is not None and (own.assign or own.lookup or column.name in union.columns):
            remedy = f"write it in {union.key}.columns, over the union's columns"
            raise mapping.wrong(own.key, column.name, "a part of a union does not give new keys", remedy)
        if column.name not in union.columns and (plan := _column(mapping, rule, ours, column)) is not None:
            columns.append(plan)
    return TableMappingPlan(rule, target, source, ident(source.schema, source.name), tuple(columns), ())


def _agree(mapping: Mapping, rule: TableRule, parts: tuple[TableMappingPlan, ...]) -> None:
    """Every part of a union gives the same columns, among them those that tell its rows apart."""
    given = {plan.column.name for part in parts for plan in part.columns}
    for part in parts:
        for name in sorted(given - {plan.column.name for plan in part.columns}):
            what = f"this part of the union does not give column {name}, and another does"
            remedy = "give it an expression or {value: ...}, or name it under leave_out in the other parts"
            raise mapping.wrong(f"{part.rule.key}.columns.{name}", None, what, remedy)
    for name in rule.by:
        if name not in given:
            what = f"no part of the union gives column {name}"
            raise mapping.wrong(f"{rule.key}.by", name, what, _one_of(given, "correct the name"))


def _require_columns(mapping: Mapping, rule: TableRule, target: Table) -> None:
    theirs = {column.name for column in target.columns}
    named = set(rule.columns) | (set(rule.rows[0]) if rule.rows else set())
    for name in sorted(named - theirs):
        key = f"{rule.key}.rows" if rule.rows else f"{rule.key}.columns.{name}"
        remedy = _one_of(theirs, "correct the name")
        raise mapping.wrong(key, name, f"the target's table {rule.name} has no column {name}", remedy)


def _table(
    mapping: Mapping,
    rule: TableRule,
    source: Table | None,
    target: Table,
    parts: tuple[TableMappingPlan, ...],
) -> TableMappingPlan:
    _require_columns(mapping, rule, target)
    columns, defaulted = [], []
    given = {plan.column.name for plan in parts[0].columns} if parts else set()
    ours = {column.name: column for column in source.columns} if source is not None else {}
    for column in target.columns:
        plan = _column(mapping, rule, ours, column)
        if column.name in given:
            plan = ColumnPlan(column, "expression", ident(column.name), f"{rule.key}.union")
        if plan is not None:
            columns.append(plan)
        elif not column.generated:
            defaulted.append(column.name)
            _may_default(mapping, rule, column)
    if not columns:
        raise mapping.wrong(rule.key, rule.name, "nothing of this table is filled", "map its columns")
    rows = _constants(rule) if rule.rows else ""
    if source is not None:
        rows = ident(source.schema, source.name)
    return TableMappingPlan(rule, target, source, rows, tuple(columns), tuple(defaulted), parts)


def _column(mapping: Mapping, rule: TableRule, ours: dict[str, Column], column: Column) -> ColumnPlan | None:
    key = f"{rule.key}.columns.{column.name}"
    own = rule.columns.get(column.name)
    if own is not None and column.generated:
        remedy = "remove it: the target computes it"
        raise mapping.wrong(key, column.name, f"{column.name} is a generated column", remedy)
    if column.generated:
        return None
    if rule.rows:
        given = column.name in rule.rows[0]
        return ColumnPlan(column, "constant", ident(column.name), f"{rule.key}.rows") if given else None
    if own is None:
        found = ours.get(column.name)
        if found is None or rule.distinct:
            return None
        return ColumnPlan(column, "same", ident(column.name), key, never_null=found.not_null)
    for expression in (own.expression, own.assign, own.order):
        if restless := RESTLESS.search(without_strings(expression)):
            remedy = "use a constant or a column: what it gives changes, and could never be compared"
            raise mapping.wrong(key, expression, f"{restless[0]} gives another value each time", remedy)
    if own.is_constant:
        return ColumnPlan(column, "constant", constant_sql(own.constant), key, rule=own)
    if own.assign:
        _integer(mapping, key, column)
        return ColumnPlan(column, "assign", own.assign, key, rule.name, own)
    if own.lookup:
        _integer(mapping, key, column)
        return ColumnPlan(column, "lookup", own.expression, key, own.lookup, own)
    return ColumnPlan(column, "expression", own.expression, key, rule=own)


def constant_sql(value: Scalar) -> str:
    """A constant as SQL text, to be cast to the column's type."""
    if value is None:
        return "NULL::text"
    if isinstance(value, bool):
        return "'true'::text" if value else "'false'::text"
    return f"{literal(str(value))}::text"


def _constants(rule: TableRule) -> str:
    names = list(rule.rows[0])
    rows = ", ".join("(" + ", ".join(constant_sql(row[name]) for name in names) + ")" for row in rule.rows)
    return f"(VALUES {rows}) AS constants ({', '.join(map(ident, names))})"


def _integer(mapping: Mapping, key: str, column: Column) -> None:
    if column.type not in INTEGERS:
        what = f"the target's column {column.name} is {column.type}, and new keys are integers"
        raise mapping.wrong(key, column.name, what, "map it with an expression instead")


def _may_default(mapping: Mapping, rule: TableRule, column: Column) -> None:
    if column.not_null and column.default is None and not column.identity:
        key = f"{rule.key}.columns.{column.name}"
        what = f"nothing fills column {column.name}, which is NOT NULL and has no default in the target"
        raise mapping.wrong(key, None, what, "give it an expression, or {value: ...} for a constant")


def all_go_somewhere(mapping: Mapping, plans: Iterable[TableMappingPlan]) -> None:
    """Raises InputError for a column of the source that is neither used nor knowingly left out."""
    for plan in (part for table in plans for part in table.parts or (table,)):
        if plan.source is not None:
            _all_go_somewhere(mapping, plan.rule, plan.source, plan.columns)


def _all_go_somewhere(
    mapping: Mapping, rule: TableRule, source: Table, columns: Iterable[ColumnPlan]
) -> None:
    names = {column.name for column in source.columns}
    for name, reason in rule.leave_out.items():
        if name not in names:
            key = f"{rule.key}.leave_out.{name}"
            what = f"the source's table {source.name} has no column {name}"
            raise mapping.wrong(key, reason, what, _one_of(names, "remove it"))
    if rule.distinct:
        return
    used: set[str] = set(rule.leave_out)
    for plan in columns:
        if plan.kind == "same":
            used.add(plan.column.name)
        elif plan.kind != "constant":
            used |= words(plan.expression)
    for name in sorted(names - used):
        what = f"column {name} of the source's table {source.name} goes nowhere"
        remedy = f"use it in an expression, or say why not: leave_out: {{{name}: reason}}"
        raise mapping.wrong(f"{rule.key}.columns", name, what, remedy)


def _check_lookups(mapping: Mapping, plans: list[TableMappingPlan]) -> None:
    assigned = {plan.rule.name for plan in plans if plan.assigned is not None}
    for plan in plans:
        made = [column for column in plan.columns if column.kind == "assign"]
        if len(made) > 1:
            what = f"two columns of {plan.rule.name} get new keys"
            remedy = "assign one of them, and look the other up"
            raise mapping.wrong(made[1].key, made[1].column.name, what, remedy)
        for column in plan.columns:
            if column.kind == "lookup" and column.keys not in assigned:
                what = f"no column of {column.keys} is assigned new keys in this file"
                remedy = _one_of(assigned, f"give {column.keys} a column with assign:")
                raise mapping.wrong(f"{column.key}.lookup", column.keys, what, remedy)


def words(expression: str) -> set[str]:
    """Every name in an expression, as PostgreSQL folds it."""
    found = set()
    for quoted, bare in _WORD.findall(expression):
        if quoted or bare:
            found.add(quoted.replace('""', '"') if quoted else bare.lower())
    return found


def without_strings(expression: str) -> str:
    """The expression with its literals and quoted names emptied."""
    return re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "''", expression)


def _one_of(names: Iterable[str], otherwise: str) -> str:
    known = sorted(names)
    shown = ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
    return f"{otherwise} (there: {shown})" if known else otherwise
