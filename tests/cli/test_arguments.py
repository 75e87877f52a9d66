"""The commands' contract: names, options, defaults, exit code 2 for what they do not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdash.cli.arguments import parse
from wsdash.demo.world.files import Record


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["monitor"],
        ["demo"],
        ["migrate"],
        ["rollback"],
        ["restore", "file.sql"],
        ["status"],
        ["report"],
        ["doctor"],
    ],
)
def test_every_command_takes_config_and_state(words: list[str]) -> None:
    parsed = parse([*words, "--config", "c", "--state", "s"])
    assert (parsed.config, parsed.state) == (Path("c"), Path("s"))


def test_wsdash_alone_is_the_operators_screen() -> None:
    assert parse([]).take_over is False


@pytest.mark.parametrize("command", ["status", "report", "doctor"])
def test_what_looks_can_answer_in_json(command: str) -> None:
    assert parse([command, "--json"]).json is True


def test_what_the_demo_is_not_told_is_as_its_world_is() -> None:
    parsed = parse(["demo"])
    assert (parsed.items, parsed.seed, parsed.writes_per_second, parsed.api) == (None, None, None, None)


def test_a_new_world_of_the_demo_has_ten_thousand_items() -> None:
    assert Record().items == 10_000


def test_the_demo_takes_its_options() -> None:
    words = "demo --auto --headless --items 5 --seed 7 --writes-per-second 2.5 --port-offset 100 --keep"
    parsed = parse(words.split())
    assert (parsed.auto, parsed.headless, parsed.keep) == (True, True, True)
    assert (parsed.items, parsed.seed, parsed.writes_per_second, parsed.port_offset) == (5, 7, 2.5, 100)


def test_migrate_takes_its_options() -> None:
    parsed = parse(["migrate", "--dry-run", "--until", "a", "--from", "b", "--yes", "--mode", "online"])
    assert (parsed.dry_run, parsed.until, parsed.from_item, parsed.yes) == (True, "a", "b", True)
    assert parsed.mode == "online"


@pytest.mark.parametrize(
    "words", [["demo", "--items", "0"], ["demo", "--writes-per-second", "-1"], ["nonsense"], ["restore"]]
)
def test_bad_input_exits_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(words)
    assert stopped.value.code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["demo", "--items", "many"], "many is not a positive number"),
        (["demo", "--writes-per-second", "nan"], "nan is not between 0 and 1000"),
        (["demo", "--time-scale", "0.5"], "0.5 is not between 1 and 20000"),
        (["watch", "--metrics-port", "70000"], "70000 is not a port"),
    ],
)
def test_a_number_out_of_its_bounds_or_none_at_all_is_told_with_them(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(words)
    assert told in capsys.readouterr().err
