"""What capture adds to a write is measured at the source, and nothing there is other than before."""

from __future__ import annotations

from tests.data.copying import run_sql
from tests.data.online.world import rows, value
from wsdash.data.online.capture.overhead import measure_overhead
from wsdash.data.online.capture.tracked import FENCE
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import connection

CATALOGS = """
SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc),
       (SELECT last_value FROM s.audit_id_seq), (SELECT string_agg(ctid::text || xmin, ',') FROM s.owners),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
"""


async def test_both_the_gate_and_the_log_are_in_it(move: Move) -> None:
    measured = await measure_overhead(move.source, move.tracked)
    assert measured is not None
    assert measured.table in ("s.items", "s.audit", "s.owners")
    assert measured.milliseconds > 0


async def test_nothing_is_other_than_before(move: Move) -> None:
    async def everything() -> list[object]:
        async with connection(move.source, read_only=True) as conn:
            catalogs = tuple(await conn.fetchrow(CATALOGS) or ())
        logs = [await value(move.source, f"SELECT count(*) FROM {one.log}") for one in move.tracked]
        return [catalogs, logs, await rows(move.source), await rows(move.source, "s.audit")]

    before = await everything()
    await measure_overhead(move.source, move.tracked)
    assert await everything() == before


async def test_a_row_that_somebody_holds_is_not_waited_for(move: Move) -> None:
    async with connection(move.source, read_only=False) as other:
        await other.execute("BEGIN; SELECT FROM s.items FOR UPDATE; SELECT FROM s.owners FOR UPDATE")
        assert await measure_overhead(move.source, move.tracked) is not None
        await other.execute("ROLLBACK")


async def test_a_side_that_takes_no_writes_is_not_measured(move: Move) -> None:
    assert await measure_overhead(move.target, move.tracked) is None
    async with connection(move.source, read_only=False) as fence:
        await fence.execute(f"SELECT pg_advisory_lock({FENCE})")
        assert await measure_overhead(move.source, move.tracked) is None


async def test_without_a_row_there_is_nothing_to_measure(move: Move) -> None:
    await run_sql(move.source, "TRUNCATE s.items, s.audit, s.owners")
    assert await measure_overhead(move.source, move.tracked) is None
