"""Keys pressed before there is an engine that can follow them; and what a start never shows."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from tests.tui.drawing import FRAME, NOW, seen
from tests.tui.support import Stage, done, stage, started
from wsdash.engine.journal.store import Heartbeat
from wsdash.model import EngineStopped, Intent, SetupProgress
from wsdash.model.run import BEING_MADE
from wsdash.plan import load_plan
from wsdash.tui.drawn.lead import lead
from wsdash.tui.panes.header import draw_header
from wsdash.tui.state.freshness import EngineState, engine_state, waiting_for

PLAN = load_plan()
BUILDING = SetupProgress("items", 3, 8)


def toasts(on: Stage) -> str:
    return "\n".join(str(notification.message) for notification in on.app._notifications)


async def test_a_waits_for_the_world_and_begins_by_itself(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), BUILDING) as on:
        await on.press("a")
        assert on.intents == []
        assert "the world is being built: items, 3 of 8 stages done" in toasts(on)
        await on.emit(SetupProgress("items", 8, 8))
        await on.until(lambda: on.intents == [Intent("run-auto")])


async def test_a_pressed_twice_takes_it_back(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), BUILDING) as on:
        await on.press("a", "a")
        assert "Taken back" in toasts(on)
        await on.emit(SetupProgress("items", 8, 8), *done("ports-free"))
        await on.pilot.pause(0.7)
        assert on.intents == []


async def test_an_engine_that_is_not_ready_yet_is_asked_again(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        on.refuse = BEING_MADE
        await on.press("a")
        await on.until(lambda: len(on.intents) >= 2)
        on.refuse = ""
        asked = len(on.intents)
        await on.until(lambda: len(on.intents) > asked)
        assert "refused" not in toasts(on)


async def test_other_keys_say_what_is_waited_for(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), BUILDING) as on:
        on.app.main.checklist.select("ports-free")
        await on.press("enter")
        assert on.intents == []
        assert "Not yet: the world is being built" in toasts(on)


def test_an_engine_that_is_awaited_is_starting_whatever_the_one_before_left() -> None:
    old = seen(started(), EngineStopped("stopped by the operator"), beat=600.0)
    assert engine_state(old, NOW) is EngineState.STOPPED
    awaited = msgspec.structs.replace(old, awaited=True)
    assert engine_state(awaited, NOW) is EngineState.STARTING
    assert waiting_for(awaited, NOW) == "the engine is starting"
    drawn = "\n".join(line.plain for line in draw_header(awaited, FRAME, PLAN))
    assert "✗" not in drawn
    assert "STARTING" in lead(PLAN, awaited, FRAME, PLAN.items[0]).plain


async def test_the_mark_goes_with_the_first_sign_of_life_or_with_patience(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        app = on.app
        now = time.time()
        app._awaited_until = now + 60
        view = msgspec.structs.replace(app.main.view, heartbeat=Heartbeat(1, "h", app._mounted - 5, "", 0.0))
        assert app._awaiting(view, now).awaited
        assert not app._awaiting(view, now + 61).awaited
        fresh = msgspec.structs.replace(view, heartbeat=Heartbeat(1, "h", app._mounted + 1, "", 0.0))
        assert not app._awaiting(fresh, now).awaited
        assert not app._awaiting(view, now).awaited  # it has been heard of once
