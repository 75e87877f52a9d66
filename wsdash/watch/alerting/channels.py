"""Who is told of alerts outside the screen: a webhook and a command, each with patience and an end to it."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from wsdash.clock import Clock, SystemClock
from wsdash.config import AlertSettings
from wsdash.model import AlertChanged, Notice
from wsdash.model.standing import AlertBoard, AlertSpan
from wsdash.tasks import task_group
from wsdash.watch.outlets import OutletError, post_message, run_with
from wsdash.watch.sources import Emit

TIMEOUT = 15.0
ATTEMPTS = 5
FIRST_PAUSE = 2.0
MOST_WAITING = 200

Send = Callable[[dict[str, Any]], Awaitable[None]]


def payload(change: AlertChanged, world: str) -> dict[str, Any]:
    """What is sent: `text` for people (and Slack), and the same as fields."""
    state = "raised" if change.raised else "ended"
    lead = change.severity if change.raised else state
    return {
        "text": f"[{world}] {lead}: {change.text.removeprefix('ended: ')}",
        "state": state,
        "world": world,
        "alert": change.alert or change.rule,
        "rule": change.rule,
        "severity": change.severity,
        "since": change.since,
        "worst": change.worst,
    }


def channels_of(settings: AlertSettings) -> dict[str, Send]:
    """The channels these settings name, by the name under which trouble is told."""
    channels: dict[str, Send] = {}
    if settings.webhook_env or settings.webhook_file:
        channels["webhook"] = lambda message: _post(settings, message)
    if settings.command:
        channels["command"] = lambda message: run_with(
            settings.command, msgspec.json.encode(message), TIMEOUT
        )
    return channels


class Notifier:
    """Tells each raised alert once, and its end once. `see` never blocks; trouble becomes a Notice."""

    def __init__(
        self, channels: dict[str, Send], emit: Emit, world: str, *, clock: Clock | None = None
    ) -> None:
        self._channels = channels
        self._emit = emit
        self._world = world
        self.clock: Clock = clock or SystemClock()
        """The run's: by it silences end."""
        self._waiting: dict[str, deque[dict[str, Any]]] = {
            name: deque(maxlen=MOST_WAITING) for name in channels
        }
        self._arrived = {name: asyncio.Event() for name in channels}
        self._told: dict[str, float] = {}

    def see(self, change: AlertChanged, board: AlertBoard) -> None:
        """Queue a change, unless it was told or is silenced now."""
        name = change.alert or change.rule
        if change.raised:
            if self._told.get(name) == change.since or self._silenced(change, name, board):
                return
            self._told[name] = change.since
        elif self._told.pop(name, None) is None:
            return
        for channel in self._channels:
            self._waiting[channel].append(payload(change, self._world))
            self._arrived[channel].set()

    async def run(self) -> None:
        """Send for ever; a slow channel does not hold up another."""
        async with task_group() as group:
            for name, send in self._channels.items():
                group.create_task(self._serve(name, send))

    async def _serve(self, name: str, send: Send) -> None:
        waiting, arrived = self._waiting[name], self._arrived[name]
        while True:
            await arrived.wait()
            arrived.clear()
            while waiting:
                await self._insist(name, send, waiting.popleft())

    async def _insist(self, name: str, send: Send, message: dict[str, Any]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await send(message)
            except OutletError as error:
                if attempt == 1:
                    self._emit(Notice("warning", f"alert {name}: {error}; trying again"))
                if attempt == ATTEMPTS:
                    text = f"alert {name}: {message['alert']} was not told after {ATTEMPTS} attempts: {error}"
                    self._emit(Notice("error", text))
                    return
                await self.clock.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
            else:
                if attempt > 1:
                    self._emit(Notice("info", f"alert {name}: told at the attempt {attempt}"))
                return

    def _silenced(self, change: AlertChanged, name: str, board: AlertBoard) -> bool:
        span = AlertSpan(change.rule, name, change.series, change.severity, change.text, change.since)
        now = self.clock.time()
        return any(silence.covers(span, now) for silence in board.silences.values())


async def _post(settings: AlertSettings, message: dict[str, Any]) -> None:
    url = os.environ.get(settings.webhook_env, "") if settings.webhook_env else ""
    if not url and settings.webhook_file:
        try:
            url = (await asyncio.to_thread(Path(settings.webhook_file).read_text, encoding="utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OutletError(
                f"the file of alerts.webhook_file cannot be read ({type(error).__name__})"
            ) from None
    if not url:
        raise OutletError(f"the variable {settings.webhook_env} is not set")
    await post_message(url, message, TIMEOUT)
