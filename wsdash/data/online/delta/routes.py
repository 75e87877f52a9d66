"""How the rows of a table on the side that is left become those of a table on the side that is entered.

Without a mapping both are the same table. Through one, the target's row follows from the source's (forward),
and where nothing speaks against it the source's from the target's (back): PerRow of data/tables/shape.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from wsdash.data.mapping.per_row import base
from wsdash.data.mapping.seed_rows import is_seed_row
from wsdash.data.online.capture.position import Position
from wsdash.data.online.capture.tracked import Tracked
from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import Column, Mapped, Reading, Table

OP = '"wsdash op"'
ROW, KEY = '"wsdash row"', '"wsdash key"'
"""Names that no expression of a mapping means."""


@dataclass(frozen=True)
class Route:
    """One direction of a table. values: what each travelling column of the entered side is made of, as SQL
    over the left table's columns.

    key: the entered columns by which rows are found again, () where only all of them can be taken. found: the
    left columns that they are made of, where each is one and nothing more, or a constant; () otherwise.
    where: which of the left rows travel. kept: entered columns that nothing fills and that keep what they
    hold. beside: the entered rows (t) that are not ours, as an SQL condition. plain: of mapped tables, pairs
    of a left and an entered column with the same values. target, shown, shown_key: to show rows to people,
    the target's table, for each side a relation with its columns, and its key over the entered key's columns.
    """

    left: Tracked
    entered: Tracked
    values: tuple[tuple[Column, str], ...]
    key: tuple[Column, ...]
    found: tuple[str, ...]
    target: Tracked
    shown: tuple[str, str]
    where: str = ""
    kept: tuple[Column, ...] = ()
    beside: str = ""
    plain: tuple[tuple[str, str], ...] = ()
    shown_key: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The entered columns that travel."""
        return tuple(column for column, _ in self.values)

    @property
    def names(self) -> tuple[str, ...]:
        """And their names."""
        return tuple(column.name for column in self.columns)

    @property
    def whole(self) -> bool:
        """Whether any change means all rows: one of the tables has no key."""
        return self.left.keyless or not self.key

    @property
    def stage(self) -> str:
        """The temporary table with the entered keys that a delta touches."""
        return self.entered.stage

    @property
    def key_names(self) -> tuple[str, ...]:
        """What the key's columns are called in it: k1, k2 ..."""
        return tuple(f"k{place}" for place in range(1, len(self.key) + 1))

    @property
    def match(self) -> str:
        """The condition that an entered row t has the key k."""
        pairs = zip(self.key, self.key_names, strict=True)
        return " AND ".join(f"t.{ident(column.name)} = k.{place}" for column, place in pairs)

    def changed_keys(self, since: Position) -> str:
        """SELECT on the left side: the entered keys that changed; made: a row was put there anew."""
        made = {column.name: value for column, value in self.values}
        keys = ", ".join(f"{made[c.name]} AS {k}" for c, k in zip(self.key, self.key_names, strict=True))
        places = ", ".join(str(place) for place in range(1, len(self.key) + 1))
        return f"SELECT {keys}, bool_or({OP} = 'I') AS made FROM {self._logged(since)} GROUP BY {places}"

    @property
    def found_columns(self) -> tuple[tuple[str, Column], ...]:
        """The left columns of `found`, each once, with what the log calls it."""
        log = dict(zip(self.left.table.key, self.left.key_names, strict=True))
        columns = {column.name: column for column in self.left.key}
        return tuple((log[name], columns[name]) for name in dict.fromkeys(self.found))

    @property
    def every_left(self) -> str:
        """SELECT on the left side: all rows, as the entered side has them."""
        return self._from_left(self.left.relation)

    def left_rows(self, since: Position, shared: str = "") -> str:
        """SELECT on the left side: the rows under the changed keys, as the entered side has them.

        shared: a condition on the left rows (t) that all of them satisfy (lookup.py).
        """
        if self.found:
            found = self.found_columns
            keys = ", ".join(f"{k} AS {ident(column.name)}" for k, column in found)
            match = " AND ".join(f"t.{ident(c.name)} = k.{ident(c.name)}" for _, c in found) + shared
            changed = f"(SELECT DISTINCT {keys} FROM {self.left.log} WHERE op <> 'T' AND {since.since}) k "
            return self._from_left(f"(SELECT t.* FROM {changed} JOIN {self.left.relation} t ON {match})")
        # the key is made: whose rows have it now is known only from all of them
        match = " AND ".join(
            f"{ROW}.{ident(c.name)} = {KEY}.{k}" for c, k in zip(self.key, self.key_names, strict=True)
        )
        names = ", ".join(f"{ROW}.{ident(name)}" for name in self.names)
        every = f"({self.every_left}) AS {ROW}"
        return f"SELECT {names} FROM ({self.changed_keys(since)}) AS {KEY} JOIN {every} ON {match}"

    @property
    def every_entered(self) -> str:
        """SELECT on the entered side: all rows."""
        beside = f" WHERE NOT ({self.beside})" if self.beside else ""
        return f"SELECT {self._entered} FROM {self.entered.relation} t{beside}"

    def entered_rows(self, match: str) -> str:
        """SELECT on the entered side: the rows (t) under the staged keys (k); match: joins them."""
        return f"SELECT {self._entered} FROM pg_temp.{self.stage} k JOIN {self.entered.relation} t ON {match}"

    @property
    def _entered(self) -> str:
        return ", ".join(f"t.{ident(name)}" for name in self.names)

    def _from_left(self, rows: str) -> str:
        """What travels of these left rows."""
        values = ", ".join(f"{value} AS {ident(column.name)}" for column, value in self.values)
        where = f" WHERE ({self.where}\n)" if self.where else ""
        return f"SELECT {values} FROM {rows} AS {ident(self.left.table.name)}{where}"

    def _logged(self, since: Position) -> str:
        """The log's new lines under the names of the left table's columns."""
        keys = ", ".join(
            f"{k} AS {ident(c)}" for c, k in zip(self.left.table.key, self.left.key_names, strict=True)
        )
        return (
            f"(SELECT op AS {OP}, {keys} FROM {self.left.log} WHERE op <> 'T' AND {since.since}) "
            f"AS {ident(self.left.table.name)}"
        )


