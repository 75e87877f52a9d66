"""The way back through a mapping: with every write where that can be taken back, else refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.copying import run_sql
from tests.data.online.mapped_world import ONE_WAY, differing
from tests.data.online.test_conflicts import SNEAK
from tests.data.online.world import carry, refused, rows, value
from wsdash.data.online.delta.conflicts import ConflictsError, keep_theirs
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.online.sync.copying import compare_moving
from wsdash.data.online.sync.follow import keep_small
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import connection
from wsdash.errors import RefusedError

PATIENT = 30.0
ITEMS = "SELECT id, at, title, size, rank FROM s.items"
BACK = {
    "s.items": "SELECT thing_id::integer, happened, label, volume::integer, place FROM s.things",
    "s.people": "SELECT number, who::varchar, years::smallint FROM s.persons",
    "s.words": "SELECT * FROM s.words",
    "s.others": "SELECT * FROM s.others",
}
"""What the source must hold after the way back, by hand, over the target's tables."""
HERE = {"s.items": ITEMS, "s.people": "SELECT id, name, age FROM s.people"}
SMALL = st.integers(1, 12)
TWO = (SMALL, SMALL)
STEP = st.one_of(
    st.builds(
        "INSERT INTO s.things (thing_id, happened, label, volume, origin) VALUES ({0}, "
        "timestamptz '2025-01-02Z' + {1} * interval '1 day', 'i', {0}, 'new') ON CONFLICT DO NOTHING".format,
        st.integers(300, 320),
        st.integers(1, 50),
    ),
    st.builds(
        "UPDATE s.things SET label = 't{1}', volume = {1} WHERE thing_id % 12 = {0}".format, SMALL, SMALL
    ),
    st.builds("DELETE FROM s.things WHERE thing_id % 12 = {0}".format, SMALL),
    st.builds(
        "UPDATE s.things SET thing_id = (SELECT max(thing_id) + 1 FROM s.things) "
        "WHERE thing_id = (SELECT min(thing_id) FROM s.things WHERE thing_id % 12 = {0})".format,
        SMALL,
    ),
    st.builds("UPDATE s.things SET origin = 'o{0}', made_here = '{0}'".format, SMALL),
    st.builds(
        "UPDATE s.persons SET who = 'q{0}-' || number, years = {0} WHERE number % 5 = {0}".format, SMALL
    ),
    st.builds("INSERT INTO s.persons (who) VALUES ('r{0}') ON CONFLICT DO NOTHING".format, SMALL),
    st.builds("DELETE FROM s.persons WHERE number % 7 = {0}".format, SMALL),
    st.builds("UPDATE s.others SET body = '{0}' WHERE id = {0}".format, SMALL),
)


@pytest.fixture
async def over(mapped: Callable[[str], Awaitable[Move]]) -> Move:
    """A move through a mapping that can be taken back, switched to the target."""
    move = await mapped("there and back")
    await switch_over(move, move.source, limit=PATIENT)
    return move


async def _back(move: Move) -> list[str]:
    """The source's tables that do not hold what users wrote to the target."""
    return [
        name
        for name, query in BACK.items()
        if await rows(move.target, f"({query})") != await rows(move.source, f"({HERE.get(name, query)})")
    ]


async def test_whatever_users_write_comes_back_and_goes_forward_again(over: Move) -> None:
    @given(steps=st.lists(STEP, min_size=3, max_size=15))
    @settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
    def collect(steps: list[str]) -> None:
        examples.append(steps)

    examples: list[list[str]] = []
    collect()
    for steps in examples:
        await run_sql(over.target, *steps)
        await switch_over(over, over.target, limit=PATIENT)
        assert await _back(over) == [], steps
        async with open_link(over, over.source) as link:
            await link.apply(whole=link.suspects)
            assert all(table.match for table in await compare_moving(link))
        await switch_over(over, over.source, limit=PATIENT)


async def test_a_column_that_the_target_lacks_keeps_its_value(over: Move) -> None:
    secret = "SELECT secret FROM s.items WHERE id = "
    await run_sql(over.source, SNEAK + "UPDATE s.items SET secret = 'mine' WHERE id IN (5, 6)")
    await run_sql(
        over.target,
        "UPDATE s.things SET label = 'new' WHERE thing_id = 5; DELETE FROM s.things WHERE thing_id = 6; "
        "INSERT INTO s.things (thing_id, happened, origin) VALUES (777, '2025-02-02Z', '')",
    )
    await switch_over(over, over.target, limit=PATIENT, overwrite=None)
    assert await value(over.source, secret + "5") == "mine"
    assert await value(over.source, "SELECT title FROM s.items WHERE id = 5") == "new"
    assert await value(over.source, secret + "777") == "unknown"
    assert await value(over.source, "SELECT count(*) FROM s.items WHERE id = 6") == 0


