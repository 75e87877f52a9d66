"""The monitor's feed: the journal while an engine lives, its own read-only observation while none does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from wsdash.errors import WsdashError
from wsdash.model import AnyEvent, LogLine, Recorded, TimePassing
from wsdash.outside import clean, clean_texts, without_sequences
from wsdash.tui.feeds.journal_feed import Feed, Follower, alive, as_line, is_news, pressing_lines
from wsdash.tui.limits import AGAIN_SECONDS, DELIVER_SECONDS, GRACE_SECONDS
from wsdash.tui.state.viewstate import ViewState, fold, run_time

Emit = Callable[[AnyEvent], None]
OnLog = Callable[[LogLine], None]
Observe = Callable[[Emit, OnLog], Awaitable[None]]


class MemoryFeed(Feed):
    """Follows the run in `state` (when there is one) and, while no engine lives, runs `observe`.

    observe(emit, on_log) polls until cancelled; it runs in this feed's thread, in an event loop of its own,
    and what it emits is kept in memory only. A WsdashError of it is shown, and it is tried again.
    """

    def __init__(self, observe: Observe, state: Path | None = None) -> None:
        super().__init__(state)
        self._observe = observe
        self._folded = ViewState()
        self._waiting: list[LogLine] = []
        self._lost_lines = 0

    def _run(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        follower = Follower(self.state) if self.state is not None else None
        begun = time.monotonic()
        watching: asyncio.Task[None] | None = None
        shown = announced = self._folded
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._stop.is_set():
                    living = self._poll(follower)
                    if living and watching is not None:
                        watching.cancel()
                        watching = None
                        self._folded = msgspec.structs.replace(self._folded, feed="journal", sources={})
                    elif not living and watching is None and time.monotonic() - begun > GRACE_SECONDS:
                        self._let_time_pass()
                        watching = tasks.create_task(self._watch())
                    if self._folded is not shown or self._waiting:
                        news = pressing_lines(self._waiting) or is_news(announced, self._folded)
                        shown = self._folded
                        announced = shown if news else announced
                        self._deliver(shown, self._waiting, self._lost_lines, announced=news)
                        self._waiting, self._lost_lines = [], 0
                    await asyncio.sleep(DELIVER_SECONDS)
                if watching is not None:
                    watching.cancel()
        finally:
            if follower is not None:
                follower.close()

    def _poll(self, follower: Follower | None) -> bool:
        if follower is None:
            return False
        observing = self._folded.feed == "observing"
        trouble = self._folded.trouble
        more = True
        while more:
            self._folded, lines, lost, more = follower.poll(self._folded)
            self._waiting += lines
            self._lost_lines += lost
        living = alive(self._folded.heartbeat, time.time()) or bool(self._folded.unwritten)
        if observing and not living:
            self._folded = _restored(self._folded, trouble)
        return living

    async def _watch(self) -> None:
        while True:
            self._folded = _restored(self._folded, "")
            try:
                await self._observe(self._emit, self._waiting_line)
                trouble = "the observation ended"
            except WsdashError as error:
                trouble = str(error)
            self._folded = _restored(self._folded, trouble)
            await asyncio.sleep(AGAIN_SECONDS)

    def _let_time_pass(self) -> None:
        """Where a fortnight is interrupted, what we see ourselves comes after it, for us alone."""
        passing = self._folded.run.passing
        if passing is not None and not passing.over:
            machine = time.time()
            alone = TimePassing(1.0, run_time(self._folded, machine), machine, passing.source, over=True)
            self._folded = fold(self._folded, Recorded(0, alone.at, alone))

    def _emit(self, event: AnyEvent) -> None:
        recorded = Recorded(0, run_time(self._folded, time.time()), clean_texts(event))
        self._folded = fold(self._folded, recorded)
        line = as_line(recorded)
        if line is not None:
            self._waiting.append(line)

    def _waiting_line(self, line: LogLine) -> None:
        self._waiting.append(msgspec.structs.replace(line, text=clean(without_sequences(line.text))))


def _restored(view: ViewState, trouble: str) -> ViewState:
    if (view.feed, view.trouble) == ("observing", trouble):
        return view
    return msgspec.structs.replace(view, feed="observing", trouble=trouble)
