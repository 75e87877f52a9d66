"""What counts as equal where two servers' types differ in form: composites, domains."""

from __future__ import annotations

import pytest

from tests.data.copying import carry, run_sql
from tests.data.test_verify import verify
from wsdash.data.pg.connect import Endpoint

TABLE = "CREATE TABLE s.t (n int PRIMARY KEY, v {kind});"


async def test_a_composite_whose_fields_stand_in_another_order_is_a_difference(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(
        source, "CREATE SCHEMA s; CREATE TYPE s.pair AS (x int, y text);" + TABLE.format(kind="s.pair")
    )
    await run_sql(
        target, "CREATE SCHEMA s; CREATE TYPE s.pair AS (y text, x int);" + TABLE.format(kind="s.pair")
    )
    await run_sql(source, "INSERT INTO s.t VALUES (1, ROW(7, 'seven')), (2, NULL)")
    await run_sql(target, "INSERT INTO s.t VALUES (1, ROW('seven', 7)), (2, NULL)")
    (found,) = await verify(source, target)
    assert not found.match
    assert (found.source_rows, found.target_rows) == (2, 2)
    assert found.differences == ("n='1': v '(7,seven)' -> '(seven,7)'",)


@pytest.mark.parametrize("kind", ["s.letter", "s.letter[]"])
async def test_a_domain_over_char_is_carried_and_equal(source: Endpoint, target: Endpoint, kind: str) -> None:
    values = ["'a'", "NULL", "''", '(-100)::"char"', '0::"char"']
    if kind.endswith("[]"):
        values = [f"ARRAY[{value}]::{kind}" for value in values]
    rows = ", ".join(f"({n}, {value})" for n, value in enumerate(values))
    await run_sql(source, f'CREATE SCHEMA s; CREATE DOMAIN s.letter AS "char"; {TABLE.format(kind=kind)}')
    await run_sql(source, f"INSERT INTO s.t VALUES {rows}")
    catalog, _ = await carry(source, target)
    (found,) = await verify(source, target, catalog.tables)
    assert found.match
    await run_sql(target, f"UPDATE s.t SET v = {values[0]} WHERE n = 3")
    (found,) = await verify(source, target, catalog.tables)
    assert not found.match
