"""The monitor has nothing to send, and nothing to send it with."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from tests.tui.support import halfway, stage
from wsdash.engine.operator.control import ControlClient
from wsdash.plan import load_plan
from wsdash.tui.app import WsdashApp
from wsdash.tui.feeds.journal_feed import JournalFeed
from wsdash.tui.keys import BindingCommands
from wsdash.tui.screens.main import MainScreen
from wsdash.tui.screens.operator import DOING, OperatorScreen

DOING_IDS = {binding.id for binding in DOING if not isinstance(binding, tuple)}


def test_a_monitor_cannot_be_given_a_control_client(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="monitor's has none"):
        WsdashApp(tmp_path, "monitor", ControlClient(tmp_path), JournalFeed(tmp_path), load_plan())


def test_an_operator_cannot_be_without_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has a control client"):
        WsdashApp(tmp_path, "operator", None, JournalFeed(tmp_path), load_plan())


async def test_no_binding_of_the_monitor_does_anything(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), role="monitor") as on:
        ids = {b.id for node in on.app.screen.walk_children(with_self=True) for _, b in node._bindings}
        assert not ids & DOING_IDS
        assert not isinstance(on.app.main, OperatorScreen)
        doing = {name for name in dir(OperatorScreen) if name.startswith("action_")}
        assert not {name for name in doing - set(dir(MainScreen)) if hasattr(on.app.main, name)}


async def test_no_key_of_anybody_sends_anything_or_opens_a_question(tmp_path: Path) -> None:
    keys = [
        *"abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ6",
        "enter",
        "space",
        "delete",
        "f1",
        "ctrl+p",
    ]
    async with stage(tmp_path, *halfway(), role="monitor") as on:
        for pane in "12345":
            await on.pilot.press(pane)
            focused = on.app.focused
            for key in keys:
                await on.pilot.press(key)
                while on.app.screen is not on.app.main:
                    assert type(on.app.screen).__name__.endswith(("Panel", "CommandPalette", "JumpScreen"))
                    await on.pilot.press("escape")
                if on.app.focused is not focused:
                    await on.pilot.press(pane)
        await on.app.workers.wait_for_complete()
        assert on.intents == []


async def test_every_action_of_every_binding_sends_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), role="monitor") as on:
        nodes = list(on.app.screen.walk_children(with_self=True))
        for node in nodes:
            for _, binding in list(node._bindings):
                if "leave" not in binding.action:
                    await on.app.run_action(binding.action, node)
        await on.app.workers.wait_for_complete()
        assert on.intents == []


async def test_no_command_of_the_palette_sends_anything(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), role="monitor") as on:
        names = set()
        for hit in [hit async for hit in BindingCommands(on.app.main).discover()]:
            names.add(str(hit.prompt))
            if "Leave" not in str(hit.prompt):
                await hit.command()
                while on.app.screen is not on.app.main:
                    on.app.pop_screen()
        await on.app.workers.wait_for_complete()
        assert on.intents == []
        assert any(name.startswith("Schema") for name in names)
        assert not any(name.startswith(("Run", "Roll back", "All")) for name in names)


async def test_the_monitors_process_holds_no_control_object(tmp_path: Path) -> None:
    gc.collect()
    before = {id(thing) for thing in gc.get_objects() if isinstance(thing, ControlClient)}
    async with stage(tmp_path, *halfway(), role="monitor"):
        gc.collect()
        assert not [t for t in gc.get_objects() if isinstance(t, ControlClient) and id(t) not in before]


async def test_the_monitor_shows_what_the_operator_shows(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), role="monitor") as on:
        shown = on.text()
        for word in ("MONITOR", "Migrate data", "workspace-api", "10,000", "api-new"):
            assert word in shown
        for word in ("Run", "Retry", "Roll back"):
            assert word not in shown.splitlines()[-1]


async def test_the_monitor_leaves_without_a_question(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), role="monitor") as on:
        await on.press("q")
        assert on.app.return_value == "left"


async def test_the_monitor_writes_nothing_into_the_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with stage(state, *halfway(), role="monitor") as on:
        before = sorted(path.name for path in state.rglob("*"))
        await on.press("1", "2", "3", "4", "5", "s", "escape", "t", "z")
        assert sorted(path.name for path in state.rglob("*")) == before
