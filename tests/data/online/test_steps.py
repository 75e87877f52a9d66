"""What the steps of mode online make of a move: the switch and its panel, the way back, capture."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.data.copying import run_sql
from tests.data.online.test_conflicts import SNEAK, TITLE
from tests.data.online.world import RUN, same, value
from tests.steps.support import context
from wsdash.config import CutoverSettings, DatabaseSettings, Thresholds
from wsdash.data.online.capture.install import read_objects, remove_everything
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import RefusedError
from wsdash.model import (
    AnyEvent,
    ConflictCell,
    ConflictsFound,
    Downtime,
    Followed,
    SwitchedOver,
    WayBackBlocked,
)
from wsdash.model.facts import (
    CARRIED_BACK,
    GIVE_UP,
    KEEP,
    MANIFEST,
    VERIFIED,
    WAY_BACK,
    CarriedBack,
    KeepChoice,
    KeptChanges,
)
from wsdash.steps.base import StepContext
from wsdash.steps.online import switch
from wsdash.steps.online.following import Capture, VerifyOnline
from wsdash.steps.online.panel import panel
from wsdash.steps.online.switch import StopOldOnline, SwitchWrites


class FollowingStandin:
    """In the place of engine/background/following.py, which tests/e2e/test_online.py runs."""

    def __init__(self) -> None:
        self.newest: Followed | None = Followed("source", 0.1)
        self.holding = 0
        self.folds = False

    async def begin(self) -> None:
        return

    async def end(self) -> None:
        self.newest = None

    async def fold_only(self) -> None:
        self.folds = True

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        self.holding += 1
        yield
        self.holding -= 1


def side_of(endpoint: Endpoint) -> DatabaseSettings:
    known: dict[str, Any] = {
        field: getattr(endpoint, field) for field in ("label", "host", "port", "database", "user")
    }
    secret: dict[str, Any] = {"password_env": endpoint.password_env, "password_file": endpoint.password_file}
    return DatabaseSettings(**known, **secret, schema="s", sslmode="disable")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "SWITCH_PAUSE_SECONDS", 0.0)


def step_context(
    move: Move, directory: Path, facts: dict[str, Any] | None = None
) -> tuple[StepContext, list[AnyEvent]]:
    """A context on the move, in which the panel says go but for what `facts` lack."""
    cutover = CutoverSettings(30.0)
    ctx, events = context(
        directory,
        source=side_of(move.source),
        target=side_of(move.target),
        cutover=cutover,
        thresholds=Thresholds(alert_disk_percent=100),
    )
    backup = directory / "backup.json"
    backup.write_text("{}")
    values = {VERIFIED: {"holds": True, "text": "equal", "at": time.time()}, MANIFEST: str(backup)} | (
        facts or {}
    )
    ctx.facts.values.update(values)  # type: ignore[attr-defined]
    ctx = dataclasses.replace(ctx, run=RUN, item="switch", mode="online", following=FollowingStandin())
    return ctx, events


def of_kind(events: list[AnyEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def opened(move: Move) -> tuple[bool, bool]:
    source, target = await read_side_state(move.source), await read_side_state(move.target)
    assert source is not None
    assert target is not None
    return source.open, target.open


async def test_the_switch_is_proven_by_both_sides_and_timed_from_fence_to_open(
    move: Move, tmp_path: Path
) -> None:
    ctx, events = step_context(move, tmp_path)
    step = SwitchWrites()
    assert not (await step.check(ctx)).holds
    await step.act(ctx)
    assert (await step.check(ctx)).holds
    (over,) = of_kind(events, SwitchedOver)
    last = of_kind(events, Downtime)[-1]
    assert last.ended_at - last.started_at == pytest.approx(over.seconds, abs=1e-3)
    assert await opened(move) == (False, True)


async def test_a_panel_that_says_no_switches_nothing(move: Move, tmp_path: Path) -> None:
    ctx, events = step_context(move, tmp_path, {VERIFIED: None})
    with pytest.raises(RefusedError, match="last full comparison: none found both sides equal"):
        await SwitchWrites().act(ctx)
    assert await opened(move) == (True, False)
    assert not of_kind(events, Downtime)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"alerts": lambda: ["Disk full"]}, "alerts"),
        ({"following": None}, "lag"),
    ],
)
async def test_each_line_of_the_engine_can_say_no(
    move: Move, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    ctx, _ = step_context(move, tmp_path)
    assert not (await panel(ctx, move)).against
    assert [one.name for one in (await panel(dataclasses.replace(ctx, **change), move)).against] == [line]


async def test_an_old_backup_and_an_old_comparison_say_no(move: Move, tmp_path: Path) -> None:
    ctx, _ = step_context(move, tmp_path, {VERIFIED: {"holds": True, "at": 0.0}, MANIFEST: None})
    assert {one.name for one in (await panel(ctx, move)).against} == {"last full comparison", "backup"}


async def test_a_target_that_cannot_be_read_is_a_line_that_says_no(move: Move, tmp_path: Path) -> None:
    ctx, _ = step_context(move, tmp_path)
    gone = dataclasses.replace(move, target=dataclasses.replace(move.target, port=1))
    assert [one.name for one in (await panel(ctx, gone)).against] == ["the databases"]


async def test_back_again_the_source_is_open_with_every_change(move: Move, tmp_path: Path) -> None:
    ctx, events = step_context(move, tmp_path)
    step = SwitchWrites()
    await step.act(ctx)
    await run_sql(move.target, "UPDATE s.items SET title = 'target' WHERE id = 5")
    evidence = await step.undo(ctx)
    assert evidence is not None
    assert evidence.holds
    assert await opened(move) == (True, False)
    assert await same(move)
    assert of_kind(events, SwitchedOver)[-1].opened == "source"


async def test_what_was_never_switched_needs_no_target_to_go_back(move: Move, tmp_path: Path) -> None:
    ctx, _ = step_context(move, tmp_path)
    target = dataclasses.replace(move.target, port=1)
    away = dataclasses.replace(ctx, settings=_with_target(ctx, target))
    evidence = await SwitchWrites().undo(away)
    assert evidence is not None
    assert evidence.text == "nothing was switched"
    assert (await Capture().undo(away)) is not None
    assert await read_side_state(move.source) is None


async def test_without_the_target_the_way_back_says_what_would_be_lost_and_what_is_possible(
    move: Move, tmp_path: Path
) -> None:
    ctx, events = step_context(move, tmp_path)
    await SwitchWrites().act(ctx)
    await ctx.facts.put(WAY_BACK, KeptChanges(changes=1234, at=ctx.now() - 40))
    for step in (StopOldOnline(), SwitchWrites()):
        with pytest.raises(RefusedError) as raised:
            await step.undo(_without_target(ctx, move))
        assert re.search(r"1,234 or more changes .* \(counted \d+ s ago\)", raised.value.what)
        assert "start it again" in raised.value.remedy
        assert "--give-up-writes" in raised.value.remedy
    assert of_kind(events, WayBackBlocked)[-1].text == raised.value.what
    assert await opened(move) == (False, True)


async def test_writes_that_were_given_up_do_not_keep_the_source_closed(move: Move, tmp_path: Path) -> None:
    ctx, events = step_context(move, tmp_path)
    await SwitchWrites().act(ctx)
    await run_sql(move.target, "UPDATE s.items SET title = 'lost' WHERE id = 5")
    await ctx.facts.put(WAY_BACK, KeptChanges(changes=1, at=ctx.now()))
    await ctx.facts.put(GIVE_UP, True)
    evidence = await SwitchWrites().undo(_without_target(ctx, move))
    assert evidence is not None
    assert "given up: 1 or more changes" in evidence.text
    assert (await read_side_state(move.source)).open  # type: ignore[union-attr]
    assert await value(move.source, TITLE) == "item 5"
    assert of_kind(events, SwitchedOver)[-1].given_up == 1
    await run_sql(move.source, "UPDATE s.items SET title = 'goes on' WHERE id = 5")


async def test_what_a_target_that_answers_holds_is_never_given_up(move: Move, tmp_path: Path) -> None:
    ctx, events = step_context(move, tmp_path)
    await SwitchWrites().act(ctx)
    await run_sql(move.target, "UPDATE s.items SET title = 'target' WHERE id = 5")
    await ctx.facts.put(GIVE_UP, True)
    await SwitchWrites().undo(ctx)
    assert await value(move.source, TITLE) == "target"
    assert of_kind(events, SwitchedOver)[-1].given_up is None


async def test_a_target_whose_writes_were_given_up_is_named_when_it_is_back(
    move: Move, tmp_path: Path
) -> None:
    ctx, _ = step_context(move, tmp_path, {GIVE_UP: True})
    await SwitchWrites().act(ctx)
    await SwitchWrites().undo(_without_target(ctx, move))
    with pytest.raises(RefusedError, match="its writes were given up") as raised:
        await SwitchWrites().check(ctx)
    assert "finish --remove-traces" in raised.value.remedy


async def test_a_way_back_that_a_killed_engine_ended_is_counted_by_the_next(
    move: Move, tmp_path: Path
) -> None:
    ctx, events = step_context(move, tmp_path)
    await SwitchWrites().act(ctx)
    await ctx.facts.put(CARRIED_BACK, CarriedBack(lines=7, conflicts=1))
    await switch_over(move, move.target, limit=30.0)
    await SwitchWrites().undo(ctx)
    over = of_kind(events, SwitchedOver)[-1]
    assert (over.opened, over.carried, over.conflicts) == ("source", 7, 1)


def _without_target(ctx: StepContext, move: Move) -> StepContext:
    gone = dataclasses.replace(move.target, port=1)
    return dataclasses.replace(ctx, settings=_with_target(ctx, gone))


def _with_target(ctx: StepContext, target: Endpoint) -> Any:
    return msgspec.structs.replace(ctx.settings, target=side_of(target))


@pytest.mark.parametrize(
    ("keep", "title"),
    [
        ({"all": "source"}, "source"),
        ({"all": "target"}, "target"),
        ({"rows": "source"}, "source"),
        ({"rows": "target"}, "target"),
    ],
)
async def test_the_row_that_was_chosen_stays(
    move: Move, tmp_path: Path, keep: dict[str, Any], title: str
) -> None:
    await switch_over(move, move.source, limit=30.0)
    await run_sql(move.target, "UPDATE s.items SET title = 'target' WHERE id = 5")
    await run_sql(move.source, SNEAK + "UPDATE s.items SET title = 'source' WHERE id = 5")
    ctx, events = step_context(move, tmp_path)
    with pytest.raises(RefusedError, match=r"'target' \| 'source'"):
        await SwitchWrites().undo(ctx)
    assert await opened(move) == (False, True)
    (found,) = of_kind(events, ConflictsFound)
    assert found.rows[0].cells == (ConflictCell("title", "'target'", "'source'"),)
    if "rows" in keep:
        keep = {"rows": {found.rows[0].id: keep["rows"]}}
    await ctx.facts.put(KEEP, KeepChoice(**keep))  # type: ignore[typeddict-item]
    await SwitchWrites().undo(ctx)
    assert await value(move.source, TITLE) == title
    assert of_kind(events, SwitchedOver)[-1].conflicts == 1
    assert await same(move)


async def test_capture_stays_on_after_a_switch_and_goes_before_one(move: Move, tmp_path: Path) -> None:
    ctx, _ = step_context(move, tmp_path)
    await SwitchWrites().act(ctx)
    with pytest.raises(RefusedError, match="is closed"):
        await Capture().undo(ctx)
    await SwitchWrites().undo(ctx)
    kept = await Capture().undo(ctx)
    assert kept is not None
    assert "capture stays on" in kept.text
    assert ctx.following is not None
    assert ctx.following.folds  # type: ignore[attr-defined]
    assert await read_side_state(move.source) is not None


async def test_before_a_switch_capture_leaves_nothing(move: Move, tmp_path: Path) -> None:
    ctx, _ = step_context(move, tmp_path)
    assert (await Capture().check(ctx)).holds
    await Capture().undo(ctx)
    assert not [line for line in await read_objects(move.source) if "wsdash" in line]
    assert not (await Capture().check(ctx)).holds


async def test_a_disabled_trigger_is_a_capture_that_does_not_hold(move: Move, tmp_path: Path) -> None:
    ctx, _ = step_context(move, tmp_path)
    await run_sql(move.source, "ALTER TABLE s.owners DISABLE TRIGGER wsdash_log")
    evidence = await Capture().check(ctx)
    assert not evidence.holds
    assert "s.owners" in evidence.text


async def test_a_schema_that_changed_is_told_before_anything_is_copied_with_the_way_to_begin_anew(
    move: Move, tmp_path: Path
) -> None:
    ctx, _ = step_context(move, tmp_path)
    await run_sql(move.source, "ALTER TABLE s.items ADD COLUMN later integer")
    evidence = await Capture().check(ctx)
    assert not evidence.holds
    assert "the schema changed since capture began: now: column s.items.later" in evidence.text
    assert evidence.remedy.endswith("roll back (R), then migrate again")
    await Capture().undo(ctx)
    await Capture().act(ctx)
    assert (await Capture().check(ctx)).holds


async def test_after_a_way_back_capture_begins_anew_once_its_traces_are_gone(
    move: Move, tmp_path: Path
) -> None:
    ctx, _ = step_context(move, tmp_path)
    await switch_over(move, move.source, limit=30.0)
    await run_sql(move.target, "ALTER TABLE s.items ADD COLUMN later integer")
    with pytest.raises(RefusedError) as refused:
        await switch_over(move, move.target, limit=30.0)
    assert refused.value.remedy.startswith(f"take the change back in {move.target.label}")
    await run_sql(move.target, "ALTER TABLE s.items DROP COLUMN later")
    await switch_over(move, move.target, limit=30.0)
    await run_sql(move.source, "ALTER TABLE s.items ADD COLUMN later integer")
    evidence = await Capture().check(ctx)
    assert not evidence.holds
    assert "wsdash finish --remove-traces" in evidence.remedy
    for side in (move.source, move.target):
        await remove_everything(side)
    await Capture().act(ctx)
    assert (await Capture().check(ctx)).holds


async def test_a_moving_source_is_compared_and_the_comparison_stands_after_the_switch(
    move: Move, tmp_path: Path
) -> None:
    ctx, _ = step_context(move, tmp_path, {VERIFIED: None})
    await run_sql(move.source, "UPDATE s.items SET title = 'moved on' WHERE id = 7")
    evidence = await VerifyOnline().check(ctx)
    assert evidence.holds, evidence.text
    await SwitchWrites().act(ctx)
    await run_sql(move.target, "DELETE FROM s.items WHERE id = 8")
    assert "compared before the switch" in (await VerifyOnline().check(ctx)).text


async def test_a_difference_is_found(move: Move, tmp_path: Path) -> None:
    ctx, _ = step_context(move, tmp_path)
    await run_sql(move.target, SNEAK + "DELETE FROM s.items WHERE id = 8")
    evidence = await VerifyOnline().check(ctx)
    assert not evidence.holds
    assert "s.items" in evidence.text
