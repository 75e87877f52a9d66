"""A figure of rows is right within a factor of two, or it is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.copying import catalog_of, run_sql
from wsdash.data.pg.connect import Endpoint
from wsdash.data.tables.shape import Bounds, compressed_bounds, heap_bounds


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_shown_figure_is_right_within_a_factor_of_two(low: int, more: int) -> None:
    bounds = Bounds(low, low + more)
    if bounds.rows is not None:
        for true in (bounds.low, bounds.high):
            assert bounds.rows <= 2 * true
            assert true <= 2 * bounds.rows


def heap(**changes: Any) -> dict[str, Any]:
    """A relation of 10 000 rows, analyzed, and not touched since."""
    usual = {
        "tuples": 10_000.0,
        "analyzed_pages": 100,
        "pages": 100,
        "live": 10_000,
        "modified": 0,
        "analyzed": True,
    }
    return usual | changes


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({}, 10_000),
        ({"pages": 0}, 0),
        ({"modified": 3000}, 10_000),
        ({"modified": 20_000}, 10_000),
        ({"modified": 20_000, "live": 30_000}, None),
        ({"tuples": -1.0}, None),
        ({"tuples": 0.0, "live": 0}, 0),
        ({"tuples": 0.0, "live": 0, "analyzed": False}, None),
        ({"pages": 300}, None),
        ({"pages": 30}, None),
        # a crash took the counters away
        ({"analyzed": False, "live": 0}, None),
        # an index build counted
        ({"analyzed": False, "modified": 10_000}, 10_000),
    ],
)
def test_statistics_are_trusted_as_far_as_they_agree(changes: dict[str, Any], rows: int | None) -> None:
    assert heap_bounds(heap(**changes)).rows == rows


def compressed(**changes: Any) -> dict[str, Any]:
    """5000 rows compressed into 40 batches, and not touched since."""
    counters = {"inserted": 40, "deleted": 0, "modified": 0, "analyzed": True}
    return {"rows": 5000, "batches": 40, "tuples": 40.0} | counters | changes


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({}, 5000),
        ({"deleted": 1}, 4500),
        ({"deleted": 20}, None),
        ({"inserted": 42, "deleted": 1}, 5500),
        # the counters began anew
        ({"inserted": 0}, 5000),
        ({"inserted": 0, "tuples": 39.0}, 4500),
        ({"inserted": 0, "analyzed": False}, None),
        ({"inserted": 0, "modified": 1}, None),
        ({"inserted": 0, "tuples": 41.0}, None),
        ({"rows": None}, None),
    ],
)
def test_batches_that_are_gone_count_as_full_ones(changes: dict[str, Any], rows: int | None) -> None:
    assert compressed_bounds(compressed(**changes)).rows == rows


async def test_a_table_without_statistics_has_no_figure(source: Endpoint) -> None:
    await run_sql(
        source,
        "CREATE SCHEMA s; CREATE TABLE s.t AS SELECT generate_series(1, 5000) n; "
        "CREATE TABLE s.empty (n integer)",
    )
    rows = {table.name: table.rows for table in (await catalog_of(source)).tables}
    assert rows == {"t": None, "empty": 0}
    await run_sql(source, "ANALYZE s.t")
    rows = {table.name: table.rows for table in (await catalog_of(source)).tables}
    assert rows == {"t": 5000, "empty": 0}
