"""A side that is written to meanwhile, copied and compared at one snapshot of it.

What is copied, and the position from which on its changes are missing, are one snapshot. A comparison brings
the other side to exactly the snapshot that it holds, compares every row, and excludes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wsdash.data.copy.run import CopyRequest, CopyResult, copy_tables
from wsdash.data.online.capture.install import install, note_copy
from wsdash.data.online.capture.position import read_position, seal
from wsdash.data.online.capture.structure import read_ground
from wsdash.data.online.sync.link import Link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.snapshot.chunk_states import read_anew
from wsdash.data.snapshot.hold import open_snapshot
from wsdash.data.tables.shape import source_tables
from wsdash.data.verify.run import verify_tables
from wsdash.model import Progress, TableVerified


async def copy_online(
    move: Move,
    request: CopyRequest,
    on_progress: Callable[[Progress], None],
    on_retake: Callable[[str], None] = lambda _: None,
) -> CopyResult:
    """Copy while the source is written to; capture must be on it. Then the target refuses writers.

    Safe to call again: a copy that is taken up under a later snapshot keeps the oldest position. Raises what
    copy_tables does.
    """

    async def copy() -> CopyResult:
        async with open_snapshot(move.source, source_tables(move.tables)) as snapshot:
            with ServerErrors(move.source, "reading the position of the copy"):
                position = await read_position(snapshot.conn)
                ground = await read_ground(snapshot.conn, move.tracked)
            async with connection(move.source, read_only=False) as steward:
                with ServerErrors(move.source, "sealing the position of the copy"):
                    await seal(steward)
            await note_copy(move.target, move.run, position, ground)
            return await copy_tables(replace(request, snapshot=snapshot), on_progress)

    result = await read_anew(copy, on_retake)
    await install(move.target, move.tracked_on(move.target), move.run, closed=True)
    return result


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
                await link.apply(snapshot)
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
