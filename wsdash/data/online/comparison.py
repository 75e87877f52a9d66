"""A moving side compared honestly: hold one snapshot of it, bring the other side to exactly that snapshot,
compare every row, exclude nothing."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.data.online.link import Link
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.snapshot.chunk_states import read_anew
from wsdash.data.snapshot.hold import open_snapshot
from wsdash.data.tables.shape import source_tables
from wsdash.data.verify.run import verify_tables
from wsdash.model import TableVerified


async def compare_moving(
    link: Link,
    *,
    on_table: Callable[[TableVerified], None] = lambda _: None,
    on_retake: Callable[[str], None] = lambda _: None,
    workers: int = 2,
) -> list[TableVerified]:
    """Compare all tables of both sides at one snapshot of the side that is left; it goes on taking writes.

    The entered side is at that snapshot afterwards. When maintenance rewrote chunks meanwhile, all is
    done anew (on_retake hears why). Raises WsdashError, UnreachableError.
    """

    async def compare() -> list[TableVerified]:
        tables = link.move.compared(link.leaving)
        async with open_snapshot(link.leaving, source_tables(tables)) as snapshot:
            with ServerErrors(link.leaving, "bringing the other side to the snapshot"):
                await link.carry(snapshot)
            found = await verify_tables(
                link.leaving,
                link.entering,
                tables,
                on_table=on_table,
                workers=workers,
                snapshot=snapshot,
            )
        if link.suspects and all(table.match for table in found):
            await link.clear_suspects()
        return found

    return await read_anew(compare, on_retake)
