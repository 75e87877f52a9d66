"""Who is notified of alerts outside the screen: a webhook, apprise's services, a command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from wsdash.clock import Clock, SystemClock
from wsdash.config import AlertSettings
from wsdash.model import AlertChanged, AlertSent, Notice
from wsdash.model.alert_board import AlertBoard, AlertSpan
from wsdash.outside import read_text_file
from wsdash.tasks import task_group
from wsdash.watch.alerting.rules import SEVERITIES
from wsdash.watch.limits import CHANNEL_TIMEOUT, GIVE_UP_SECONDS, REPEAT_SECONDS
from wsdash.watch.outlets import OutletError, post_message, run_with
from wsdash.watch.sources import Emit

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
MOST_WAITING = 200
STORM = 5
"""So many that wait are sent as one message."""
MOST_LINES = 50
MOST_A_WHILE, WHILE_SECONDS = 3, 3600.0
"""An alert that comes and goes is sent this many times within so many seconds."""

KINDS = {"info": "info", "warning": "warning", "critical": "failure"}
"""Severity -> apprise's word."""

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Message(NamedTuple):
    """What is sent, and the change that it is about."""

    content: dict[str, Any]
    change: AlertChanged


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
    """The channels these settings name, by the name under which trouble is reported."""
    channels: dict[str, Send] = {}
    if settings.webhook_env or settings.webhook_file:
        channels["webhook"] = lambda message: _post(settings, message)
    for variable in settings.apprise_env:
        channels[f"apprise {variable}"] = partial(_apprise, variable)
    if settings.command:
        channels["command"] = lambda message: run_with(
            settings.command, msgspec.json.encode(message), CHANNEL_TIMEOUT, settings.environment
        )
    return channels


class Notifier:
    """Tells each raised alert once (and again while nobody heeds it), and its end once.

    `see` and `remind` never block. Trouble becomes a Notice; what arrived an AlertSent in the journal,
    so that another engine neither repeats nor forgets it. sent: from there, alert -> when it began.
    """

    def __init__(
        self,
        channels: dict[str, Send],
        emit: Emit,
        world: str,
        *,
        clock: Clock | None = None,
        sent: Mapping[str, float] | None = None,
    ) -> None:
        self._channels = channels
        self._emit = emit
        self._world = world
        self.clock: Clock = clock or SystemClock()
        """The run's: by it silences end."""
        self._waiting: dict[str, deque[Message]] = {name: deque(maxlen=MOST_WAITING) for name in channels}
        self._arrived = {name: asyncio.Event() for name in channels}
        self._notified: dict[str, float] = dict(sent or {})
        self._notified_at: dict[str, deque[float]] = {}

    def see(self, change: AlertChanged, board: AlertBoard) -> None:
        """Queue a change, unless it was sent, is silenced now, or comes too often."""
        name = change.alert or change.rule
        if change.raised:
            if self._notified.get(name) == change.since or self._silenced(change, name, board):
                return
            self._tell(name, change)
        elif self._notified.pop(name, None) is not None:
            self._queue(payload(change, self._world), change)

    def remind(self, board: AlertBoard) -> None:
        """Send what is raised and was not sent (its silence ended, an engine died), or long ago; and ends
        that nobody was notified of.
        """
        now = self.clock.time()
        for span in board.unheeded(now):
            change = AlertChanged(
                span.rule, True, span.text, span.begun, span.alert, span.series, span.severity, span.worst
            )
            times = self._notified_at.get(span.alert)
            notified = self._notified.get(span.alert) == span.begun
            if not notified or (times and now - times[-1] >= REPEAT_SECONDS):
                self._tell(span.alert, change, again=notified)
            elif not times:
                self._notified_at[span.alert] = deque([now], maxlen=MOST_A_WHILE)  # sent by an earlier engine
        ended = {span.alert: span for span in board.ended}
        for name in [name for name in self._notified if name not in board.raised and name in ended]:
            span = ended[name]
            text = f"ended: {span.text}"
            over = AlertChanged(
                span.rule, False, text, span.ended or now, name, span.series, span.severity, span.worst
            )
            del self._notified[name]
            self._queue(payload(over, self._world), over)

    async def run(self) -> None:
        """Send for ever; a slow channel does not hold up another."""
        async with task_group() as group:
            for name, send in self._channels.items():
                group.create_task(self._serve(name, send))

    def _tell(self, name: str, change: AlertChanged, *, again: bool = False) -> None:
        now = self.clock.time()
        times = self._notified_at.setdefault(name, deque(maxlen=MOST_A_WHILE))
        if len(times) == MOST_A_WHILE and now - times[0] < WHILE_SECONDS:
            return  # it comes and goes: the last message says so, and the next is sent when the hour is over
        times.append(now)
        self._notified[name] = change.since
        message = payload(change, self._world)
        if again:
            message["text"] += f" (still raised, since {_when(change.since)})"
        elif len(times) == MOST_A_WHILE and now - times[0] < WHILE_SECONDS:
            message["text"] += (
                f" (it comes and goes: sent {MOST_A_WHILE} times within an hour, no more for now)"
            )
        self._queue(message, change)

    def _queue(self, message: dict[str, Any], change: AlertChanged) -> None:
        for channel in self._channels:
            self._waiting[channel].append(Message(message, change))
            self._arrived[channel].set()

    async def _serve(self, name: str, send: Send) -> None:
        waiting, arrived = self._waiting[name], self._arrived[name]
        while True:
            await arrived.wait()
            arrived.clear()
            while waiting:
                await self._insist(name, send, waiting)

    async def _insist(self, name: str, send: Send, waiting: deque[Message]) -> None:
        """Send what waits, in order, a storm of it as one message; try for hours, ever more seldom."""
        began, attempt, pause = self.clock.monotonic(), 0, FIRST_PAUSE
        while waiting:
            batch = list(waiting) if len(waiting) >= STORM else [waiting[0]]
            attempt += 1
            try:
                await send(_together(batch, self._world))
            except OutletError as error:
                if attempt == 1:
                    self._emit(Notice("warning", f"alert {name}: {error}; trying again"))
                if self.clock.monotonic() - began >= GIVE_UP_SECONDS:
                    names = ", ".join(dict.fromkeys(str(one.content["alert"]) for one in batch))
                    hours = f"{GIVE_UP_SECONDS / 3600:.0f} h"
                    self._emit(Notice("error", f"alert {name}: {names} was not sent within {hours}: {error}"))
                    self._drop(waiting, batch)
                    return
                await self.clock.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if attempt > 1:
                    self._emit(Notice("info", f"alert {name}: sent at attempt {attempt}"))
                self._drop(waiting, batch)
                for one in batch:
                    change = one.change
                    alert = change.alert or change.rule
                    self._emit(AlertSent(alert, change.raised, change.since, name))
                return

    def _drop(self, waiting: deque[Message], batch: list[Message]) -> None:
        for one in batch:
            with contextlib.suppress(ValueError):  # pushed out meanwhile by newer ones
                waiting.remove(one)

    def _silenced(self, change: AlertChanged, name: str, board: AlertBoard) -> bool:
        span = AlertSpan(change.rule, name, change.series, change.severity, change.text, change.since)
        now = self.clock.time()
        return any(silence.covers(span, now) for silence in board.silences.values())


