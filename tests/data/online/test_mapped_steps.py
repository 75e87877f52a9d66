"""What the steps make of a mapping: refused or agreed to before the start, shown in the panel, and on the way
back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.data.copying import run_sql
from tests.data.online.mapped_world import ONE_WAY, SOURCE, THERE_AND_BACK, mapped_move
from tests.data.online.test_steps import opened, step_context
from tests.data.online.world import RUN, rows, value
from wsdash.config import CutoverSettings
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import InputError, RefusedError
from wsdash.model.facts import GIVE_UP, RESTORE_FIRST
from wsdash.steps.base import StepContext
from wsdash.steps.online.following import Capture, MigrateOnline, VerifyOnline
from wsdash.steps.online.move import read_move
from wsdash.steps.online.panel import panel
from wsdash.steps.online.refused import online_refusals, refuse_at_first
from wsdash.steps.online.switch import StopOldOnline, SwitchWrites

AGREED = CutoverSettings(30.0, accept_no_way_back=True)
DISTINCT = (
    "tables: {short: {from: people, distinct: true, columns: {age: age}}, people: {}, things: {from: items, "
    "columns: {thing_id: id}, leave_out: {at: n, title: n, size: n, secret: n, rank: n}}}"
)


def mapped_context(
    move: Move, folder: Path, world: tuple[str, str, dict[str, str]], **changes: Any
) -> StepContext:
    """A context whose settings name the mapping and the schema file."""
    (folder / "schema.sql").write_text(world[0])
    (folder / "mapping.yaml").write_text(world[1])
    ctx, _ = step_context(move, folder)
    target = msgspec.structs.replace(
        ctx.settings.target,
        mapping=str(folder / "mapping.yaml"),
        schema_file=str(folder / "schema.sql"),
    )
    return dataclasses.replace(ctx, settings=msgspec.structs.replace(ctx.settings, target=target, **changes))


async def test_a_mapping_is_judged_before_the_target_has_its_tables(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, SOURCE)
    move = Move(RUN, source, target, ())
    assert await online_refusals(mapped_context(move, tmp_path, THERE_AND_BACK).settings) == []
    found = await online_refusals(mapped_context(move, tmp_path, ONE_WAY).settings)
    assert not any(one.agreed for one in found)
    assert any("label, doubled" in one.subject and "accept_no_way_back" in one.remedy for one in found)
    assert await value(target, "SELECT to_regnamespace('s') IS NULL"), "nothing was left in the target"


async def test_a_way_back_that_is_none_must_be_agreed_to(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, SOURCE)
    move = Move(RUN, source, target, ())
    with pytest.raises(InputError, match="cannot bring back what users wrote"):
        await refuse_at_first(mapped_context(move, tmp_path, ONE_WAY).settings)
    settings = mapped_context(move, tmp_path, ONE_WAY, cutover=AGREED).settings
    await refuse_at_first(settings)
    assert all(one.agreed for one in await online_refusals(settings))


async def test_a_target_that_is_away_leaves_what_the_file_says(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, SOURCE)
    away = Move(RUN, source, dataclasses.replace(target, port=1), ())
    assert await online_refusals(mapped_context(away, tmp_path, THERE_AND_BACK).settings) == []
    found = await online_refusals(mapped_context(away, tmp_path, ("", DISTINCT, {})).settings)
    assert [one.subject for one in found] == ["s.short"]


async def test_the_panel_has_a_line_for_the_way_back(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    move = await mapped_move(source, target, tmp_path, ONE_WAY)
    ctx = mapped_context(move, tmp_path, ONE_WAY)
    assert [line.name for line in (await panel(ctx, move)).against] == ["way back"]
    with pytest.raises(RefusedError, match="way back: none"):
        await SwitchWrites().act(ctx)
    agreed = mapped_context(move, tmp_path, ONE_WAY, cutover=AGREED)
    assert not (await panel(agreed, move)).against


async def test_the_steps_go_there_and_back_through_a_mapping(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    move = await mapped_move(source, target, tmp_path, THERE_AND_BACK)
    ctx = mapped_context(move, tmp_path, THERE_AND_BACK)
    found = (await read_move(RUN, ctx.settings)).routes(target)
    assert [one.plain for one in found] == [one.plain for one in move.routes(target)]
    assert (await Capture().check(ctx)).holds
    evidence = await VerifyOnline().check(ctx)
    assert evidence.holds, evidence.text
    await SwitchWrites().act(ctx)
    await run_sql(target, "UPDATE s.things SET label = 'target', origin = 'lost' WHERE thing_id = 5")
    back = await SwitchWrites().undo(ctx)
    assert back is not None
    assert "with every change" in back.text
    assert await value(source, "SELECT title FROM s.items WHERE id = 5") == "target"
    assert (await VerifyOnline().check(ctx)).holds, "what was not taken back is taken from the source"


async def test_a_rollback_without_a_way_back_changes_nothing_unless_writes_are_given_up(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    move = await mapped_move(source, target, tmp_path, ONE_WAY)
    ctx = mapped_context(move, tmp_path, ONE_WAY, cutover=AGREED)
    await switch_over(move, source, limit=30.0)
    await run_sql(target, "UPDATE s.things SET label = 'kept in a file' WHERE thing_id = 5")
    for step in (StopOldOnline(), SwitchWrites()):
        with pytest.raises(RefusedError, match=r"s\.things: .*label, doubled"):
            await step.undo(ctx)
    assert await opened(move) == (False, True)
    before = await rows(source)
    await ctx.facts.put(RESTORE_FIRST, "backup.sql")
    with pytest.raises(RefusedError, match=r"s\.things: .*label, doubled"):
        await StopOldOnline().undo(ctx)
    await ctx.facts.put(RESTORE_FIRST, "")
    await ctx.facts.put(GIVE_UP, True)
    back = await SwitchWrites().undo(ctx)
    assert back is not None
    assert "without what users wrote since" in back.text
    assert await opened(move) == (True, False)
    assert await rows(source) == before
    paths = msgspec.structs.replace(ctx.settings.paths, backups=str(tmp_path))
    ctx = dataclasses.replace(ctx, settings=msgspec.structs.replace(ctx.settings, paths=paths))
    kept = await MigrateOnline().undo(ctx)
    assert kept is not None
    assert "kept in" in kept.text
    assert "kept in a file" in _kept(tmp_path)


def _kept(folder: Path) -> str:
    """The file with the target's rows."""
    (file,) = folder.glob("target-before-rollback*.sql")
    return file.read_text()
