"""Whatever the rows and the mapping, what arrives is what the mapping says, and equal by content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.copying import fetch, ignore, run_sql
from tests.data.mapping_world import fitted, mapped_request
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.verify.run import verify_tables
from wsdash.errors import WsdashError

RESET = """
DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA IF EXISTS wsdash CASCADE; CREATE SCHEMA s;
"""
SOURCE = (
    "CREATE TABLE s.old (id uuid, place integer, kind text, body text, parent uuid, PRIMARY KEY (id, place))"
)
TARGET = """
CREATE TABLE s.kinds (id serial PRIMARY KEY, name text UNIQUE);
CREATE TABLE s.new (body text NOT NULL, id serial PRIMARY KEY, kind_id integer REFERENCES s.kinds (id),
  parent_id integer, fixed smallint NOT NULL);
"""
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
ROW = st.tuples(st.integers(0, 9), st.sampled_from(["", "a", "B", "é"]) | st.none(), TEXT | st.none())
BODIES: dict[str, Callable[[str | None, str | None], str]] = {
    "coalesce(body, '')": lambda _, body: body or "",
    "coalesce(kind, '?') || length(coalesce(body, 'none'))": lambda kind, body: (
        f"{'?' if kind is None else kind}{4 if body is None else len(body)}"
    ),
    "(body IS NULL)::text": lambda _, body: "true" if body is None else "false",
}


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[UUID, int, str | None, str | None, UUID | None]]:
    """Rows with ids of their own; some refer to another row, some to one that is not there."""
    made = draw(st.lists(ROW, max_size=12))
    ids = draw(st.lists(st.uuids(), min_size=len(made) + 1, max_size=len(made) + 1, unique=True))
    parents = st.sampled_from(ids) | st.none()
    return [(ids[n], place, kind, body, draw(parents)) for n, (place, kind, body) in enumerate(made)]


@pytest.mark.parametrize("body", BODIES)
async def test_what_arrives_is_what_the_mapping_says(
    source: Endpoint, target: Endpoint, tmp_path: Path, body: str
) -> None:
    @given(found=rows(), limit=st.integers(0, 10), fixed=st.integers(-5, 5), workers=st.integers(1, 3))
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    def check(found: list[Any], limit: int, fixed: int, workers: int) -> None:
        examples.append((found, limit, fixed, workers))

    examples: list[tuple[list[Any], int, int, int]] = []
    check()
    for found, limit, fixed, workers in examples:
        await run_sql(source, RESET, SOURCE)
        await run_sql(target, RESET, TARGET)
        async with connection(source, read_only=False) as conn:
            await conn.executemany("INSERT INTO s.old VALUES ($1, $2, $3, $4, $5)", found)
        path = tmp_path / "mapping.yaml"
        path.write_text(
            f"""
tables:
  kinds: {{from: old, distinct: true, where: kind IS NOT NULL AND place < {limit},
          columns: {{id: {{assign: kind}}, name: kind}}}}
  new:
    from: old
    where: place < {limit}
    columns:
      id: {{assign: id, order: place}}
      body: "{body}"
      kind_id: {{lookup: kinds, value: kind}}
      parent_id: {{lookup: new, value: parent, missing: "null"}}
      fixed: {{value: {fixed}}}
    leave_out: {{place: it orders the new keys, body: told otherwise}}
"""
        )
        mapped = await fitted(source, target, path, "s")
        await copy_tables(await mapped_request(source, target, mapped, workers=workers, schema="s"), ignore)
        await _equals(target, found, limit, fixed, body)
        results = await verify_tables(source, target, mapped.tables, on_table=lambda _: None, workers=workers)
        assert [r.differences for r in results if not r.match] == []


async def _equals(target: Endpoint, found: list[Any], limit: int, fixed: int, body: str) -> None:
    kept = sorted((row for row in found if row[1] < limit), key=lambda row: (row[1], row[0].bytes))
    new = {row[0]: number for number, row in enumerate(kept, 1)}
    kinds = sorted({row[2] for row in kept if row[2] is not None}, key=lambda kind: kind.encode())
    kind_ids = {kind: number for number, kind in enumerate(kinds, 1)}
    expected = []
    for id_, _, kind, text, parent in kept:
        expected.append((new[id_], BODIES[body](kind, text), kind_ids.get(kind), new.get(parent), fixed))
    query = "SELECT id, body, kind_id, parent_id, fixed FROM s.new ORDER BY id"
    arrived = [tuple(row) for row in await fetch(target, query)]
    assert arrived == expected
    assert [tuple(r) for r in await fetch(target, "SELECT id, name FROM s.kinds ORDER BY id")] == [
        (number, kind) for kind, number in kind_ids.items()
    ]


async def test_a_row_whose_reference_was_given_no_key_stops_the_copy_and_leaves_nothing(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, RESET, SOURCE)
    await run_sql(target, RESET, "CREATE TABLE s.new (id serial PRIMARY KEY, parent_id integer)")
    path = tmp_path / "mapping.yaml"
    path.write_text(
        "tables: {new: {from: old, columns: {id: {assign: id}, parent_id: {lookup: new, value: parent}}, "
        "leave_out: {place: x, kind: x, body: x}}}"
    )
    mapped = await fitted(source, target, path, "s")
    request = await mapped_request(source, target, mapped, schema="s")
    lone = "INSERT INTO s.old VALUES (gen_random_uuid(), 1, '', '', gen_random_uuid())"
    await run_sql(source, lone)  # it comes after the mapping was checked
    with pytest.raises(WsdashError, match="1 rows refer to keys that were given no new one"):
        await copy_tables(request, ignore)
    assert (await fetch(target, "SELECT count(*) FROM s.new"))[0][0] == 0
