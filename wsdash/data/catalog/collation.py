"""The default collation of a database: it orders every text that names no collation of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wsdash.data.tables.shape import Column, Table
from wsdash.model import SchemaObject
from wsdash.outside import read_json

_TEXTUAL = re.compile(r"(text|character|citext|name|\"char\")")
_BY_BYTES = re.compile(r"(c|posix|ucs_basic|c\.utf-?8)$", re.IGNORECASE)
"""The order of UTF-8's bytes is the order of its code points, whoever provides it."""
_SHOWN = 5


def default_collation(database: str) -> str:
    """In words: 'libc en_US.utf8', 'ICU de-DE', 'builtin C.UTF-8'.

    database: its row of pg_database as JSON.
    """
    # daticulocale (15, 16) became datlocale (17), datlocprovider came with 15
    row = read_json(database)
    provider = {"b": "builtin", "i": "ICU"}.get(str(row.get("datlocprovider")), "libc")
    locale = row.get("datlocale") or row.get("daticulocale") if provider != "libc" else None
    return f"{provider} {locale or row['datcollate']}"


def changed_order(source: str, target: str, tables: Iterable[Table]) -> SchemaObject | None:
    """A line where text sorts differently in the target: by which collations, and what that touches."""
    if not source or not target or _order(source) == _order(target):
        return None
    found = [
        f"{table.name}.{column.name}" for table in tables for column in table.columns if _by_default(column)
    ]
    detail = f"{source} in the source, {target} in the target"
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        detail += (
            f": ORDER BY, < and >, min and max, ranges and pages by text change for {len(found)} columns"
            f" ({', '.join(found[:_SHOWN])}{more}); rows and uniqueness do not. Name a collation in the"
            ' queries (ORDER BY title COLLATE "...") where the old order matters'
        )
    return SchemaObject("collation", "default of the database", "adapted", detail)


def _by_default(column: Column) -> bool:
    return not column.collation and _TEXTUAL.match(column.type) is not None


def _order(collation: str) -> str:
    """The same text for the same order, as far as the names tell."""
    provider, _, locale = collation.partition(" ")
    if provider != "ICU" and _BY_BYTES.match(locale):
        return "bytes"
    return f"{provider} {locale.lower().replace('utf-8', 'utf8')}"