async def test_sequences_go_on_at_the_source(over: Move) -> None:
    await run_sql(over.target, "INSERT INTO s.persons (who) SELECT 'q' || i FROM generate_series(1, 30) i")
    await run_sql(over.target, "DELETE FROM s.persons WHERE number > 40")
    await switch_over(over, over.target, limit=PATIENT)
    await run_sql(over.source, "INSERT INTO s.people (name) VALUES ('after')")
    assert await value(over.source, "SELECT id FROM s.people WHERE name = 'after'") == 51


async def test_a_conflict_is_shown_in_the_targets_columns(over: Move) -> None:
    await run_sql(over.target, "UPDATE s.things SET label = 'target' WHERE thing_id IN (5, 6)")
    await run_sql(over.source, SNEAK + "UPDATE s.items SET title = 'source' WHERE id = 5")
    with pytest.raises(ConflictsError) as raised:
        await switch_over(over, over.target, limit=PATIENT)
    (one,) = raised.value.conflicts
    assert one.key["thing_id"] == 5
    assert one.lines() == [f"{one.id}: label: 'target' | 'source'"]
    async with connection(over.target, read_only=False) as conn:
        await keep_theirs(conn, [one])
    await switch_over(over, over.target, limit=PATIENT)
    assert await value(over.source, "SELECT title FROM s.items WHERE id = 5") == "source"
    assert await value(over.source, "SELECT title FROM s.items WHERE id = 6") == "target"


async def test_what_the_source_cannot_hold_stops_the_way_back(over: Move) -> None:
    await run_sql(over.target, "UPDATE s.persons SET who = repeat('x', 30) WHERE number = 1")
    with pytest.raises(Exception, match="too long"):
        await switch_over(over, over.target, limit=PATIENT)
    assert await refused(over.source, "UPDATE s.people SET age = 1") == "57P03"
    await run_sql(over.target, "UPDATE s.persons SET who = 'x' WHERE number = 1")
    await switch_over(over, over.target, limit=PATIENT)
    assert await _back(over) == []


@pytest.fixture
async def one_way(mapped: Callable[[str], Awaitable[Move]]) -> Move:
    """A move through a mapping that cannot be taken back, switched to the target, where users wrote."""
    move = await mapped("one way")
    await switch_over(move, move.source, limit=PATIENT)
    await run_sql(
        move.target,
        "UPDATE s.things SET label = 'lost' WHERE thing_id = 5; DELETE FROM s.things WHERE thing_id = 6; "
        "INSERT INTO s.persons VALUES ('p21', 'somebody', 1)",
    )
    return move


async def test_a_way_back_that_is_none_is_refused_with_the_columns(one_way: Move) -> None:
    with pytest.raises(RefusedError) as raised:
        await switch_over(one_way, one_way.target, limit=PATIENT)
    for word in ("s.things", "label, doubled", "where:", "s.persons", "code", "s.items fills 2 tables"):
        assert word in raised.value.what
    assert "--give-up-writes" in raised.value.remedy
    assert await refused(one_way.target, "UPDATE s.others SET body = 'x'") == "", "the target goes on"


async def test_writes_that_are_given_up_leave_both_sides_equal_in_the_end(one_way: Move) -> None:
    before = await rows(one_way.source)
    await switch_over(one_way, one_way.target, limit=PATIENT, give_up=True)
    assert await rows(one_way.source) == before
    await run_sql(
        one_way.source,
        "INSERT INTO s.people (id, name) VALUES (21, 'somebody')",
        "UPDATE s.items SET title = 'x' WHERE id = 6",
    )
    await carry(one_way)
    assert await differing(one_way, ONE_WAY[2]) == []
    await run_sql(one_way.source, "UPDATE s.items SET title = 'y' WHERE id = 6")
    await carry(one_way)
    assert await differing(one_way, ONE_WAY[2]) == []


async def test_the_log_of_a_target_without_a_way_back_is_kept_small(one_way: Move) -> None:
    for number in range(5):
        await run_sql(one_way.target, f"UPDATE s.others SET body = '{number}'")
    (log,) = [one.log for one in one_way.tracked_on(one_way.target) if one.table.name == "others"]
    await keep_small(one_way.target)
    assert await value(one_way.target, f"SELECT count(*) FROM {log}") == 10
