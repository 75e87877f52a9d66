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
from wsdash.model import (
    AlertAcknowledged,
    AlertChanged,
    AlertSent,
    AlertSilenced,
    AnyEvent,
    Notice,
    Recorded,
)
from wsdash.model.alert_board import AlertBoard, Silence, fold_alerts
from wsdash.watch.alerting.channels import MOST_A_WHILE, STORM, Notifier, channels_of
from wsdash.watch.limits import GIVE_UP_SECONDS, REPEAT_SECONDS
from wsdash.watch.outlets import OutletError

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
        async with asyncio.timeout(90):
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
        "alert webhook: sent at attempt 3",
    ]


async def test_a_channel_that_never_answers_is_given_up_with_an_error_that_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/s3cret")
    told = Told(AlertSettings(webhook_env="HOOK"))
    async with running(told):
        told.notifier.see(RAISED, AlertBoard())
        await told.until(lambda: len(told.notices()) == 1)
        while len(told.notices()) < 2:
            assert told.clock.monotonic() < 2 * GIVE_UP_SECONDS
            await told.clock.advance(60)
            await asyncio.sleep(0.002)
    assert "disk was not sent within 6 h" in told.notices()[-1]
    assert "s3cret" not in " ".join(told.notices())


async def test_a_command_gets_the_alert_as_json(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    script = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    told = Told(AlertSettings(command=(sys.executable, "-c", script)))
    async with running(told):
        told.notifier.see(RAISED, AlertBoard())
        await told.until(lambda: out.exists() and out.read_text().endswith("}"))
    assert json.loads(out.read_text())["rule"] == "disk"


async def test_apprise_tells_a_service_of_its_own_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("apprise")
    async with hook([200]) as (url, taken):
        monkeypatch.setenv("OUR_SERVICE", url.replace("http://", "json://"))
        told = Told(AlertSettings(apprise_env=("OUR_SERVICE",)))
        async with running(told):
            told.notifier.see(RAISED, AlertBoard())
            told.notifier.see(ENDED, AlertBoard())
            await told.until(lambda: len(taken) == 2)
    assert [(one["type"], one["message"]) for one in taken] == [
        ("warning", "[demo] warning: Disk filling: 81 %"),
        ("success", "[demo] ended: Disk filling: 70 %"),
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "the variable OUR_SERVICE is not set"),
        ("nonsense-s3cret://x", "the variable OUR_SERVICE holds is no URL that apprise knows"),
        ("json://127.0.0.1:1/s3cret", "it was not taken"),
    ],
)
async def test_an_apprise_channel_that_fails_says_why_without_its_url(
    value: str | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("apprise")
    monkeypatch.delenv("OUR_SERVICE", raising=False)
    if value is not None:
        monkeypatch.setenv("OUR_SERVICE", value)
    told = Told(AlertSettings(apprise_env=("OUR_SERVICE",)))
    async with running(told):
        told.notifier.see(RAISED, AlertBoard())
        await told.until(told.notices)
    assert why in told.notices()[0]
    assert told.notices()[0].startswith("alert apprise OUR_SERVICE: ")
    assert "s3cret" not in str(told.events)


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


class Kept:
    """A notifier whose channel keeps what it is sent, or fails while `broken`; journal: what it told."""

    def __init__(self, clock: FakeClock, sent: dict[str, float] | None = None) -> None:
        self.taken: list[dict[str, Any]] = []
        self.broken = False
        self.journal: list[AnyEvent] = []
        self.notifier = Notifier({"test": self.take}, self.journal.append, "demo", clock=clock, sent=sent)

    async def take(self, message: dict[str, Any]) -> None:
        if self.broken:
            raise OutletError("it answered 503")
        self.taken.append(message)

    @property
    def board(self) -> AlertBoard:
        """What another engine reads of the journal."""
        return fold_alerts(Recorded(n, EPOCH, event) for n, event in enumerate(self.journal, 1))

    def see(self, change: AlertChanged) -> None:
        self.journal.append(change)
        self.notifier.see(change, self.board)


@asynccontextmanager
async def keeping(clock: FakeClock, sent: dict[str, float] | None = None) -> AsyncIterator[Kept]:
    kept = Kept(clock, sent)
    task = asyncio.create_task(kept.notifier.run())
    try:
        yield kept
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def raised(alert: str, since: float = EPOCH) -> AlertChanged:
    return AlertChanged(alert, True, f"{alert}!", since, alert, "s", "warning", 1.0)


def ended(alert: str, at: float = EPOCH + 60) -> AlertChanged:
    return AlertChanged(alert, False, f"ended: {alert}", at, alert, "s", "warning", 1.0)


async def test_another_engine_tells_the_end_and_not_the_beginning_again() -> None:
    clock = FakeClock()
    async with keeping(clock) as first:
        first.see(raised("disk"))
        await clock.advance(1)
        assert [one["state"] for one in first.taken] == ["raised"]
    assert first.board.sent == {"disk": EPOCH}
    async with keeping(clock, first.board.sent) as second:
        second.journal = list(first.journal)
        second.notifier._emit = second.journal.append
        second.notifier.remind(second.board)
        second.see(raised("disk"))  # it got worse
        await clock.advance(1)
        assert second.taken == []
        second.see(ended("disk"))
        await clock.advance(1)
        assert [one["state"] for one in second.taken] == ["ended"]
        assert second.board.sent == {}


async def test_what_ended_or_began_while_no_engine_lived_is_told_by_the_next() -> None:
    clock = FakeClock()
    journal: list[AnyEvent] = [
        raised("disk"),
        AlertSent("disk", True, EPOCH, "test"),
        ended("disk"),
        raised("pool"),
    ]
    board = fold_alerts(Recorded(n, EPOCH, event) for n, event in enumerate(journal, 1))
    async with keeping(clock, board.sent) as kept:
        kept.notifier.remind(board)
        kept.notifier.remind(board)
        await clock.advance(1)
        assert [(one["alert"], one["state"]) for one in kept.taken] == [("pool", "raised"), ("disk", "ended")]


async def test_an_outlet_that_is_down_for_hours_gets_all_of_it_in_order() -> None:
    clock = FakeClock()
    async with keeping(clock) as kept:
        kept.broken = True
        kept.see(raised("disk"))
        kept.see(ended("disk"))
        for _ in range(5 * 60):
            await clock.advance(60)
        assert kept.taken == []
        kept.broken = False
        await clock.advance(301)
        assert [one["state"] for one in kept.taken] == ["raised", "ended"]


async def test_a_storm_is_one_message() -> None:
    clock = FakeClock()
    async with keeping(clock) as kept:
        for number in range(STORM + 55):
            kept.see(raised(f"alert-{number}"))
        await clock.advance(1)
        assert len(kept.taken) == 1
        assert kept.taken[0]["text"].startswith(f"[demo] {STORM + 55} alerts raised, 0 ended")
        assert "... and 10 more" in kept.taken[0]["text"]
        assert len(kept.board.sent) == STORM + 55


async def test_an_alert_that_comes_and_goes_is_told_a_few_times_an_hour() -> None:
    clock = FakeClock()
    async with keeping(clock) as kept:
        for number in range(30):
            kept.see(raised("disk", EPOCH + 40 * number))
            await clock.advance(20)
            kept.see(ended("disk", EPOCH + 40 * number + 20))
            await clock.advance(20)
        assert [one["state"] for one in kept.taken] == ["raised", "ended"] * MOST_A_WHILE
        assert "it comes and goes" in kept.taken[-2]["text"]
        await clock.advance(3600)
        kept.see(raised("disk", EPOCH + 9999))
        await clock.advance(1)
        assert len(kept.taken) == 2 * MOST_A_WHILE + 1


async def test_what_nobody_heeds_is_told_again_and_what_somebody_does_is_not() -> None:
    clock = FakeClock()
    async with keeping(clock) as kept:
        for alert in ("disk", "pool"):
            kept.see(raised(alert))
        kept.journal.append(AlertAcknowledged("pool", "Ana"))
        await clock.advance(REPEAT_SECONDS - 1)
        kept.notifier.remind(kept.board)
        await clock.advance(2)
        kept.notifier.remind(kept.board)
        kept.notifier.remind(kept.board)
        await clock.advance(1)
        assert [one["alert"] for one in kept.taken] == ["disk", "pool", "disk"]
        assert "still raised, since 2025" in kept.taken[-1]["text"]


async def test_an_alert_is_told_when_its_silence_ends() -> None:
    clock = FakeClock()
    async with keeping(clock) as kept:
        kept.journal.append(AlertSilenced("disk", EPOCH + 100, "Ana"))
        kept.see(raised("disk"))
        kept.notifier.remind(kept.board)
        await clock.advance(50)
        assert kept.taken == []
        await clock.advance(51)
        kept.notifier.remind(kept.board)
        await clock.advance(1)
        assert [one["alert"] for one in kept.taken] == ["disk"]
