"""The copy joined with its position: what is copied, and from where on its changes lack, are one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wsdash.data.copy.run import CopyRequest, CopyResult, copy_tables
from wsdash.data.online.capture import install, note_copy
from wsdash.data.online.ground import read_ground
from wsdash.data.online.move import Move
from wsdash.data.online.position import read_position, seal
from wsdash.data.pg.connect import connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.snapshot.chunk_states import read_anew
from wsdash.data.snapshot.hold import open_snapshot
from wsdash.data.tables.shape import source_tables
from wsdash.model import Progress


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
