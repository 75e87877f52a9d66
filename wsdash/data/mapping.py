"""The mapping file: how the source's rows fit a target that has a schema of its own. Its form alone;
whether it fits the two catalogs is mapping_plan's and mapping_check's affair."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsdash.config import read_yaml
from wsdash.errors import InputError

TOP = ("tables", "leave_out")
TABLE = ("from", "where", "distinct", "rows", "columns", "leave_out")
COLUMN = {
    "value": (),
    "expression": (),
    "assign": ("order",),
    "lookup": ("value", "missing"),
}
"""What a column may be made by, and what may stand beside it."""
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
    """How one table of the target is filled. source: the source's table, '' for constant rows."""

    name: str
    key: str
    source: str = ""
    where: str = ""
    distinct: bool = False
    rows: tuple[dict[str, Scalar], ...] = ()
    columns: dict[str, ColumnRule] = field(default_factory=dict)
    leave_out: dict[str, str] = field(default_factory=dict)


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
    if rule.get("rows") is not None:
        beside = [other for other in ("from", "where", "distinct", "columns", "leave_out") if other in rule]
        if beside:
            raise _wrong(
                path,
                f"{key}.{beside[0]}",
                rule[beside[0]],
                "it stands beside rows",
                "constant rows take nothing from the source: remove one of the two",
            )
        return TableRule(name, key, rows=_rows(path, f"{key}.rows", rule["rows"]))
    distinct = rule.get("distinct", False)
    if not isinstance(distinct, bool):
        raise _wrong(path, f"{key}.distinct", distinct, "it is neither true nor false", "use true or false")
    columns = _section(path, f"{key}.columns", rule.get("columns"))
    return TableRule(
        name,
        key,
        source=_text(path, f"{key}.from", rule.get("from", name)),
        where=_text(path, f"{key}.where", rule["where"]) if "where" in rule else "",
        distinct=distinct,
        columns={
            str(column): _column(path, f"{key}.columns.{column}", value) for column, value in columns.items()
        },
        leave_out=_reasons(path, f"{key}.leave_out", rule.get("leave_out")),
    )


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
