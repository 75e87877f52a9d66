"""kill -9 of the engine anywhere, then the same command: it resumes and ends with the same checksums."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.program import Program, read_json
from tests.support.world import World

BOUNDARIES = (
    "backup",
    "ports-free",
    "stop-old",
    "start-stack",
    "init-neon",
    "migrate-data",
    "verify-data",
    "test-api",
    "update-dashboards",
)


def history(state: Path) -> list[dict[str, object]]:
    """The journal's events so far, read as a stranger would."""
    try:
        with sqlite3.connect(f"file:{state}/journal.db?mode=ro", uri=True, timeout=5) as journal:
            tables = [
                row[0] for row in journal.execute("select name from sqlite_master where type = 'table'")
            ]
            events = []
            for table in tables:
                columns = [row[1] for row in journal.execute(f"pragma table_info({table})")]
                if {"seq", "event"} <= set(columns):
                    events += journal.execute(f"select seq, event from {table}").fetchall()
    except sqlite3.Error:
        return []
    return [json.loads(body) for _, body in sorted(events)]


def kill_when(program: Program, seen: Callable[[dict[str, object]], bool], items: int) -> None:
    """Run the demo and kill -9 its engine as soon as the journal holds an event for which `seen` is true."""
    process = program.start(*program.demo_words(items=items))
    wait_for_event(program, process, seen)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


def wait_for_event(
    program: Program, process: subprocess.Popen[str], seen: Callable[[dict[str, object]], bool]
) -> None:
    """Return as soon as the journal holds an event for which `seen` is true."""
    deadline = time.monotonic() + 120
    while not any(seen(event) for event in history(program.state)):
        assert process.poll() is None, f"it ended by itself:\n{program.output()}"
        assert time.monotonic() < deadline, program.output()
        time.sleep(0.005)


def copying(event: dict[str, object]) -> bool:
    return event["kind"] == "progress" and event["item"] == "migrate-data" and event["activity"] == "copying"


def resume(program: Program, items: int) -> dict[str, object]:
    report = program.state.parent / "report.json"
    done = program.demo("--report", str(report), items=items)
    assert done.returncode == 0, done.stdout + done.stderr + program.output()
    return read_json(report)


def assert_whole(report: dict[str, object], items: int) -> None:
    tables = report["tables"]
    assert isinstance(tables, list)
    assert len(tables) == 4
    for table in tables:
        assert table["match"], table
        assert table["source_checksum"] == table["target_checksum"]
    assert next(t for t in tables if t["name"].endswith("workspace_items"))["target_rows"] == items
    assert report["outcome"] == "migrated"


@pytest.mark.parametrize("item", BOUNDARIES)
def test_killed_as_an_item_begins_it_resumes_to_equal_checksums(program: Program, item: str) -> None:
    kill_when(program, lambda event: event["kind"] == "item-intended" and event["item"] == item, 300)
    assert_whole(resume(program, 300), 300)


def test_killed_inside_the_copy_nothing_is_lost_and_nothing_twice(program: Program) -> None:
    def copying(event: dict[str, object]) -> bool:
        return (
            event["kind"] == "progress" and event["item"] == "migrate-data" and event["activity"] == "copying"
        )

    kill_when(program, copying, 20_000)
    assert_whole(resume(program, 20_000), 20_000)


def test_killed_while_the_world_is_being_built_it_is_built_to_the_end(program: Program) -> None:
    kill_when(program, lambda event: event["kind"] == "setup-progress" and event["stage"] == "items", 5_000)
    assert_whole(resume(program, 5_000), 5_000)


def test_interrupted_inside_the_copy_no_session_no_transaction_and_no_half_tick_stay(
    program: Program,
) -> None:
    process = program.start(*program.demo_words("--keep", items=30_000))
    wait_for_event(program, process, copying)
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 130, program.output()
    assert "Traceback" not in program.output()
    world = World(program)
    ours = (
        "select count(*) from pg_stat_activity "
        "where application_name like 'wsdash%' and pid <> pg_backend_pid()"
    )
    assert world.source(ours) == 0
    assert world.target(ours) == 0
    status = json.loads(program.run("status", "--json").stdout)
    states = {item["id"]: item["state"] for item in status["items"]}
    assert states["init-neon"] == "done"
    assert states["migrate-data"] == "pending"
    assert_whole(resume(program, 30_000), 30_000)
