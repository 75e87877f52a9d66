"""The command palette: what the bindings do, found by name."""

from __future__ import annotations

from pathlib import Path

from tests.tui.support import halfway, stage, started
from wsdash.model import Intent
from wsdash.tui.keys import BindingCommands
from wsdash.tui.panels.help import bindings_of
from wsdash.tui.panels.schema import SchemaPanel


async def test_a_command_is_found_by_its_name_and_done(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.pilot.press("ctrl+p")
        await on.until(lambda: on.app.screen is not on.app.main)
        await on.pilot.press(*"schema")
        await on.until(lambda: "Schema (s)" in on.text())
        await on.pilot.press("enter")
        await on.until(lambda: isinstance(on.app.screen, SchemaPanel))


async def test_a_command_that_acts_goes_the_way_of_its_key(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        hits = [hit async for hit in BindingCommands(on.app.main).search("all that is automatic")]
        await hits[0].command()
        await on.app.workers.wait_for_complete()
        assert on.intents == [Intent("run-auto")]


async def test_every_key_of_the_help_is_a_command(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        told = {str(hit.prompt) async for hit in BindingCommands(on.app.main).discover()}
        for _, bindings in bindings_of(on.app.main.help_nodes()):
            for binding, _ in bindings:
                assert any(name.startswith(f"{binding.description} (") for name in told), binding
