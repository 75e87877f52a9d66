"""Container readings once a second, and restarts as they are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.model import ContainerReading, ContainerRestarted, LogLine, Notice
from wsdash.watch.board import Board, not_known_to_fail
from wsdash.watch.pollers.poller import Pace
from wsdash.watch.sources import Emit, OnLog, WatchedStack

PACE = Pace(interval=1.0, timeout=8.0)
RESTARTED_WITHIN = 3.0
"""Seconds from an end to the next start that make the two a restart."""
SAME_START = 0.5
"""Seconds by which two readings of one start may differ."""


@dataclass(frozen=True)
class LastSeen:
    """A container as it was read before this watch began. asked_by: who had it stopped or started since."""

    reading: ContainerReading
    asked_by: str = ""


def expected_containers(settings: Settings) -> dict[str, str]:
    """Name -> group of every container the settings name."""
    stack = settings.stack
    apps = dict.fromkeys([*stack.apps.containers, stack.apps.old_service], "apps")
    return apps | dict.fromkeys(stack.workspace.services, "workspace")


def restart_between(before: ContainerReading, now: ContainerReading) -> str:
    """How a container that ran was restarted between two readings: '' when it was not.

    A start after a stop is no restart. One that waited for its restart was counted when its run ended.
    """
    if now.restarts > before.restarts:
        times = now.restarts - before.restarts
        how = f"restart {now.restarts}" if times == 1 else f"{times} restarts, {now.restarts} in all"
    elif before.state not in ("running", "paused") or not _started_anew(before, now):
        return ""
    else:
        how = "started anew"
    if now.oom_killed or before.oom_killed:
        return f"{how}, out of memory"
    code = now.exit_code or before.exit_code or now.ended_with
    return f"{how}, exit code {code}" if code else how


def _started_anew(before: ContainerReading, now: ContainerReading) -> bool:
    if before.started_at is None or now.started_at is None:
        return False
    return now.started_at > before.started_at + SAME_START


class ContainerWatch:
    """The probe of the source `containers`.

    Emits one ContainerReading for every container the settings name (state 'missing' when the stack has none)
    and for every other one the stack reports; a ContainerRestarted with who asked for it, and a Notice, for a
    restart, a Notice for a crash; and puts an inline `-- restarted --` marker into the container's log. seen:
    how containers were when somebody last watched; a restart since then is reported with the first reading.
    """

    def __init__(
        self,
        settings: Settings,
        stack: WatchedStack,
        board: Board,
        emit: Emit,
        on_log: OnLog,
        clock: Clock | None = None,
        seen: Mapping[str, LastSeen] | None = None,
    ) -> None:
        self._seen = dict(seen or {})
        self._expected = expected_containers(settings)
        self._stack = stack
        self._board = board
        self._emit = emit
        self._on_log = on_log
        self._clock = clock or SystemClock()
        self._before: dict[str, ContainerReading] = {}
        self._ended: dict[str, tuple[float, ContainerReading]] = {}
        self._instances: dict[str, str] = {}

    async def __call__(self) -> None:
        """Read all containers once. Raises UnreachableError."""
        found = {reading.name: reading for reading in await self._stack.readings()}
        for name, group in self._expected.items():
            if name not in found:
                found[name] = ContainerReading(name, state="missing", health="unknown", group=group)
        for reading in found.values():
            self._board.put(reading)
            self._emit(reading)
            before = self._before.get(reading.name)
            if before is not None:
                self._compare(before, reading)
            elif (last := self._seen.pop(reading.name, None)) is not None:
                self._is_another(last.reading)
                self._compare(last.reading, reading, last)
            else:
                self._is_another(reading)
            self._before[reading.name] = reading

    def _ran_before(self, before: ContainerReading, now: ContainerReading) -> ContainerReading:
        """The reading to compare with: readings woken by events see the moment between an end and a start."""
        if before.state == "running" and now.state == "exited":
            # where it is meant to be stopped, this is its stop and what comes later a start of its own
            if self._board.duty(now.name).runs is not False:
                self._ended[now.name] = (self._clock.monotonic(), before)
        elif now.state in ("created", "missing", "restarting"):
            # it was removed: what starts next is another one; or its restart is counted already
            self._ended.pop(now.name, None)
        elif now.state == "running" and now.name in self._ended:
            at, ran = self._ended.pop(now.name)
            if self._clock.monotonic() - at <= RESTARTED_WITHIN:
                end = {"exit_code": before.exit_code, "oom_killed": before.oom_killed}
                return msgspec.structs.replace(ran, **end)
        return before

    def _is_another(self, now: ContainerReading) -> bool:
        """Another container has taken the name since it was last seen."""
        known = self._instances.get(now.name, now.instance)
        if now.instance:
            self._instances[now.name] = now.instance
        return bool(now.instance) and known != now.instance

    def _by_itself(self, now: ContainerReading) -> bool:
        """It ended, and nobody had it end."""
        duty = self._board.duty(now.name)
        if duty.asked_by or duty.runs is False:
            return False
        return duty.runs is True or not not_known_to_fail(now)

    def _compare(self, before: ContainerReading, now: ContainerReading, last: LastSeen | None = None) -> None:
        """last: nobody watched in between."""
        restart = restart_between(before if last else self._ran_before(before, now), now)
        if restart and last:
            restart += ", while nobody watched"
        if self._is_another(now):
            self._emit(Notice("info", f"{now.name} was re-created from {now.image}"))
            at = now.started_at if now.started_at is not None else self._clock.time()
            self._on_log(LogLine(now.name, at, "wsdash", "-- re-created --"))
        elif restart:
            asked_by = last.asked_by if last else self._board.duty(now.name).asked_by
            self._emit(ContainerRestarted(now.name, restart, asked_by))
            if asked_by:
                self._emit(Notice("info", f"{now.name} restarted, asked for by {asked_by} ({restart})"))
            else:
                self._emit(Notice("warning", f"{now.name} restarted ({restart})"))
            # of one that waits for its restart the engine still tells the earlier start
            started = now.started_at if now.state != "restarting" else None
            at = started if started is not None else self._clock.time()
            self._on_log(LogLine(now.name, at, "wsdash", f"-- restarted ({restart}) --"))
        elif (
            before.state == "running"
            and now.state == "exited"
            and self._by_itself(now)
            and not (last and last.asked_by)
        ):
            why = "out of memory" if now.oom_killed else f"exit code {now.exit_code}"
            self._emit(Notice("warning", f"{now.name} ended by itself ({why})"))
