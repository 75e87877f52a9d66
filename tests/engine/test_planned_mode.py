"""In which mode a command takes a run to be: as asked, as it was begun, or as the settings say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
import yaml

from wsdash.config import load_settings, read_yaml, shipped
from wsdash.engine.journal.writer import Journal
from wsdash.engine.operator.launch import planned_mode
from wsdash.engine.world import load_world
from wsdash.model import RunStarted
from wsdash.model.facts import FINGERPRINT

ONLINE = msgspec.structs.replace(load_settings(), mode="online")


def test_a_run_that_was_not_begun_has_the_mode_of_the_settings(tmp_path: Path) -> None:
    assert planned_mode(tmp_path, ONLINE) == "online"
    assert planned_mode(tmp_path, msgspec.structs.replace(ONLINE, mode="offline")) == "offline"


def test_what_is_asked_for_counts_before_the_settings(tmp_path: Path) -> None:
    assert planned_mode(tmp_path, ONLINE, "offline") == "offline"


async def test_a_run_keeps_its_mode_whatever_the_settings_say_later(tmp_path: Path) -> None:
    journal = await asyncio.to_thread(Journal.open, tmp_path)
    await journal.put(FINGERPRINT, {"mode": "offline", "source": "here", "target": "there"})
    await journal.close()
    assert planned_mode(tmp_path, ONLINE) == "offline"


async def test_a_run_whose_engine_ended_before_it_had_a_world_keeps_its_mode(tmp_path: Path) -> None:
    journal = await asyncio.to_thread(Journal.open, tmp_path)
    await journal.record(RunStarted("r1", "offline", "here", 1, resumed=False, world="demo"))
    await journal.close()
    assert planned_mode(tmp_path, ONLINE) == "offline"


@pytest.mark.parametrize(("mode", "relay"), [("online", "a-relay"), ("offline", "")])
def test_a_relay_belongs_to_the_stack_of_an_online_run_alone(tmp_path: Path, mode: str, relay: str) -> None:
    settings = read_yaml(shipped("config", "wsdash.yaml"))
    settings["stack"]["workspace"]["relay"] = "a-relay"
    (tmp_path / "wsdash.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "plan.yaml").write_bytes(shipped("config", "plan.yaml").read_bytes())
    assert load_world(tmp_path, None, mode).settings.stack.workspace.relay == relay
