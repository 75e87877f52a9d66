"""Which count of the source belongs to which of the target: by name, or through the mapping."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from wsdash.config import Settings
from wsdash.data.mapping.file import Mapping, TableRule
from wsdash.data.tables.shape import Table
from wsdash.errors import WsdashError
from wsdash.steps.database.scope import read_mapping, read_scope

LEFT_OUT = "left out"
NOT_BY_COUNT = "mapped: no count"


@dataclass(frozen=True)
class CountPair:
    """One line of counts. source, target: the tables whose rows are counted; '' where there is none.

    query: what follows FROM in the source, where it is not all rows of the table: only a part of them,
    or each of some values once. fixed: rows that the mapping itself holds. note: why the two counts cannot be
    compared.
    """

    name: str
    source: str
    target: str
    query: str = ""
    fixed: int | None = None
    note: str = ""

    def side(self, place: int) -> str:
        """The table counted in the source (0) or in the target (1)."""
        return self.target if place else self.source


def pairs(
    settings: Settings,
    source: Collection[str],
    target: Collection[str],
    mapping: Mapping | None,
    fitted: Collection[Table] = (),
) -> list[CountPair]:
    """Every pair, by name, of the tables that are there. fitted: the mapping's tables as both servers
    understand them; without them, the source's side of a part or of distinct values is not known."""
    own = settings.source.schema
    if mapping is None:
        return [CountPair(f"{own}.{name}", name, name) for name in sorted({*source, *target})]
    tables = {table.name: table for table in fitted}
    found = [_mapped(settings.target.schema, rule, tables.get(rule.name)) for rule in mapping.tables.values()]
    found += [
        # the target may have a table of that name with rows of its own: they are nobody's difference
        CountPair(f"{own}.{name}", name, "", note=LEFT_OUT)
        for name in mapping.leave_out
        if name in source and name not in mapping.tables
    ]
    taken = {
        *mapping.tables,
        *mapping.leave_out,
        *(name for rule in mapping.tables.values() for name in rule.sources),
    }
    found += [CountPair(f"{own}.{name}", name, name) for name in {*source, *target} - taken]
    return sorted(found, key=lambda pair: pair.name)


def _mapped(schema: str, rule: TableRule, table: Table | None) -> CountPair:
    name = f"{schema}.{rule.name}"
    if rule.rows:
        return CountPair(name, "", rule.name, fixed=len(rule.rows))
    if not rule.where and not rule.distinct and not rule.union:
        return CountPair(name, rule.source, rule.name)
    if table is None:
        return CountPair(name, "", rule.name, note=NOT_BY_COUNT)
    return CountPair(name, rule.sources[0], rule.name, query=table.rows_of("source"))


class Pairing:
    """Pairs the tables of two servers again and again; reads and fits the mapping only when they changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: object = None
        self._pairs: list[CountPair] = []

    async def __call__(self, source: dict[str, str] | None, target: dict[str, str] | None) -> list[CountPair]:
        """Each side's tables with what tells that one was made anew; None: the side cannot be read now.

        Raises InputError for a mapping that cannot be read.
        """
        seen = (source, target)
        if seen != self._seen:
            mapping = await read_mapping(self._settings)
            fitted = await self._fitted(mapping, source, target)
            self._pairs = pairs(self._settings, source or (), target or (), mapping, fitted)
            self._seen = seen
        return self._pairs

    async def _fitted(
        self, mapping: Mapping | None, source: dict[str, str] | None, target: dict[str, str] | None
    ) -> Collection[Table]:
        if mapping is None or source is None or target is None or not mapping.tables.keys() <= target.keys():
            return ()
        if not any(rule.where or rule.distinct or rule.union for rule in mapping.tables.values()):
            return ()
        try:
            return (await read_scope(self._settings)).tables
        except WsdashError:
            return ()  # what is wrong with it, the schema panel and the steps say
