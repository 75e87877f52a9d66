"""Alerts told outside the screen: once, with patience, to a real HTTP server and a real process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.watch.support import EPOCH, FakeClock
from wsdash.config import AlertSettings
from wsdash.model import AlertChanged, AnyEvent, Notice
from wsdash.model.standing import AlertBoard, Silence
from wsdash.watch.alerting.channels import ATTEMPTS, Notifier, channels_of

RAISED = AlertChanged("disk", True, "Disk filling: 81 %", EPOCH, "disk", "disk:percent", "warning", 81.0)
ENDED = AlertChanged("disk", False, "ended: Disk filling: 70 %", EPOCH + 60, "disk", "disk:percent")


class Told:
    """A notifier on a clock moved by hand, and what it emitted."""

    def __init__(self, settings: AlertSettings) -> None:
        self.clock = FakeClock()
        self.events: list[AnyEvent] = []
        self.notifier = Notifier(channels_of(settings), self.events.append, "demo", clock=self.clock)

    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    async def until(self, done: Any) -> None:
        async with asyncio.timeout(10):
            while not done():
                await self.clock.advance(1)
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(told: Told) -> AsyncIterator[None]:
    task = asyncio.create_task(told.notifier.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def hook(answers: list[int]) -> AsyncIterator[tuple[str, list[Any]]]:
    """A webhook that answers so, the last for ever, and what it was sent."""
    taken: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(await request.json())
        return web.Response(status=answers.pop(0) if len(answers) > 1 else answers[0])

    app = web.Application()
    app.router.add_post("/s3cret", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/s3cret", taken
    finally:
        await runner.cleanup()


async def test_an_alert_and_its_end_are_told_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hook([200]) as (url, taken):
        monkeypatch.setenv("HOOK", url)
        told = Told(AlertSettings(webhook_env="HOOK"))
        async with running(told):
            for change in (RAISED, RAISED, ENDED, ENDED):
                told.notifier.see(change, AlertBoard())
            await told.until(lambda: len(taken) == 2)
    assert taken[0]["text"] == "[demo] warning: Disk filling: 81 %"
    assert (taken[0]["state"], taken[0]["alert"], taken[0]["worst"]) == ("raised", "disk", 81.0)
    assert taken[1]["text"] == "[demo] ended: Disk filling: 70 %"
    assert told.notices() == []


async def test_a_webhook_from_a_file_that_fails_twice_is_tried_again_and_its_url_is_not_told(
    tmp_path: Path,
) -> None:
    async with hook([500, 503, 200]) as (url, taken):
        (tmp_path / "url").write_text(url + "\n")
        told = Told(AlertSettings(webhook_file=str(tmp_path / "url")))
        async with running(told):
            told.notifier.see(RAISED, AlertBoard())
            await told.until(lambda: len(told.notices()) == 2)
    assert len(taken) == 3
    assert told.notices() == [
        "alert webhook: it answered 500; trying again",
        "alert webhook: told at the attempt 3",
    ]


async def test_a_channel_that_never_answers_is_given_up_with_an_error_that_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/s3cret")
    told = Told(AlertSettings(webhook_env="HOOK"))
    async with running(told):
        told.notifier.see(RAISED, AlertBoard())
        await told.until(lambda: len(told.notices()) == 2)
    assert f"disk was not told after {ATTEMPTS} attempts" in told.notices()[-1]
    assert "s3cret" not in " ".join(told.notices())


async def test_a_command_gets_the_alert_as_json(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    script = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    told = Told(AlertSettings(command=(sys.executable, "-c", script)))
    async with running(told):
        told.notifier.see(RAISED, AlertBoard())
        await told.until(lambda: out.exists() and out.read_text().endswith("}"))
    assert json.loads(out.read_text())["rule"] == "disk"


async def test_a_failing_command_does_not_hold_up_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hook([200]) as (url, taken):
        monkeypatch.setenv("HOOK", url)
        told = Told(AlertSettings(webhook_env="HOOK", command=("/no/such/program",)))
        async with running(told):
            told.notifier.see(RAISED, AlertBoard())
            await told.until(lambda: taken and told.notices())
    assert "cannot be started" in told.notices()[0]


async def test_what_is_silenced_is_not_told_nor_is_its_end() -> None:
    sent: list[Any] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    clock = FakeClock()
    notifier = Notifier({"test": send}, lambda event: None, "demo", clock=clock)
    silenced = AlertBoard(silences={"*": Silence("*", EPOCH + 100, "ana")})
    task = asyncio.create_task(notifier.run())
    notifier.see(RAISED, silenced)
    notifier.see(ENDED, silenced)
    await clock.advance(1)
    assert sent == []
    await clock.advance(200)
    notifier.see(RAISED, silenced)
    await clock.advance(1)
    assert [message["state"] for message in sent] == ["raised"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
