"""Both sides compared by content at any time, on sides that may be written to meanwhile.

A row that users write between one side's snapshot and the other's differs without being wrong. So tables that
differ are compared a second time, a moment later: a difference that is seen twice, word for word, counts; one
that is gone or reads otherwise had moved. The two comparisons' checksums tell whether a side was written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from wsdash.config import Settings
from wsdash.data.mapping.seed_rows import changed_seed_rows
from wsdash.data.pg.connect import connection
from wsdash.data.verify.run import verify_tables
from wsdash.errors import InputError
from wsdash.model import TableVerified
from wsdash.model.comparison import DIFFERS, EQUAL, MOVING
from wsdash.steps.base import endpoint
from wsdash.steps.limits import COMPARE_PAUSE_SECONDS
from wsdash.steps.scope import read_carried


@dataclass(frozen=True)
class ComparedNow:
    """One table. how: equal; differs (differences that were seen twice); moving (all of them moved, or the
    table is written to faster than it can be compared: no answer). written: the sides that were written to
    between the two comparisons. differences: those seen twice; moved: how many others there were."""

    table: TableVerified
    how: str
    written: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    moved: int = 0


async def verify_now(
    settings: Settings,
    on_table: Callable[[TableVerified], None] = lambda _: None,
    *,
    pause: float = COMPARE_PAUSE_SECONDS,
) -> list[ComparedNow]:
    """Compare every table that is carried. Writes nothing. Raises InputError where there is no table,
    UnreachableError and WsdashError.
    """
    source, target = endpoint(settings.source), endpoint(settings.target)
    tables = (await read_carried(settings)).tables
    if not tables:
        raise InputError(
            f"schema {settings.source.schema} of {source.address} has no table to compare",
            where="wsdash.yaml, key source.schema",
            remedy="correct source in wsdash.yaml",
        )
    workers = settings.copy.workers
    first = await verify_tables(source, target, tables, on_table=on_table, workers=workers)
    differing = [table for table, found in zip(tables, first, strict=True) if not found.match]
    again: dict[str, TableVerified] = {}
    if differing:
        await asyncio.sleep(pause)
        second = await verify_tables(source, target, differing, on_table=on_table, workers=workers)
        again = {found.name: found for found in second}
    return [judge(found, again.get(found.name)) for found in first]


async def changed_seeds(settings: Settings) -> list[str]:
    """The target's tables whose rows from the schema file, where they stay, were changed or deleted.

    Raises UnreachableError and WsdashError.
    """
    async with connection(endpoint(settings.target), read_only=True) as session:
        return await changed_seed_rows(session)


def judge(first: TableVerified, second: TableVerified | None) -> ComparedNow:
    """What two comparisons of a table say; second: None where the first found it equal."""
    if second is None:
        return ComparedNow(first, EQUAL)
    sides = (
        ("source", first.source_checksum != second.source_checksum),
        ("target", first.target_checksum != second.target_checksum),
    )
    written = tuple(name for name, changed in sides if changed)
    if second.match:
        return ComparedNow(second, EQUAL, written, moved=max(1, len(first.differences)))
    if not written:
        return ComparedNow(second, DIFFERS, (), second.differences)
    stand = tuple(line for line in second.differences if line in first.differences)
    moved = len({*first.differences, *second.differences}) - len(stand)
    return ComparedNow(second, DIFFERS if stand else MOVING, written, stand, moved)
