"""Generated items are the same for the same seed, and cover everything the migration must carry."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world import schema
from wsdash.demo.world.schema import (
    CATEGORIES,
    COLUMNS,
    PRIORITIES,
    STATUSES,
    Row,
    generate_items,
    load_items,
)

FINGERPRINT = "select md5(string_agg(i::text, e'\\n' order by i::text)) from workspace.{} i"


def _values(rows: list[Row], column: str) -> list[object]:
    place = COLUMNS.index(column)
    return [row[place] for row in rows]


@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 300), seed=st.integers())
def test_the_same_seed_gives_the_same_rows(count: int, seed: int) -> None:
    rows = list(generate_items(count, seed))
    assert len(rows) == count
    assert rows == list(generate_items(count, seed))


def test_another_seed_gives_other_rows() -> None:
    assert list(generate_items(20, 1)) != list(generate_items(20, 2))


def test_ids_are_distinct() -> None:
    assert len(set(_values(list(generate_items(5000, 3)), "id"))) == 5000


def test_three_hundred_items_cover_every_value_and_eighteen_months() -> None:
    rows = list(generate_items(300, 1))
    assert set(_values(rows, "status")) == set(STATUSES)
    assert set(_values(rows, "priority")) == set(PRIORITIES)
    assert set(_values(rows, "category")) == set(CATEGORIES)
    assert None in _values(rows, "description")
    assert any(not str(title).isascii() for title in _values(rows, "title"))
    months = {moment.strftime("%Y-%m") for moment in _values(rows, "created_at")}  # type: ignore[attr-defined]
    assert len(months) >= 18
    times = _values(rows, "created_at") + _values(rows, "updated_at")
    assert all(schema.EPOCH - timedelta(days=730) < t <= schema.EPOCH for t in times)  # type: ignore[operator]


async def test_loading_twice_gives_equal_tables_audit_included(source: Endpoint) -> None:
    prints = []
    for _ in range(2):
        async with connection(source, read_only=False) as conn:
            await conn.execute(schema.source_schema())
            await load_items(conn, 500, seed=11)
            prints.append([await conn.fetchval(FINGERPRINT.format(table)) for table in schema.HYPERTABLES])
            await conn.execute(f"drop schema workspace, {schema.INTERNAL} cascade")
    assert prints[0] == prints[1]


async def test_ten_thousand_items_tell_how_far_they_are_while_they_load(source: Endpoint) -> None:
    told: list[int] = []
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.before_rows())
        await load_items(conn, 10_000, 1, told.append)
        assert await conn.fetchval("select count(*) from workspace.workspace_audit_log") == 10_000
    assert told[-1] == 10_000
    assert told == sorted(told)
    assert len(told) > 5
