"""Screens on real terminals: they come and go, hang and die; the engine does not notice."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.program import Program, read_json
from tests.support.terminal import Terminal
from tests.support.world import World
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.operator.launch import engine_alive
from wsdash.errors import InputError
from wsdash.model import Outcome, RunFinished

Open = Callable[..., Terminal]


@pytest.fixture
def screen(program: Program) -> Iterator[Open]:
    """Opens `wsdash WORDS` on a terminal of its own."""
    opened: list[Terminal] = []

    def open_screen(*words: str, columns: int = 120, rows: int = 36) -> Terminal:
        terminal = Terminal(program.argv(*words), program.env(), columns, rows)
        opened.append(terminal)
        return terminal

    yield open_screen
    for terminal in opened:
        terminal.end()


def demo(program: Program, *more: str) -> tuple[str, ...]:
    return ("demo", "--mode", "offline", "--items", "300", "--port-offset", str(program.offset), *more)


def wait_until_migrated(state: Path, timeout: float = 90) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(InputError):  # the journal is just being made
            reader = JournalReader(state)
            events = [recorded.event for recorded in reader.events(0, 100_000)]
            reader.close()
            if any(isinstance(e, RunFinished) and e.outcome is Outcome.MIGRATED for e in events):
                return
        time.sleep(0.1)
    raise AssertionError("the engine did not finish the plan")


def test_the_operator_runs_the_whole_plan_from_the_screen(program: Program, screen: Open) -> None:
    terminal = screen(*demo(program))
    terminal.wait_for("OPERATOR")
    terminal.wait_for("workspace-db-compute")
    terminal.press("a")
    terminal.wait_for("✓ Backup current")
    terminal.wait_for("✓ Verify ports")
    report = program.run("report", "--json")
    items = {item["id"]: item["state"] for item in json.loads(report.stdout)["items"]}
    assert items["review-adr"] == "pending"
    assert items["stop-old"] == "pending"


def test_a_terminal_that_nobody_reads_does_not_hold_the_engine(program: Program, screen: Open) -> None:
    blocked = screen(*demo(program, "--auto", "--yes"))
    blocked.wait_for("OPERATOR")
    blocked.reading.clear()
    wait_until_migrated(program.state)
    blocked.signal(signal.SIGKILL)
    blocked.wait()
    again = screen(*demo(program))
    again.wait_for("Verify data integrity")
    again.wait_for("7/7")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGTERM])
def test_a_screen_that_dies_leaves_the_engine_to_its_work(
    program: Program, screen: Open, number: signal.Signals
) -> None:
    first = screen(*demo(program, "--auto", "--yes"))
    first.wait_for("✓ Backup current")
    first.signal(number)
    first.wait()
    wait_until_migrated(program.state)
    assert engine_alive(program.state) is not None


def test_a_closed_terminal_ends_the_screen_and_not_the_engine(program: Program, screen: Open) -> None:
    terminal = screen(*demo(program, "--auto", "--yes"))
    terminal.wait_for("✓ Backup current")
    terminal.hang_up()
    terminal.wait()
    wait_until_migrated(program.state)


def test_a_second_operator_is_told_who_holds_the_run_and_offered_the_monitor(
    program: Program, screen: Open
) -> None:
    first = screen(*demo(program))
    first.wait_for("OPERATOR")
    second = screen(*demo(program))
    second.wait_for("another operator holds")
    assert str(first.pid) in second.text()
    assert "wsdash monitor" in second.text()
    assert second.wait() == 3


def test_leaving_with_the_engine_going_on_and_coming_back(program: Program, screen: Open) -> None:
    first = screen(*demo(program, "--auto", "--yes"))
    first.wait_for("✓ Backup current")
    first.press("q")
    first.wait_for("engine")
    first.press("q")
    assert first.wait() == 0
    wait_until_migrated(program.state)
    again = screen(*demo(program))
    again.wait_for("7/7")


def test_leaving_with_a_stop_saves_the_run_and_leaves_no_process(program: Program, screen: Open) -> None:
    terminal = screen(*demo(program))
    terminal.wait_for("workspace-db-compute")
    terminal.press("q")
    terminal.wait_for("engine")
    terminal.press("X")
    assert terminal.wait() == 0
    deadline = time.monotonic() + 120
    while program.world_processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert program.world_processes() == []


def test_the_monitor_finds_the_run_by_itself_and_shows_it_live(program: Program, screen: Open) -> None:
    operator = screen(*demo(program))
    operator.wait_for("workspace-db-compute")
    monitor = Terminal([*program.argv("monitor")[:-2]], program.env())
    try:
        monitor.wait_for("MONITOR")
        operator.press("a")
        monitor.wait_for("✓ Backup current")
    finally:
        monitor.end()


def test_the_monitor_works_after_the_engine_is_gone(program: Program, screen: Open) -> None:
    done = program.demo("--report", str(program.state.parent / "r.json"))
    assert done.returncode == 0
    monitor = screen("monitor")
    monitor.wait_for("MONITOR")
    monitor.wait_for("7/7")
    assert read_json(program.state.parent / "r.json")["outcome"] == "migrated"
    monitor.press("q")
    assert monitor.wait() == 0


def test_the_monitor_changes_nothing_whatever_is_pressed(world: World, screen: Open) -> None:
    world.source("alter system set log_statement = 'mod'")
    world.source("select pg_reload_conf()")
    world.source("create temporary table marker ()")
    before = {name: reading.started_at for name, reading in world.containers().items()}
    monitor = screen("monitor")
    monitor.wait_for("MONITOR")
    monitor.wait_for("data-timescale")
    for key in "aprRx1\r2\r3\r4\r5\rsdez?\x1b\x1b\t\r ":
        monitor.press(key)
        time.sleep(0.1)
    time.sleep(1)
    assert {name: reading.started_at for name, reading in world.containers().items()} == before
    assert not (world.program.state / "journal.db").exists()
    log = (world.program.state / "world" / "logs" / "data-timescale.jsonl").read_text()
    assert "create temporary table marker" in log
    assert len([line for line in log.splitlines() if "statement:" in line]) == 1


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 36), (200, 60)])
def test_every_size_shows_the_checklist_and_its_role(
    program: Program, screen: Open, columns: int, rows: int
) -> None:
    terminal = screen(*demo(program), columns=columns, rows=rows)
    terminal.wait_for("OPERATOR")
    terminal.wait_for("Backup current")
    assert max(len(line.rstrip()) for line in terminal.text().splitlines()) > columns - 8


def test_no_terminal_is_told(program: Program) -> None:
    done = program.run("run")
    assert done.returncode == 2
    assert "--headless" in done.stderr
