"""An old service that serves though it was stopped raises an alert, whoever started it, and only then."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.support.servers import free_port
from tests.watch.support import FakeClock, Recorder, answer, http_server, running, settings_of
from tests.watch.test_alerts import Judged
from wsdash.config import ApiSettings
from wsdash.errors import WsdashError
from wsdash.watch.board import OLD, Board, Strays
from wsdash.watch.pollers.api import ApiProbe
from wsdash.watch.sources import Duty, NotStartedError

STOPPED = Duty(False, "apps-workspace is stopped by item stop-old")
GONE = running("apps-workspace", state="exited", exit_code=0)


class Watched(Judged):
    """Judged alerts, and what tells of strays."""

    def __init__(self, tmp_path: Path, duty: Duty = STOPPED) -> None:
        super().__init__(tmp_path)
        self.duty = duty
        self.board.duty = lambda name: self.duty if name == "apps-workspace" else Duty(True)
        self.strays = Strays(settings_of(tmp_path), self.board, self.alerts.observe, self.clock)

    async def live(self, seconds: int, answered: bool | None) -> None:
        def look() -> None:
            if answered is not None:
                self.board.heard(OLD, answered)
            if (found := self.strays.look()) is not None:
                self.alerts.sample(f"stray:{OLD}", found)

        await self.rounds(seconds, look)


async def test_an_old_service_that_answers_again_raises_an_alert_that_ends_when_it_is_silent(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path)
    await watched.live(60, False)
    assert watched.changes("old-service") == []
    await watched.live(30, True)
    assert watched.changes("old-service") == [True]
    assert watched.last("old-service").severity == "critical"
    assert watched.last("old-service").text == "The old service serves again: api-old"
    await watched.live(60, False)
    assert watched.changes("old-service") == [True, False]


async def test_a_rollback_that_brings_it_back_ends_the_alert(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    await watched.live(30, True)
    watched.duty = Duty(True)
    await watched.live(30, True)
    assert watched.changes("old-service") == [True, False]


@pytest.mark.parametrize(
    "duty", [Duty(True), Duty(None), Duty(False, "being stopped", "item stop-old")], ids=lambda one: str(one)
)
async def test_it_may_answer_before_its_stop_while_it_is_stopped_and_where_no_run_is_known(
    tmp_path: Path, duty: Duty
) -> None:
    watched = Watched(tmp_path, duty)
    await watched.live(60, True)
    assert watched.changes("old-service") == []


async def test_what_was_not_asked_lately_is_not_known(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert watched.strays.look() is None
    watched.board.put(GONE)
    assert watched.strays.look() == 0.0
    watched.board.put(running("apps-workspace"))
    assert watched.strays.look() == 1.0, "a container that runs need not be asked"
    watched.clock.stall(60)
    assert watched.strays.look() is None


async def test_two_services_at_one_address_cannot_be_told_apart(tmp_path: Path) -> None:
    one = ApiSettings("http://localhost:3200/", "http://localhost:3200")
    settings, clock, seen = settings_of(tmp_path, api=one), FakeClock(), Recorder()
    board = Board(settings, clock, lambda name: STOPPED)
    board.heard(OLD, True)
    await Strays(settings, board, seen.emit, clock).run()  # over at once: there is nothing to tell
    assert seen.events == []


@pytest.mark.parametrize(("status", "heard"), [(200, True), (503, True), (429, True), (None, False)])
async def test_any_answer_of_the_api_is_one(tmp_path: Path, status: int | None, heard: bool) -> None:
    clock, seen = FakeClock(), Recorder()
    board = Board(settings_of(tmp_path), clock, lambda name: STOPPED)
    port = free_port()
    routes = {path: answer(status=status or 200) for path in ("/health", "/api/items")}
    async with http_server(port, routes) as url, aiohttp.ClientSession() as session:
        base = url if status is not None else f"http://127.0.0.1:{free_port()}"
        probe = ApiProbe(OLD, base, session, board, seen.emit)
        try:
            await probe()
        except (NotStartedError, WsdashError):
            assert status != 200
    assert board.answered(OLD) is heard
