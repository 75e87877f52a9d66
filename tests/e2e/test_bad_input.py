"""Bad input: what, where, what to do, exit code 2, no traceback, nothing started."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tests.support.program import Program
from wsdash.config import shipped


def config_with(directory: Path, old: str, new: str) -> Path:
    """A copy of the shipped configuration with one thing changed."""
    config = directory / "config"
    config.mkdir()
    text = shipped("config", "wsdash.yaml").read_text()
    assert old in text
    (config / "wsdash.yaml").write_text(text.replace(old, new, 1))
    shutil.copy(shipped("config", "plan.yaml"), config / "plan.yaml")
    return config


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("port: 5433", "port: abc", "target.port"),
        ("port: 5433", "port: 99999", "target.port"),
        ("engine: docker", "engine: podmann", "stack.engine"),
        ("  label: data-timescale", "  labell: data-timescale", "labell"),
        ("source:\n", "source: [\n", "line"),
        ("workers: 4", "workers: 0", "copy.workers"),
    ],
)
def test_a_bad_key_names_file_key_and_remedy(program: Program, old: str, new: str, told: str) -> None:
    config = config_with(program.state.parent, old, new)
    done = program.run("migrate", "--config", str(config), "--yes")
    assert done.returncode == 2
    assert told in done.stderr
    assert "wsdash.yaml" in done.stderr
    assert "remedy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_configuration_names_the_directory(program: Program) -> None:
    done = program.run("migrate", "--config", str(program.state / "nowhere"))
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "--config" in done.stderr


def test_a_configuration_for_the_demo_is_refused_and_no_world_is_built(program: Program) -> None:
    done = program.run("demo", "--headless", "--config", str(program.state.parent))
    assert done.returncode == 2
    assert f"--config {program.state.parent}" in done.stderr
    assert "remedy" in done.stderr
    assert not program.state.exists()


def test_an_unknown_item_lists_the_items(program: Program) -> None:
    done = program.run("migrate", "--until", "verify-dat")
    assert done.returncode == 2
    assert "verify-data" in done.stderr


def test_an_unknown_command_is_bad_input(program: Program) -> None:
    done = program.run("migrat")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_mode_that_is_none_is_refused_with_those_there_are(program: Program) -> None:
    done = program.demo("--mode", "sideways")
    assert done.returncode == 2
    assert "offline" in done.stderr
    assert "online" in done.stderr


def test_a_report_without_a_run_says_how_to_begin_one(program: Program) -> None:
    done = program.run("report", "--json")
    assert done.returncode == 2
    assert "wsdash run" in done.stderr


def test_a_taken_port_under_an_explicit_offset_names_its_holder(program: Program) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 5433 + program.offset))
        holder.listen()
        done = program.demo()
    assert done.returncode == 2
    assert str(5433 + program.offset) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_directory_that_cannot_be_made_is_told(program: Program) -> None:
    program.state.write_text("a file stands here")
    done = program.run("migrate")
    assert done.returncode == 2
    assert str(program.state) in done.stderr
