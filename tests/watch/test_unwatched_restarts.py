"""Restarts while nobody watched are told with the first reading after it, with who asked for them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.watch.support import FakeClock, FakeStack, Recorder, running, settings_of
from wsdash.model import ContainerReading, ContainerRestarted, Notice
from wsdash.watch.board import Board
from wsdash.watch.pollers.containers import ContainerWatch, LastSeen
from wsdash.watch.sources import Duty

API = "workspace-api"
BEFORE = running(API, started_at=1000.0, restarts=2, instance="a")
DARK = ", while nobody watched"


async def first_look(tmp_path: Path, now: ContainerReading, last: LastSeen | None) -> Recorder:
    clock, seen = FakeClock(), Recorder()
    board = Board(settings_of(tmp_path), clock, lambda name: Duty(True))
    known = {API: last} if last is not None else {}
    look = ContainerWatch(
        settings_of(tmp_path), FakeStack([now]), board, seen.emit, seen.on_log, clock, known
    )
    await look()
    await look()
    return seen


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"started_at": 5000.0}, "started anew"),
        ({"restarts": 3, "started_at": 5000.0}, "restart 3"),
        ({"restarts": 5, "started_at": 5000.0}, "3 restarts, 5 in all"),
    ],
)
async def test_a_restart_in_between_is_told_once(
    tmp_path: Path, changes: dict[str, object], how: str
) -> None:
    seen = await first_look(tmp_path, msgspec.structs.replace(BEFORE, **changes), LastSeen(BEFORE))
    assert seen.of(ContainerRestarted) == [ContainerRestarted(API, how + DARK)]
    assert [(one.level, one.text) for one in seen.of(Notice)] == [
        ("warning", f"{API} restarted ({how}{DARK})")
    ]


async def test_one_that_was_asked_for_is_told_as_such(tmp_path: Path) -> None:
    now = msgspec.structs.replace(BEFORE, started_at=5000.0)
    seen = await first_look(tmp_path, now, LastSeen(BEFORE, "Ana"))
    assert [one.asked_by for one in seen.of(ContainerRestarted)] == ["Ana"]
    assert [one.level for one in seen.of(Notice)] == ["info"]


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (BEFORE, LastSeen(BEFORE)),
        (BEFORE, None),
        (msgspec.structs.replace(BEFORE, started_at=5000.0, restarts=0, instance="b"), LastSeen(BEFORE)),
        (
            msgspec.structs.replace(BEFORE, started_at=5000.0),
            LastSeen(msgspec.structs.replace(BEFORE, state="exited")),
        ),
        (
            msgspec.structs.replace(BEFORE, started_at=None),
            LastSeen(msgspec.structs.replace(BEFORE, started_at=None)),
        ),
    ],
    ids=["as it was", "never seen", "re-created", "started after a stop", "its start is not told"],
)
async def test_what_is_no_restart_is_not_told_as_one(
    tmp_path: Path, now: ContainerReading, last: LastSeen | None
) -> None:
    assert (await first_look(tmp_path, now, last)).of(ContainerRestarted) == []


async def test_an_end_in_between_that_nobody_asked_for_is_told(tmp_path: Path) -> None:
    ended = msgspec.structs.replace(BEFORE, state="exited", exit_code=1)
    seen = await first_look(tmp_path, ended, LastSeen(BEFORE))
    assert [one.text for one in seen.of(Notice)] == [f"{API} ended by itself (exit code 1)"]
    assert (await first_look(tmp_path, ended, LastSeen(BEFORE, "Ana"))).of(Notice) == []
