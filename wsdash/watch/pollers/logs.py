"""Every container's log, followed for ever without loss or repetition, and its errors counted."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable

from wsdash.clock import Clock, SystemClock
from wsdash.model import LogLine
from wsdash.outside.severity import ERROR, severity
from wsdash.watch.limits import FIRST_PAUSE, LONGEST_PAUSE
from wsdash.watch.sources import Emit, OnLog, SourceTeller, WatchedStack, backoff, reason

OVERLAP = 30.0
"""Seconds that are asked for again after a break, because containers' lines arrive interleaved."""
BACKLOG = 600.0
"""Seconds before the watch began whose lines are read too, where nobody says from when on."""
SETTLED = 1.0
MINUTE = 60.0
MOST_COUNTED = 100_000


class ErrorCounter:
    """Counts a container's lines with errors in the last minute, as outside/severity.py reads them."""

    def __init__(self, container: str) -> None:
        self._container = container
        self._at: deque[float] = deque(maxlen=MOST_COUNTED)

    def counts(self, line: LogLine) -> bool:
        """Whether it is such a line; markers of ours are none."""
        return line.container == self._container and line.stream != "wsdash" and severity(line.text) >= ERROR

    def see(self, line: LogLine) -> None:
        """Note a line of any container."""
        if self.counts(line):
            self._at.append(line.at)

    def count(self, now: float) -> int:
        """Lines with errors in the minute before `now` (seconds since the epoch)."""
        while self._at and self._at[0] <= now - MINUTE:
            self._at.popleft()
        return len(self._at)


class Resume:
    """The position of each stream of lines, and which lines after a break were delivered before it."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[float, Counter[str]]] = {}
        self._old: dict[tuple[str, str], tuple[float, Counter[str]]] = {}

    def broken(self) -> None:
        """The stream broke: lines that come from now on may repeat delivered ones."""
        self._old = {key: (at, texts.copy()) for key, (at, texts) in self._newest.items()}

    def is_new(self, line: LogLine) -> bool:
        """False for a line that was delivered before the break; else it counts as delivered."""
        key = (line.container, line.stream)
        if key in self._old and not self._beyond(key, line):
            return False
        at, texts = self._newest.get(key, (line.at, Counter[str]()))
        if line.at > at:
            at, texts = line.at, Counter()
        if line.at == at:
            texts[line.text] += 1
        self._newest[key] = (at, texts)
        return True

    def _beyond(self, key: tuple[str, str], line: LogLine) -> bool:
        at, texts = self._old[key]
        if line.at > at:
            del self._old[key]
            return True
        if line.at < at or not texts[line.text]:
            return line.at == at
        texts[line.text] -= 1
        return False


class LogWatch:
    """The source `logs`: follows the stack's logs for ever.

    since: seconds since the epoch from when on; None: the last BACKLOG seconds are read first.
    """

    def __init__(
        self,
        stack: WatchedStack,
        emit: Emit,
        on_log: OnLog,
        *,
        since: float | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._stack = stack
        self._on_log = on_log
        self._clock = clock or SystemClock()
        self._chance = chance
        self._teller = SourceTeller("logs", emit)
        self._resume = Resume()
        self._since = self._clock.time() - BACKLOG if since is None else since
        self._newest = self._since
        self._attempt = 0
        self.live = False
        """The stream is open, and what containers write arrives."""

    async def run(self) -> None:
        """Follow until cancelled; a broken stream is taken up again where it broke. Raises nothing else."""
        while True:
            why = await self._follow_once()
            self.live = False
            self._attempt += 1
            self._resume.broken()
            self._since = max(self._since, self._newest - OVERLAP)
            pause = backoff(self._attempt, FIRST_PAUSE, LONGEST_PAUSE, self._chance)
            self._teller.failed(why, self._attempt, self._clock.time() + pause)
            await self._clock.sleep(pause)

    async def _follow_once(self) -> str:
        """Why the stream ended."""
        settled = asyncio.create_task(self._settle())
        stream = self._stack.follow_logs(self._since)
        try:
            async for line in stream:
                if self._resume.is_new(line):
                    self._newest = max(self._newest, line.at)
                    self._on_log(line)
                    self._well()
        except Exception as error:
            return reason(error)
        finally:
            settled.cancel()
            await asyncio.gather(settled, return_exceptions=True)
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
        return "the stream of logs ended"

    async def _settle(self) -> None:
        # quiet containers send nothing: a stream that stays open is well
        await self._clock.sleep(SETTLED)
        self._well()

    def _well(self) -> None:
        self.live = True
        self._attempt = 0
        self._teller.live()
