"""Changes carried through a mapping: whatever is written to the source, the target holds what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.copying import run_sql
from tests.data.online.mapped_world import ONE_WAY, THERE_AND_BACK, WORLDS, differing, mapped_move
from tests.data.online.world import carry, rows, value
from wsdash.data.online.switch.cutover import resume, switch_over
from wsdash.data.online.sync.copying import compare_moving
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection

PATIENT = 30.0
MakeMove = Callable[[str], Awaitable[Move]]
CHANGES = {
    "swapped unique values": "UPDATE s.people SET name = NULL WHERE id = 1; "
    "UPDATE s.people SET name = 'p1' WHERE id = 2; UPDATE s.people SET name = 'p2' WHERE id = 1",
    "insert": "INSERT INTO s.items (id, at, title, size) VALUES (900, '2025-02-07Z', 'new', 3), "
    "(901, '2025-02-07Z', NULL, 99); INSERT INTO s.people VALUES (90, 'ninety', 9, '')",
    "update": "UPDATE s.items SET title = 'changed' WHERE id < 60; UPDATE s.people SET name = name || 'x'",
    "update of a column that is left out": "UPDATE s.items SET secret = 'x'; UPDATE s.people SET note = 'x'",
    "delete": "DELETE FROM s.items WHERE id % 3 = 0; DELETE FROM s.people WHERE id < 5",
    "a row leaves the filter": "UPDATE s.items SET size = 70 WHERE id IN (1, 2, 3)",
    "a row comes into the filter": "UPDATE s.items SET size = 7 WHERE size > 90",
    "key change": "UPDATE s.items SET id = id + 5000 WHERE id < 20; UPDATE s.people SET id = id + 100",
    "key change to another chunk": "UPDATE s.items SET at = at - interval '25 days' WHERE at > '2025-02-01Z'",
    "delete and insert": "DELETE FROM s.items WHERE id = 3; "
    "INSERT INTO s.items (id, at, title, size) VALUES (3, '2025-01-20Z', 'again', 1)",
    "truncate": "TRUNCATE s.items; INSERT INTO s.items (id, title, size) VALUES (1, 'x', 1), (2, 'y', 60)",
    "a table without a key": "UPDATE s.words SET word = 'drei' WHERE word = 'two'",
    "a table that is not mapped": "UPDATE s.others SET body = 'c'",
}
DAYS = st.integers(1, 50)
SMALL = st.integers(1, 12)
SIZES = st.integers(0, 99)
STEP = st.one_of(
    st.builds(
        "INSERT INTO s.items (id, at, title, size) SELECT {0}, timestamptz '2025-01-02Z' + {1} * interval "
        "'1 day', 'i', {2} WHERE NOT EXISTS (SELECT FROM s.items WHERE id = {0})".format,
        st.integers(300, 312),
        DAYS,
        SIZES,
    ),
    st.builds("UPDATE s.items SET size = {1} WHERE id % 12 = {0}".format, SMALL, SIZES),
    st.builds("UPDATE s.items SET title = 't{1}', rank = {1} WHERE id % 12 = {0}".format, SMALL, SIZES),
    st.builds("DELETE FROM s.items WHERE id % 12 = {0}".format, SMALL),
    st.builds(
        "UPDATE s.items SET id = (SELECT max(id) + 1 FROM s.items) "
        "WHERE id = (SELECT min(id) FROM s.items WHERE id % 12 = {0})".format,
        SMALL,
    ),
    st.builds("UPDATE s.people SET name = 'q{1}-' || id, age = {1} WHERE id % 5 = {0}".format, SMALL, SIZES),
    st.builds("INSERT INTO s.people (name) VALUES ('r{0}') ON CONFLICT DO NOTHING".format, SIZES),
    st.builds("DELETE FROM s.people WHERE id % 7 = {0}".format, SMALL),
    st.builds("INSERT INTO s.words VALUES ('w{0}')".format, SMALL),
    st.builds("UPDATE s.others SET body = '{1}' WHERE id = {0}".format, SMALL, SIZES),
    st.just("TRUNCATE s.items"),
    st.sampled_from(["carry", "killed before the commit", "another link"]),
)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    """The name of a mapping."""
    return str(request.param)


async def test_every_change_arrives_as_the_mapping_says(mapped: MakeMove, world: str) -> None:
    move = await mapped(world)
    assert await differing(move, WORLDS[world][2]) == []
    for kind, sql in CHANGES.items():
        await run_sql(move.source, sql)
        await carry(move)
        assert await differing(move, WORLDS[world][2]) == [], kind
        assert await carry(move) == 0, "what was carried is not new any more"


async def test_what_is_written_before_the_copy_is_there_once(
    source: Endpoint, target: Endpoint, tmp_path: Path, world: str
) -> None:
    changes = [CHANGES[kind] for kind in ("insert", "delete", "key change", "a row leaves the filter")]
    move = await mapped_move(source, target, tmp_path, WORLDS[world], *changes)
    await carry(move)
    assert await differing(move, WORLDS[world][2]) == []


async def test_whatever_is_written_and_killed_the_target_is_the_mapped_source(
    mapped: MakeMove, world: str
) -> None:
    @given(steps=st.lists(STEP, min_size=8, max_size=16))
    @settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
    def collect(steps: list[str]) -> None:
        examples.append(steps)

    examples: list[list[str]] = []
    collect()
    move = await mapped(world)
    for steps in examples:
        for step in steps:
            if step == "carry":
                await carry(move)
            elif step == "killed before the commit":
                await _killed(move)
            elif step != "another link":
                await run_sql(move.source, step)
        await carry(move)
        assert await differing(move, WORLDS[world][2]) == [], steps


async def _killed(move: Move) -> None:
    """Everything is written, and the session ends before it commits."""
    async with open_link(move, move.source) as link:
        delta = await link.read()
        if delta.changes:
            await link.write(delta)
            await link.check(delta)
        link.writer.terminate()
        link.reader.terminate()


async def test_a_moving_source_is_compared_through_the_mapping(mapped: MakeMove, world: str) -> None:
    move = await mapped(world)
    await run_sql(move.source, CHANGES["update"], CHANGES["a row leaves the filter"])
    async with open_link(move, move.source) as link:
        found = await compare_moving(link)
    assert {table.name for table in found} == set(WORLDS[world][2])
    assert all(table.match for table in found)


async def test_a_difference_is_found_through_the_mapping(mapped: MakeMove, world: str) -> None:
    move = await mapped(world)
    sneak = "SET session_replication_role = replica; SET wsdash.applying = 'on'; "
    await run_sql(move.target, sneak + "UPDATE s.things SET label = 'other' WHERE thing_id = 5")
    async with open_link(move, move.source) as link:
        found = await compare_moving(link)
    assert [table.name for table in found if not table.match] == ["s.things"]


async def test_the_switch_opens_the_target_with_its_sequences_further(mapped: MakeMove) -> None:
    move = await mapped("there and back")
    await run_sql(move.source, "INSERT INTO s.people (name) SELECT 'q' || i FROM generate_series(1, 30) i")
    await run_sql(move.source, "DELETE FROM s.people WHERE id > 40")
    await switch_over(move, move.source, limit=PATIENT)
    assert await differing(move, THERE_AND_BACK[2]) == []
    await run_sql(move.target, "INSERT INTO s.persons (who) VALUES ('after')")
    assert await value(move.target, "SELECT number FROM s.persons WHERE who = 'after'") == 51


async def test_a_key_that_is_made_is_found_again(mapped: MakeMove) -> None:
    move = await mapped("one way")
    (persons,) = [one for one in move.routes(move.source) if one.target.table.name == "persons"]
    assert persons.key
    assert not persons.found
    await run_sql(move.source, "UPDATE s.people SET id = 500 WHERE id = 3; DELETE FROM s.people WHERE id = 4")
    await carry(move)
    codes = {row[0] for row in await rows(move.target, "s.persons")}
    assert "p500" in codes
    assert not codes & {"p3", "p4"}


async def test_rows_of_the_schema_file_stay_beside(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    schema = ONE_WAY[0] + "INSERT INTO s.persons VALUES ('seed', 'seed', 0);"
    mapping = ONE_WAY[1].replace("{from: people,", "{from: people, seed_rows: merge,")
    move = await mapped_move(source, target, tmp_path, (schema, mapping, {}))
    await run_sql(source, "TRUNCATE s.people; INSERT INTO s.people (id, name) VALUES (1, 'alone')")
    await carry(move)
    assert await rows(target, "s.persons") == [("p1", "alone", 7), ("seed", "seed", 0)]


async def test_a_crash_between_closing_and_opening_goes_forward(mapped: MakeMove, world: str) -> None:
    move = await mapped(world)
    await run_sql(move.source, CHANGES["update"])

    async def die(stage: str) -> None:
        if stage == "open":
            raise RuntimeError(stage)

    with pytest.raises(RuntimeError, match="open"):
        await switch_over(move, move.source, limit=PATIENT, on_stage=die)
    assert await resume(move) is not None
    assert await differing(move, WORLDS[world][2]) == []
    async with connection(move.target, read_only=False) as conn:
        await conn.execute("UPDATE s.others SET body = 'open'")
