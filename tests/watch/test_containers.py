"""Containers: what is missing, what restarted, what ended by itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.watch.support import EPOCH, FakeClock, FakeStack, Recorder, running, settings_of
from wsdash.errors import UnreachableError
from wsdash.model import ContainerReading, ContainerRestarted, Notice
from wsdash.watch.board import Board
from wsdash.watch.pollers.containers import ContainerWatch, restart_between
from wsdash.watch.sources import Duty


class Watched:
    """A container watch on a stack of the test's."""

    def __init__(self, tmp_path: Path, *readings: ContainerReading) -> None:
        self.settings = settings_of(tmp_path)
        self.clock = FakeClock()
        self.stack, self.seen = FakeStack(readings), Recorder()
        self.board = Board(self.settings, self.clock, lambda name: Duty(self.runs, "", self.by))
        self.by = ""
        self.runs: bool | None = None
        self.look = ContainerWatch(
            self.settings,
            self.stack,
            self.board,
            self.seen.emit,
            self.seen.on_log,
            self.clock,
        )

    def change(self, **fields: object) -> None:
        self.stack.now[0] = msgspec.structs.replace(self.stack.now[0], **fields)

    @property
    def restarts(self) -> list[str]:
        """Containers that restarted, each as often as that was seen."""
        return [restarted.name for restarted in self.seen.of(ContainerRestarted)]

    def notices(self) -> list[str]:
        return [notice.text for notice in self.seen.of(Notice)]


async def test_containers_that_the_stack_does_not_know_are_told_as_missing(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    await watched.look()
    states = {reading.name: (reading.state, reading.group) for reading in watched.seen.of(ContainerReading)}
    assert states["workspace-api"][0] == "running"
    assert states["workspace-db-compute"] == ("missing", "workspace")
    assert states["apps-workspace"] == ("missing", "apps")
    assert len(states) == 6


async def test_a_restart_is_noticed_by_a_new_start_time(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    await watched.look()
    watched.change(started_at=EPOCH + 60)
    await watched.look()
    await watched.look()
    assert watched.notices() == ["workspace-api restarted (started anew)"]
    assert watched.restarts == ["workspace-api"]


async def test_a_restart_whose_end_only_an_event_told_says_how_it_ended(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    await watched.look()
    watched.change(started_at=EPOCH + 60, ended_with=137)
    await watched.look()
    assert watched.notices() == ["workspace-api restarted (started anew, exit code 137)"]


async def test_a_restart_is_noticed_by_the_restart_count_and_says_why(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    await watched.look()
    watched.change(restarts=1, exit_code=137, oom_killed=True)
    await watched.look()
    assert watched.notices() == ["workspace-api restarted (restart 1, out of memory)"]


@pytest.mark.parametrize("seen_to_end", [False, True])
async def test_a_restart_that_is_waited_for_is_one_restart(tmp_path: Path, seen_to_end: bool) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    ends: list[dict[str, object]] = [{"state": "exited", "exit_code": 3}] if seen_to_end else []
    waits: dict[str, object] = {"state": "restarting", "restarts": 1, "exit_code": 3}
    starts: dict[str, object] = {"state": "running", "exit_code": None, "started_at": EPOCH + 1.0}
    for fields in (*ends, waits, starts):
        await watched.look()
        await watched.clock.advance(0.5)
        watched.change(**fields)
    await watched.look()
    told = [text for text in watched.notices() if "restarted" in text]
    assert told == ["workspace-api restarted (restart 1, exit code 3)"]
    assert watched.restarts == ["workspace-api"]
    (marker,) = watched.seen.lines
    assert EPOCH < marker.at < EPOCH + 2.0


async def test_a_restart_leaves_a_marker_in_the_log_at_the_new_start(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    await watched.look()
    watched.change(restarts=2, started_at=EPOCH + 9.0)
    await watched.look()
    (line,) = watched.seen.lines
    assert (line.container, line.stream, line.at) == ("workspace-api", "wsdash", EPOCH + 9.0)
    assert line.text == "-- restarted (2 restarts, 2 in all) --"


async def test_a_start_right_after_an_end_is_a_restart(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    for fields in ({"state": "exited", "exit_code": 137}, {"state": "running", "started_at": EPOCH + 1.0}):
        await watched.look()
        await watched.clock.advance(0.5)
        watched.change(**fields)
    await watched.look()
    assert watched.notices() == ["workspace-api restarted (started anew, exit code 137)"]
    assert watched.restarts == ["workspace-api"]


async def test_another_container_of_the_name_is_a_re_creation_and_no_restart(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api", instance="8f1b", image="api:1"))
    await watched.look()
    watched.change(state="missing", instance="")
    await watched.look()
    watched.change(state="running", instance="77aa", image="api:2", started_at=EPOCH + 9.0)
    await watched.look()
    await watched.look()
    assert watched.notices() == ["workspace-api was re-created from api:2"]
    assert [line.text for line in watched.seen.lines] == ["-- re-created --"]
    assert watched.restarts == []


async def test_a_start_after_a_stop_is_no_restart(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("apps-workspace"))
    for fields in ({"state": "exited", "exit_code": 143}, {"state": "running", "started_at": EPOCH + 60}):
        await watched.look()
        await watched.clock.advance(60)
        watched.change(**fields)
    await watched.look()
    assert watched.notices() == []
    assert watched.restarts == []


async def test_a_crash_is_noticed_once_with_its_exit_code(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    await watched.look()
    watched.change(state="exited", exit_code=3)
    await watched.look()
    await watched.look()
    assert watched.notices() == ["workspace-api ended by itself (exit code 3)"]


async def test_start_times_that_differ_by_a_clock_tick_are_one_start(tmp_path: Path) -> None:
    before = running("workspace-api", started_at=EPOCH)
    assert restart_between(before, running("workspace-api", started_at=EPOCH + 0.02)) == ""


async def test_an_engine_that_does_not_answer_leaves_no_new_readings(tmp_path: Path) -> None:
    watched = Watched(tmp_path, running("workspace-api"))
    watched.stack.error = UnreachableError("the Docker engine does not answer")
    with pytest.raises(UnreachableError):
        await watched.look()
    assert watched.seen.events == []


@pytest.mark.parametrize(
    ("fields", "absence"),
    [
        ({"state": "created"}, "not started: workspace-api is created"),
        ({"state": "exited", "exit_code": 143}, "not started: workspace-api is exited"),
        ({"health": "starting"}, "not started: workspace-api is starting"),
        ({"state": "exited", "exit_code": 1}, ""),
        ({"state": "exited", "exit_code": 137, "oom_killed": True}, ""),
        ({"state": "restarting", "health": "none"}, ""),
        ({}, ""),
    ],
)
def test_only_a_service_that_was_not_started_or_was_stopped_is_rightly_absent(
    tmp_path: Path, fields: dict[str, object], absence: str
) -> None:
    board = Board(settings_of(tmp_path), FakeClock())
    board.put(running("workspace-api", **fields))
    assert board.absence("api-new") == absence


async def test_an_old_reading_says_nothing_about_now(tmp_path: Path) -> None:
    clock = FakeClock()
    board = Board(settings_of(tmp_path), clock)
    board.put(running("workspace-api", state="created"))
    await clock.advance(60)
    assert board.absence("api-new") == ""