def same(tracked: Tracked) -> Route:
    """The route of a table that both sides have as it is."""
    table = tracked.table
    return Route(
        tracked,
        tracked,
        tuple((column, ident(column.name)) for column in table.copied_columns),
        tracked.key,
        table.key,
        tracked,
        (tracked.relation, tracked.relation),
        shown_key=tuple(ident(name) for name in table.key),
    )


def forward(source: Tracked, target: Tracked, table: Table) -> Route:
    """From the source through a mapping. table: the mapped one, of which it is known that it is per row."""
    mapped = table.mapped
    assert mapped is not None
    assert mapped.per_row is not None
    values, plain = dict(mapped.source.columns), dict(mapped.per_row.plain)
    key = target.key if mapped.per_row.keyed else ()
    used = [column for column in key if column.name not in mapped.per_row.constant]
    found = tuple(plain.get(column.name, "") for column in used)
    direct = set(found) <= set(source.table.key)
    return Route(
        source,
        target,
        tuple((column, values[column.name]) for column in table.copied_columns),
        key,
        found if direct else (),
        target,
        (_rows(mapped.source, source), target.relation),
        where=mapped.source.where,
        beside=is_seed_row(target.table, "t") if table.keep_seed_rows and mapped.target else "",
        plain=tuple((origin, name) for name, origin in mapped.per_row.plain),
        shown_key=tuple(ident(column.name) for column in key),
    )


def back(source: Tracked, target: Tracked, table: Table) -> Route:
    """From the target through a mapping that can be taken back."""
    mapped = table.mapped
    assert mapped is not None
    assert mapped.per_row is not None
    theirs = {column.name: column for column in target.table.columns}
    ours = {column.name: column for column in source.table.copied_columns}
    pairs = [(theirs[name], ours[origin]) for name, origin in mapped.per_row.plain if origin in ours]
    names = dict(mapped.per_row.plain)
    filled = {column.name for _, column in pairs}
    forwards = dict(mapped.source.columns)
    return Route(
        target,
        source,
        tuple((column, _returned(there, column)) for there, column in pairs),
        tuple(ours[names[name]] for name in target.table.key),
        target.table.key,
        target,
        (target.relation, _rows(mapped.source, source)),
        kept=tuple(column for column in ours.values() if column.name not in filled),
        plain=tuple((there.name, column.name) for there, column in pairs),
        shown_key=tuple(forwards[name] for name in target.table.key),
    )


def _rows(reading: Reading, source: Tracked) -> str:
    """The source's rows as the target has them."""
    return f"({reading.select()})"


def _returned(there: Column, column: Column) -> str:
    """A value of the target as the source had it."""
    name = ident(there.name)
    if there.type == column.type:
        return name
    if "." in column.type or '"' in column.type:
        return f"{name}::text"
    return f"{name}::{base(column.type)}"


def against(mapped: Mapped) -> tuple[str, ...]:
    """Why changes cannot be applied through the mapping; () where they can."""
    if mapped.per_row is None:
        return ("nobody has looked whether its rows each follow from one row",)
    return mapped.per_row.against
