"""On the way back, a row that somebody else changed in the closed source is shown, not written over."""

from __future__ import annotations

import pytest

from tests.data.copying import run_sql
from tests.data.online.world import same, value
from wsdash.data.online.delta.conflicts import ConflictsError, keep_theirs
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection

PATIENT = 30.0
SNEAK = "SET session_replication_role = replica; SET wsdash.applying = 'on'; "
"""How a superuser passes gates and log by; so does a restore, or a trigger that is switched off."""
TITLE = "SELECT title FROM s.items WHERE id = 5"


@pytest.fixture
async def over(move: Move) -> Move:
    """The move, switched to the target, where rows 5 and 6 have changed."""
    await switch_over(move, move.source, limit=PATIENT)
    await run_sql(move.target, "UPDATE s.items SET title = 'target' WHERE id IN (5, 6)")
    return move


async def _conflicts(move: Move) -> ConflictsError:
    with pytest.raises(ConflictsError) as raised:
        await switch_over(move, move.target, limit=PATIENT)
    return raised.value


async def test_a_row_that_somebody_changed_is_shown_side_by_side(over: Move) -> None:
    await run_sql(over.source, SNEAK + "UPDATE s.items SET title = 'source' WHERE id = 5")
    error = await _conflicts(over)
    assert [
        (one.key["id"], one.ours["title"], one.theirs["title"])
        for one in error.conflicts
        if one.ours and one.theirs
    ] == [(5, "target", "source")]
    assert "title: 'target' | 'source'" in error.what
    assert await value(over.source, TITLE) == "source", "nothing was written over"


async def test_a_row_that_somebody_deleted_is_a_conflict(over: Move) -> None:
    await run_sql(over.source, SNEAK + "DELETE FROM s.items WHERE id = 5")
    (one,) = (await _conflicts(over)).conflicts
    assert one.theirs is None
    assert one.ours is not None


async def test_a_row_that_both_made_is_a_conflict(over: Move) -> None:
    row = "VALUES (900, '2025-03-03Z', '{}', 1, DEFAULT, 1)"
    await run_sql(over.target, f"INSERT INTO s.items {row.format('target')}")
    await run_sql(over.source, SNEAK + f"INSERT INTO s.items {row.format('source')}")
    (one,) = (await _conflicts(over)).conflicts
    assert one.key["id"] == 900


async def test_what_both_changed_alike_is_none(over: Move) -> None:
    await run_sql(over.source, SNEAK + "UPDATE s.items SET title = 'target' WHERE id = 5")
    await switch_over(over, over.target, limit=PATIENT)
    assert await same(over)


async def test_what_was_carried_before_is_none(over: Move) -> None:
    for number in range(3):
        async with open_link(over, over.target) as link:
            assert await link.apply() > 0
        await run_sql(over.target, f"UPDATE s.items SET title = 'again {number}' WHERE id = 5")
    await run_sql(over.target, "DELETE FROM s.items WHERE id = 6")
    await switch_over(over, over.target, limit=PATIENT)
    assert await same(over)


async def test_the_targets_row_stays_where_that_is_chosen(over: Move) -> None:
    await run_sql(over.source, SNEAK + "UPDATE s.items SET title = 'source' WHERE id IN (5, 6)")
    first, second = (await _conflicts(over)).conflicts
    with pytest.raises(ConflictsError) as raised:
        await switch_over(over, over.target, limit=PATIENT, overwrite=[first.id])
    assert [one.id for one in raised.value.conflicts] == [second.id]
    await switch_over(over, over.target, limit=PATIENT, overwrite=None)
    assert await value(over.source, TITLE) == "target"
    assert await same(over)


async def test_the_sources_row_stays_where_that_is_chosen(over: Move) -> None:
    await run_sql(
        over.source,
        SNEAK + "UPDATE s.items SET title = 'source' WHERE id = 5; DELETE FROM s.items WHERE id = 6",
    )
    audited = await value(over.target, "SELECT count(*) FROM s.audit")
    await _keep(over.target, await _conflicts(over))
    await switch_over(over, over.target, limit=PATIENT)
    assert await value(over.source, TITLE) == "source"
    assert await value(over.source, "SELECT count(*) FROM s.items WHERE id = 6") == 0
    assert await value(over.source, "SELECT count(*) FROM s.audit") == audited
    assert await same(over)


async def _keep(side: Endpoint, error: ConflictsError) -> None:
    async with connection(side, read_only=False) as conn:
        await keep_theirs(conn, error.conflicts)
