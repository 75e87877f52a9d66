"""What a run knows of its containers decides what counts: alerts, downtime, restarts, errors."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from tests.watch.support import FakeClock, FakeStack, Recorder, running, settings_of
from tests.watch.test_alerts import Judged
from wsdash.model import AlertChanged, ContainerRestarted, LogLine, MetricsReading, Notice
from wsdash.watch.alerts import ErrorRates
from wsdash.watch.board import Board
from wsdash.watch.pollers.containers import ContainerWatch
from wsdash.watch.sources import Duty
from wsdash.watch.world import _World, rules_of

API = "workspace-api"
STORAGE = "workspace-db-pageserver"


@pytest.mark.parametrize("code", [0, 137, 143, 1, None])
async def test_a_service_that_users_are_on_is_down_however_it_ended(tmp_path: Path, code: int | None) -> None:
    judged = Judged(tmp_path)
    judged.board.duty = lambda name: Duty(name == API, "" if name == API else "stopped by item stop-old")
    await judged.rounds(5, judged.answers(0.01))
    judged.api_state = running(API, state="exited", exit_code=code)
    assert judged.board.absence("api-new") == ""
    await judged.rounds(40, judged.answers(None))
    assert judged.changes("target-down") == [True]
    assert judged.last("target-down").severity == "critical"
    judged.api_state = running(API, health="starting")
    assert judged.board.absence("api-new") == "", "users are on it while it starts again"


async def test_a_service_that_is_not_meant_to_run_is_not_down_however_it_ended(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    judged.board.duty = lambda name: Duty(False, f"{name} is started by item start-stack")
    judged.api_state = running(API, state="exited", exit_code=1)
    await judged.rounds(60, judged.answers(None))
    assert judged.changes("target-down") == []
    assert judged.board.absence("api-new") == "not started: workspace-api is started by item start-stack"


async def test_what_somebody_has_restarted_raises_nothing_meanwhile(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    by = "Ana"
    judged.board.duty = lambda name: Duty(True, "", by)
    await judged.rounds(50, judged.answers(None))
    judged.alerts.observe(ContainerRestarted(API, "started anew", "Ana"))
    await judged.rounds(2, judged.answers(None))
    assert judged.changes("target-down") == judged.changes("container-restarts") == []
    by = ""
    await judged.rounds(40, judged.answers(None))
    assert judged.changes("target-down") == [True], "nobody asks any more, and it still does not answer"


@pytest.mark.parametrize("by", ["", "Ana"])
async def test_a_restart_is_told_with_who_asked_for_it(tmp_path: Path, by: str) -> None:
    clock, seen = FakeClock(), Recorder()
    board = Board(settings_of(tmp_path), clock, lambda name: Duty(True, "", by))
    stack = FakeStack([running(API, started_at=1.0)])
    look = ContainerWatch(settings_of(tmp_path), stack, board, seen.emit, seen.on_log, clock)
    await look()
    stack.now[0] = msgspec.structs.replace(stack.now[0], started_at=99.0)
    await look()
    assert seen.of(ContainerRestarted) == [ContainerRestarted(API, "started anew", by)]
    notice = seen.of(Notice)[-1]
    assert (notice.level, "asked for by Ana" in notice.text) == (("info", True) if by else ("warning", False))


@pytest.mark.parametrize("meant", [True, False])
async def test_a_start_soon_after_an_end_is_a_restart_unless_it_was_meant_to_be_stopped(
    tmp_path: Path, meant: bool
) -> None:
    clock, seen = FakeClock(), Recorder()
    duty = Duty(meant)
    board = Board(settings_of(tmp_path), clock, lambda name: duty)
    stack = FakeStack([running(API, started_at=1.0)])
    look = ContainerWatch(settings_of(tmp_path), stack, board, seen.emit, seen.on_log, clock)
    await look()
    stack.now[0] = msgspec.structs.replace(stack.now[0], state="exited", exit_code=0)
    await look()
    await clock.advance(0.5)
    duty = Duty(True)  # a rollback has it run again, and is over before it is looked at
    stack.now[0] = running(API, started_at=99.0)
    await look()
    assert [event.asked_by for event in seen.of(ContainerRestarted)] == ([""] if meant else [])


async def test_a_recreated_container_is_no_restart_though_its_count_fell(tmp_path: Path) -> None:
    clock, seen = FakeClock(), Recorder()
    board = Board(settings_of(tmp_path), clock, lambda name: Duty(True))
    stack = FakeStack([running(API, started_at=1.0, restarts=3, instance="a")])
    look = ContainerWatch(settings_of(tmp_path), stack, board, seen.emit, seen.on_log, clock)
    for restarts, instance in ((0, "b"), (0, "b")):
        await look()
        stack.now[0] = running(API, started_at=9.0, restarts=restarts, instance=instance)
    await look()
    assert seen.of(ContainerRestarted) == []


async def test_no_errors_are_told_only_of_logs_that_are_read(tmp_path: Path) -> None:
    clock, seen = FakeClock(), Recorder()
    read = {API: True, "workspace-db-compute": False}
    rates = ErrorRates(read, seen.emit, clock, lambda name: read[name])
    import asyncio

    task = asyncio.create_task(rates.run())
    rates.see(LogLine(API, clock.time() + 9, "stderr", "Error: no"))
    await clock.advance(10)
    told = seen.of(MetricsReading)[-1]
    assert told.values == {f"errors:{API}": 1.0}
    assert "its log is not read" in told.missing["errors:workspace-db-compute"]
    read[API] = False
    await clock.advance(10)
    assert seen.of(MetricsReading)[-1].values == {}
    task.cancel()


async def test_errors_that_follow_from_where_the_run_stands_are_not_counted(tmp_path: Path) -> None:
    clock, seen = FakeClock(), Recorder()
    tables_at = math.inf
    rates = ErrorRates(
        [API, STORAGE],
        seen.emit,
        clock,
        duties=lambda name: Duty(True, blameless_until=tables_at if name == API else 0.0),
    )
    for name in (API, STORAGE):
        rates.see(LogLine(name, clock.time(), "stderr", "ERROR: relation does not exist"))
    assert (rates.counter(API).count(clock.time()), rates.counter(STORAGE).count(clock.time())) == (0, 1)
    tables_at = clock.time() + 1
    for late in (1.0, 1.5):
        rates.see(LogLine(API, clock.time() + late, "stderr", "ERROR: relation does not exist"))
    assert rates.counter(API).count(clock.time() + 2) == 1, "only what was written after the tables came"


async def test_the_watched_world_raises_no_alert_over_tables_still_to_be_made(
    tmp_path: Path,
) -> None:
    clock, seen, settings = FakeClock(), Recorder(), settings_of(tmp_path)
    tables_at = math.inf
    world = _World(
        settings,
        FakeStack([]),
        seen.emit,
        seen.on_log,
        rules_of(settings),
        (),
        clock,
        lambda name: Duty(True, blameless_until=tables_at),
    )
    world.log_read = lambda container: True  # type: ignore[method-assign]
    world._alerts._logs_read = world.log_read

    async def a_minute() -> list[bool]:
        for _ in range(60):
            await clock.advance(1)
            world._board.put(running(API))
            world.log(LogLine(API, clock.time(), "stderr", "ERROR: relation does not exist"))
            world._alerts.evaluate()
        return [change.raised for change in seen.of(AlertChanged) if change.rule == "error-rate"]

    assert await a_minute() == []
    assert len(seen.lines) == 60, "the lines are shown nevertheless"
    tables_at = clock.time()
    assert await a_minute() == [True]


async def test_the_alert_on_errors_holds_still_while_the_log_is_not_read(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    judged.alerts._logs_read = lambda container: False
    for _ in range(20):
        judged.errors.see(LogLine(API, judged.clock.time(), "stderr", "Error: no"))
    await judged.rounds(30)
    assert judged.changes("error-rate") == []
