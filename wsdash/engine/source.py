"""The seam for a source that tells what happens in the pollers' place, in a time of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wsdash.config import Settings
from wsdash.engine.journal.writer import Journal
from wsdash.engine.run.recorder import Recorder
from wsdash.model import Intent, LogLine, Recorded, Reply, TimelineJudged
from wsdash.plan import Plan


@dataclass(frozen=True)
class RunHandle:
    """What a source may do with the run.

    on_log: a line of a log. look, say: the timeline judged, a word of people. end_watch, watch: the pollers.
    caught_up: called when the source goes on beyond what it told an earlier engine.
    recaller: where samples that were lost go. backed_up: when the newest backup was proven, epoch seconds.
    perform: carry out an item or test that is not done. tick: a person's word (item, who, note) on one.
    """

    settings: Settings
    plan: Plan
    recorder: Recorder
    state: Path
    on_log: Callable[[LogLine], None]
    look: Callable[[], Awaitable[TimelineJudged]]
    say: Callable[[Intent], Awaitable[Reply]]
    end_watch: Callable[[], Awaitable[None]]
    caught_up: Callable[[], None]
    watch: Callable[[], None]
    recaller: Callable[[], Callable[[Recorded], None]]
    backed_up: Callable[[], float | None]
    perform: Callable[[str], Awaitable[None]]
    tick: Callable[[str, str, str], Awaitable[None]]


class EventSource(Protocol):
    """Tells what happens after the migration. While it has begun and not ended the world is not polled."""

    @property
    def fast(self) -> bool:
        """Whether its time passes faster than the machine's and somebody looks."""
        ...

    def under_way(self, journal: Journal) -> bool:
        """Whether it told an earlier engine a part, and goes on. Raises InputError when another one did."""
        ...

    async def run(self, handle: RunHandle) -> None:
        """Tell everything, once; return when it is over and the world is polled again."""
        ...
