"""However many rows differ, verification holds a few of them at a time."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.data.copying import catalog_of, run_sql
from tests.data.test_verify import verify
from wsdash.data.pg.connect import Endpoint

ROWS = 200_000
MOST_BYTES = 12 << 20
"""Three times what was seen; the rows that differ are 80 MB on both sides together."""


@pytest.mark.parametrize("key", [" PRIMARY KEY", ""], ids=["by key", "as a multiset"])
async def test_when_every_row_differs_memory_stays_small(
    source: Endpoint, target: Endpoint, key: str
) -> None:
    for side, letter in ((source, "x"), (target, "y")):
        await run_sql(
            side,
            f"CREATE SCHEMA s; CREATE TABLE s.t (id int{key}, a text); INSERT INTO s.t "
            f"SELECT n, repeat('{letter}', 200) || n FROM generate_series(1, {ROWS}) n; ANALYZE s.t",
        )
    tables = (await catalog_of(source)).tables
    tracemalloc.start()
    try:
        (found,) = await verify(source, target, tables)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not found.match
    assert len(found.differences) == 20
    assert peak < MOST_BYTES
