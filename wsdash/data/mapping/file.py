"""The mapping file: how the source's rows fit a target that has a schema of its own. Its form alone;
whether it fits the two catalogs is mapping_plan's and mapping_check's affair."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsdash.config import read_yaml
from wsdash.errors import InputError

TOP = ("tables", "leave_out")
PART = ("from", "where", "distinct", "columns", "leave_out")
TABLE = (*PART, "rows", "union", "by", "seed_rows")
SEED_RULES = ("replace", "merge", "refuse")
"""What becomes of the rows that the target's schema file inserts into a table that the source fills."""
COLUMN = {
    "value": (),
    "expression": (),
    "assign": ("order",),
    "lookup": ("value", "missing"),
}
"""What a column may be made by, and what may be given beside it."""
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class ColumnRule:
    """What a column of the target is made of: exactly one of these.

    expression: SQL over the source's columns. constant: a fixed value (is_constant tells None from none).
    assign: an SQL expression whose every value gets a new integer, numbered in the order of `order`; the
    pairs are kept in the target. lookup: a table with such a column, in whose pairs the value of `expression`
    is looked up; missing: refuse, or null where it has none.
    """

    key: str
    expression: str = ""
    is_constant: bool = False
    constant: Scalar = None
    assign: str = ""
    order: str = ""
    lookup: str = ""
    missing: str = "refuse"


