"""Counts through a mapping, on real servers: no difference is shown that is none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.data.copying import run_sql
from tests.data.mapping_world import MAPPING, SOURCE, make_target
from tests.engine.test_row_counts import Costly, change, costly, settings_of
from wsdash.config import Settings
from wsdash.data.pg.connect import Endpoint
from wsdash.engine.counting.pairs import LEFT_OUT, NOT_BY_COUNT
from wsdash.engine.counting.rows import RowWatch
from wsdash.model import RowsReading

__all__ = ["costly"]
OLD = """
CREATE SCHEMA workspace;
CREATE TABLE workspace.item (id integer PRIMARY KEY, kind text, gone boolean NOT NULL DEFAULT false);
CREATE TABLE workspace.note (id integer PRIMARY KEY);
CREATE TABLE workspace.version (id integer);
CREATE TABLE workspace.plain (id integer);
INSERT INTO workspace.item SELECT n, 'kind ' || n % 3, n > 7 FROM generate_series(1, 10) n;
INSERT INTO workspace.note VALUES (1), (2);
INSERT INTO workspace.version VALUES (1), (2), (3);
"""
NEW = """
CREATE SCHEMA workspace;
CREATE TABLE workspace.item (id integer PRIMARY KEY, kind text, gone boolean);
CREATE TABLE workspace.kind (name text);
CREATE TABLE workspace.remark (id integer PRIMARY KEY);
CREATE TABLE workspace.version (id integer);
CREATE TABLE workspace.level (name text);
CREATE TABLE workspace.plain (id integer);
INSERT INTO workspace.item SELECT n, 'kind ' || n % 3, false FROM generate_series(1, 7) n;
INSERT INTO workspace.kind VALUES ('kind 0'), ('kind 1'), ('kind 2');
INSERT INTO workspace.remark VALUES (1), (2);
INSERT INTO workspace.version VALUES (9);
INSERT INTO workspace.level VALUES ('low'), ('high');
"""
FILE = """
tables:
  item: {where: not gone}
  kind: {from: item, distinct: true, columns: {name: kind}}
  remark: {from: note}
  level: {rows: [{name: low}, {name: high}]}
leave_out: {version: its own}
"""
FITTED = {
    "workspace.item": (7, 7, ""),
    "workspace.kind": (3, 3, ""),
    "workspace.level": (2, 2, ""),
    "workspace.plain": (0, 0, ""),
    "workspace.remark": (2, 2, ""),
    "workspace.version": (3, None, LEFT_OUT),
}


def mapped(source: Endpoint, target: Endpoint, tmp_path: Path, mapping: str = FILE) -> Settings:
    file = tmp_path / "mapping.yaml"
    file.write_text(mapping)
    settings = settings_of(source, target)
    side = msgspec.structs.replace(settings.target, mapping=str(file))
    return msgspec.structs.replace(settings, target=side, directory=str(tmp_path))


def told(readings: list[RowsReading]) -> dict[str, tuple[int | None, int | None, str]]:
    return {reading.table: (reading.source, reading.target, reading.note) for reading in readings}


async def test_renamed_filtered_distinct_constant_and_left_out_tables_are_counted_for_what_they_are(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, OLD)
    await run_sql(target, NEW)
    readings = await RowWatch(mapped(source, target, tmp_path))()
    assert told(readings) == FITTED
    assert not any(reading.estimated for reading in readings)


async def test_before_the_targets_tables_are_there_what_is_not_known_says_so_and_then_it_is_known(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, OLD)
    watch = RowWatch(mapped(source, target, tmp_path))
    first = told(await watch())
    assert first["workspace.item"] == (None, None, NOT_BY_COUNT)
    assert first["workspace.remark"] == (2, None, "")
    await run_sql(target, NEW)
    assert told(await watch()) == FITTED


async def test_of_a_part_of_a_table_nothing_is_estimated(
    source: Endpoint, target: Endpoint, tmp_path: Path, costly: Costly
) -> None:
    await run_sql(source, OLD)
    await run_sql(target, NEW)
    costly.seconds = 1.0
    watch = RowWatch(mapped(source, target, tmp_path), costly.clock)
    await watch()
    assert told(await watch()) == FITTED, "nothing changed: the last counts stand"
    await change(source, "INSERT INTO workspace.item VALUES (11, 'kind 1', true)")
    await change(source, "INSERT INTO workspace.note VALUES (3)")
    after = told(await watch())
    assert after["workspace.item"] == (None, 7, NOT_BY_COUNT)
    assert after["workspace.kind"] == (None, 3, NOT_BY_COUNT)
    assert after["workspace.remark"] == (3, 2, "")


async def test_a_mapping_that_does_not_fit_leaves_its_tables_uncounted_and_the_others_counted(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, OLD)
    await run_sql(target, NEW)
    settings = mapped(source, target, tmp_path, FILE.replace("name: kind}", "name: nix}"))
    found = told(await RowWatch(settings)())
    assert found["workspace.kind"] == (None, 3, NOT_BY_COUNT)
    assert found["workspace.remark"] == (2, 2, "")


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_the_shipped_example_shows_no_table_that_is_not_its_own(
    source: Endpoint, target: Endpoint, tmp_path: Path, made: bool
) -> None:
    await run_sql(source, SOURCE)
    if made:
        await make_target(target)
    readings = told(await RowWatch(mapped(source, target, tmp_path, MAPPING.read_text()))())
    known = (3, 0, "") if made else (None, None, NOT_BY_COUNT)
    there = 0 if made else None
    assert readings == {
        "workspace.schema_version": (2, None, LEFT_OUT),
        "workspace.workspace_audit_log": (410, there, ""),
        "workspace.workspace_categories": known,
        "workspace.workspace_items": (400, there, ""),
    }