def _together(batch: list[Message], world: str) -> dict[str, Any]:
    """One message as it is; of a storm one that lists all."""
    if len(batch) == 1:
        return batch[0].content
    raised = sum(one.change.raised for one in batch)
    head = f"[{world}] {raised} alerts raised, {len(batch) - raised} ended"
    lines = [head, *(str(one.content["text"]) for one in batch[:MOST_LINES])]
    if len(batch) > MOST_LINES:
        lines.append(f"... and {len(batch) - MOST_LINES} more")
    worst = max((one.change.severity for one in batch), key=SEVERITIES.index)
    fields = {"state": "several", "severity": worst, "alerts": [one.content for one in batch[:MOST_LINES]]}
    return batch[0].content | fields | {"text": "\n".join(lines)}


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def _apprise(variable: str, message: dict[str, Any]) -> None:
    """By whatever apprise's URL in that variable names: mail, Slack, Teams, ntfy and others."""
    head, _, rest = str(message["text"]).partition("\n")
    kind = KINDS.get(message["severity"], "warning") if message["state"] != "ended" else "success"
    payload = {"title": head if rest else f"wsdash: {message['state']}", "text": rest or head, "kind": kind}
    argv = [sys.executable, "-m", "wsdash.watch.alerting.apprise_child", variable]
    try:
        await run_with(argv, msgspec.json.encode(payload), CHANNEL_TIMEOUT, [variable])
    except OutletError as error:
        # its own words, without the program's name
        raise OutletError(str(error).rpartition("exited 1: ")[2]) from error


async def _post(settings: AlertSettings, message: dict[str, Any]) -> None:
    url = os.environ.get(settings.webhook_env, "") if settings.webhook_env else ""
    if not url and settings.webhook_file:
        try:
            url = (await asyncio.to_thread(read_text_file, Path(settings.webhook_file))).strip()
        except OSError as error:
            raise OutletError(f"the file of alerts.webhook_file cannot be read: {error.strerror}") from None
    if not url:
        raise OutletError(f"the variable {settings.webhook_env} is not set")
    await post_message(url, message, CHANNEL_TIMEOUT)