@dataclass(frozen=True)
class TableRule:
    """How one table of the target is filled. source: the source's table, '' for constant rows and a union.

    union: its parts, each a rule of its own. by: the columns that tell a row of a later part from one that an
    earlier part gave already, and that is left out then; () where all rows of all parts are wanted.
    """

    name: str
    key: str
    source: str = ""
    where: str = ""
    distinct: bool = False
    rows: tuple[dict[str, Scalar], ...] = ()
    columns: dict[str, ColumnRule] = field(default_factory=dict)
    leave_out: dict[str, str] = field(default_factory=dict)
    seed_rows: str = "replace"
    union: tuple[TableRule, ...] = ()
    by: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Every table of the source that rows come from."""
        return tuple(part.source for part in self.union or (self,) if part.source)


@dataclass(frozen=True)
class Mapping:
    """A mapping file. tables: by the target's name. leave_out: source tables not carried, and why."""

    path: Path
    tables: dict[str, TableRule]
    leave_out: dict[str, str]

    def wrong(self, key: str, value: object, what: str, remedy: str) -> InputError:
        """An error about one key of this file."""
        return _wrong(self.path, key, value, what, remedy)


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises InputError that names file, key, value and remedy. Blocks for I/O."""
    if not path.is_file():
        raise InputError(
            f"the mapping file {path.name} does not exist",
            where=str(path),
            remedy="correct target.mapping in wsdash.yaml, or leave it empty",
        )
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(
            f"{path.name} is not a mapping of keys", where=str(path), remedy="begin it with the key tables:"
        )
    _known(path, "", raw, TOP)
    tables = _section(path, "tables", raw.get("tables"))
    if not tables:
        raise _wrong(path, "tables", tables, "it maps no table", "name at least one table of the target")
    return Mapping(
        path,
        {str(name): _table(path, str(name), rule) for name, rule in tables.items()},
        _reasons(path, "leave_out", raw.get("leave_out")),
    )


def _table(path: Path, name: str, raw: object) -> TableRule:
    key = f"tables.{name}"
    rule = _section(path, key, raw)
    _known(path, key, rule, TABLE)
    seed_rows = rule.get("seed_rows", "replace")
    if seed_rows not in SEED_RULES:
        what = f"it is none of {', '.join(SEED_RULES)}"
        raise _wrong(path, f"{key}.seed_rows", seed_rows, what, f"use one of {', '.join(SEED_RULES)}")
    if rule.get("rows") is not None:
        remedy = "constant rows take nothing from the source: remove one of the two"
        _alone(path, key, rule, "rows", (*PART, "union", "by"), remedy)
        return TableRule(name, key, rows=_rows(path, f"{key}.rows", rule["rows"]), seed_rows=seed_rows)
    if rule.get("union") is not None:
        return _union(path, name, rule, seed_rows)
    if "by" in rule:
        raise _wrong(path, f"{key}.by", rule["by"], "it is given without a union", "remove it, or add union:")
    return _part(path, name, key, rule, seed_rows)


def _union(path: Path, name: str, rule: dict[Any, Any], seed_rows: str) -> TableRule:
    key = f"tables.{name}"
    remedy = "move it into the parts of the union that it concerns"
    _alone(path, key, rule, "union", tuple(one for one in PART if one != "columns"), remedy)
    raw = rule["union"]
    if not isinstance(raw, list) or len(raw) < 2:
        raise _wrong(path, f"{key}.union", raw, "it is not a list of parts", "write - {from: ...} for each")
    parts = []
    for place, one in enumerate(raw):
        part = _section(path, f"{key}.union[{place}]", one)
        _known(path, f"{key}.union[{place}]", part, PART)
        parts.append(_part(path, name, f"{key}.union[{place}]", part))
    by = rule.get("by", [])
    by = [by] if isinstance(by, str) else by
    if not isinstance(by, list) or not all(isinstance(one, str) for one in by):
        raise _wrong(path, f"{key}.by", by, "it is not a list of columns", "write by: name or by: [a, b]")
    return TableRule(
        name,
        key,
        columns=_columns(path, key, rule),
        seed_rows=seed_rows,
        union=tuple(parts),
        by=tuple(by),
    )


def _alone(
    path: Path, key: str, rule: dict[Any, Any], what: str, others: tuple[str, ...], remedy: str
) -> None:
    for other in others:
        if other in rule:
            raise _wrong(path, f"{key}.{other}", rule[other], f"it is given beside {what}", remedy)


def _part(path: Path, name: str, key: str, rule: dict[Any, Any], seed_rows: str = "replace") -> TableRule:
    distinct = rule.get("distinct", False)
    if not isinstance(distinct, bool):
        raise _wrong(path, f"{key}.distinct", distinct, "it is neither true nor false", "use true or false")
    return TableRule(
        name,
        key,
        source=_text(path, f"{key}.from", rule.get("from", name)),
        where=_text(path, f"{key}.where", rule["where"]) if "where" in rule else "",
        distinct=distinct,
        columns=_columns(path, key, rule),
        leave_out=_reasons(path, f"{key}.leave_out", rule.get("leave_out")),
        seed_rows=seed_rows,
    )


def _columns(path: Path, key: str, rule: dict[Any, Any]) -> dict[str, ColumnRule]:
    columns = _section(path, f"{key}.columns", rule.get("columns"))
    return {str(name): _column(path, f"{key}.columns.{name}", value) for name, value in columns.items()}


def _column(path: Path, key: str, raw: object) -> ColumnRule:
    if isinstance(raw, str):
        return ColumnRule(key, expression=_text(path, key, raw))
    if not isinstance(raw, dict):
        remedy = "write an SQL expression in quotes, or {value: ...} for a constant"
        raise _wrong(path, key, raw, "it is not an expression", remedy)
    kinds = [kind for kind in COLUMN if kind in raw]
    kind = "lookup" if "lookup" in kinds else kinds[0] if kinds else ""
    if not kind:
        raise _wrong(path, key, raw, "it says nothing", f"use one of the keys {', '.join(COLUMN)}")
    _known(path, key, raw, (kind, *COLUMN[kind]))
    if kind == "value":
        return ColumnRule(key, is_constant=True, constant=_scalar(path, f"{key}.value", raw["value"]))
    texts = {name: _text(path, f"{key}.{name}", value) for name, value in raw.items()}
    if kind == "expression":
        return ColumnRule(key, expression=texts["expression"])
    if kind == "assign":
        return ColumnRule(key, assign=texts["assign"], order=texts.get("order", ""))
    if "value" not in texts:
        remedy = "name the expression whose new key is looked up: value: item_id"
        raise _wrong(path, key, raw["lookup"], "the lookup has no value", remedy)
    missing = texts.get("missing", "refuse")
    if missing not in ("refuse", "null"):
        raise _wrong(path, f"{key}.missing", missing, "it is neither refuse nor null", "use refuse or null")
    return ColumnRule(key, expression=texts["value"], lookup=texts["lookup"], missing=missing)


def _rows(path: Path, key: str, raw: object) -> tuple[dict[str, Scalar], ...]:
    if not isinstance(raw, list) or not raw:
        raise _wrong(path, key, raw, "it is not a list of rows", "write - {column: value, ...} for each row")
    rows = []
    for place, one in enumerate(raw):
        row = _section(path, f"{key}[{place}]", one)
        rows.append({str(name): _scalar(path, f"{key}[{place}].{name}", v) for name, v in row.items()})
        if rows[place].keys() != rows[0].keys():
            remedy = "give every row the same columns (null where one has no value)"
            raise _wrong(path, f"{key}[{place}]", one, "it has other columns than the first row", remedy)
    if not rows[0]:
        raise _wrong(path, f"{key}[0]", raw[0], "the row has no column", "write column: value")
    return tuple(rows)


def _section(path: Path, key: str, raw: object) -> dict[Any, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise _wrong(path, key, raw, "it is not a mapping of keys", "write key: value lines below it")
    return raw


def _known(path: Path, key: str, raw: dict[Any, Any], names: tuple[str, ...]) -> None:
    for name in raw:
        if name not in names:
            full = f"{key}.{name}" if key else str(name)
            raise _wrong(path, full, raw[name], "this key is not known here", f"use {', '.join(names)}")


def _reasons(path: Path, key: str, raw: object) -> dict[str, str]:
    remedy = "say in words why it is left out"
    return {
        str(name): _text(path, f"{key}.{name}", reason, remedy)
        for name, reason in _section(path, key, raw).items()
    }


def _text(path: Path, key: str, raw: object, remedy: str = "write it in quotes") -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise _wrong(path, key, raw, "it is not a text", remedy)
    if "\0" in raw:
        raise _wrong(path, key, raw, "it holds a NUL character", "remove it")
    return raw.strip()


def _scalar(path: Path, key: str, raw: object) -> Scalar:
    if raw is None or isinstance(raw, str | int | float | bool):
        return raw
    if hasattr(raw, "isoformat"):
        return str(raw.isoformat())  # YAML reads an unquoted date as one
    raise _wrong(path, key, raw, "it is not a single value", "write text, a number, true, false or null")


def _wrong(path: Path, key: str, value: object, what: str, remedy: str) -> InputError:
    shown = "" if value is None or isinstance(value, dict | list) else f", value {value!r}"
    return InputError(f"{what} (key {key}{shown})", where=f"{path}, key {key}", remedy=remedy)
