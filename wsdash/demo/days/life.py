"""Days lived after the migration on a clock of their own: the demo's script drives what pollers would read.

Days that an earlier engine lived in part run again from their start, and only what is missing is reported.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec

from wsdash.clock import ScaledClock, VirtualClock
from wsdash.config import Settings
from wsdash.engine.journal.store import encode
from wsdash.engine.journal.writer import Journal
from wsdash.model import (
    READINGS,
    AnyEvent,
    ContainerReading,
    ContainerRestarted,
    CriterionConfirmed,
    DecisionRecorded,
    Intent,
    LogLine,
    Notice,
    Recorded,
    Reply,
    TimelineJudged,
)
from wsdash.watch.alerts import Alerts
from wsdash.watch.board import Board
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import Emit


class Relived:
    """What the journal holds of the days, up to `until`: the run's time when that engine was gone.

    Between the newest event and the one before it an engine may have died anywhere: of that time events are
    compared one by one. recall: takes what was reported already, for samples that were lost with the engine.
    """

    def __init__(
        self, events: Iterable[Recorded], until: float, recall: Callable[[Recorded], None] = lambda _: None
    ) -> None:
        self.until = until
        self._recall = recall
        self._reported: Counter[tuple[float, bytes]] = Counter()
        self._said: set[str] = set()
        for recorded in events:
            event = recorded.event
            self._reported[recorded.at, encode(event)] += 1
            if recorded.at == until and isinstance(event, CriterionConfirmed | DecisionRecorded):
                self._said.add(event.who)

    def reported(self, at: float, event: AnyEvent) -> bool:
        """Whether the event was reported already. Only the newest readings are kept: the older ones were."""
        if at > self.until:
            return False
        known = self._reported[at, encode(event)] > 0
        if known:
            self._reported[at, encode(event)] -= 1
        elif at == self.until or not isinstance(event, READINGS):
            return False
        self._recall(Recorded(0, at, event))
        return True

    def said(self, at: float, who: str) -> bool:
        """Whether that person had their say at that time already."""
        return at == self.until and who in self._said


MOST_WAITING = 2000
BREATH = 0.002


class FortnightBegun(msgspec.Struct, frozen=True):
    """What the newest fortnight began with; from it the same one is lived again, reading by reading.

    begun: the run's time, epoch seconds. usual: seconds for 19 of 20 answers of the old API; None: they
    were not measured. restarts: how often each container had been restarted by then.
    """

    name: str
    seed: int
    scale: float
    begun: float
    usual: float | None = None
    restarts: dict[str, int] = {}


class Script(Protocol):
    """What is lived. scale: how many times as fast as the machine's clock; 0: as fast as it can.

    Gone through again from its beginning it must say the same.
    """

    @property
    def name(self) -> str:
        """What the run is called on screens and in its notices."""
        ...

    @property
    def scale(self) -> float:
        """Seconds lived for each of the machine's; 0: no wait at all."""
        ...

    @property
    def seed(self) -> int:
        """What its chance begins with."""
        ...

    async def live(self, life: Life) -> None:
        """Live all the days."""
        ...


class Life:
    """What a script is handed: time that passes, and the ways into the run.

    fortnight: what the days begin with. relived: what was lived of them already. begin: called once, when
    time goes on beyond that; the journal is on `clock` from then on.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        alerts: Callable[[VirtualClock, ErrorCounter, Board, Emit], Alerts],
        on_log: Callable[[LogLine], None],
        look: Callable[[], Awaitable[TimelineJudged]],
        say: Callable[[Intent], Awaitable[Reply]],
        fortnight: FortnightBegun,
        scale: float,
        relived: Relived,
        begin: Callable[[VirtualClock], Awaitable[None]],
        backed_up: Callable[[], float | None],
        perform: Callable[[str], Awaitable[None]],
        tick: Callable[[str, str, str], Awaitable[None]],
    ) -> None:
        self.perform = perform
        """Carry out an item or test that is not done."""
        self.tick = tick
        """A person's word (item, who, note) on an item or test."""
        self.settings = settings
        self.fortnight = fortnight
        self.clock = VirtualClock(fortnight.begun)
        self.look = look
        self._say = say
        self._journal = journal
        self._on_log = on_log
        self._scale = scale
        self._pace: ScaledClock | None = None
        self._relived = relived
        self._begin = begin
        self._begun = False
        self._backed_up = backed_up
        self._board = Board(settings, self.clock)
        self._errors = ErrorCounter(self._board.container.get("api-new", ""))
        self._alerts = alerts(self.clock, self._errors, self._board, self.tell)
        self._restarts: dict[str, int] = {}

    @property
    def past(self) -> bool:
        """Whether this time was lived to its end by an earlier engine."""
        return self.clock.time() < self._relived.until

    def tell(self, event: AnyEvent) -> None:
        """Into the journal, unless it is there."""
        if not self._relived.reported(self.clock.time(), event):
            self._journal.emit(event)

    def read(self, event: AnyEvent) -> None:
        """A reading, as a poller has it."""
        if isinstance(event, ContainerReading):
            self._board.put(event)
            for _ in range(event.restarts - self._restarts.setdefault(event.name, event.restarts)):
                restarted = ContainerRestarted(event.name, "by itself")
                self._alerts.observe(restarted)
                self.tell(restarted)
            self._restarts[event.name] = event.restarts
        self._alerts.observe(event)
        self.tell(event)

    def log(self, line: LogLine) -> None:
        """A line that a container wrote."""
        self._errors.see(line)
        if not self.past:
            self._on_log(line)

    async def say(self, intent: Intent) -> None:
        """A person's word, once."""
        if not self._relived.said(self.clock.time(), intent.who):
            reply = await self._say(intent)
            if not reply.ok:
                self.read(Notice("warning", f"{intent.who} was refused: {reply.text}"))

    @property
    def errors(self) -> int:
        """Lines with errors in the newest minute."""
        return self._errors.count(self.clock.time())

    def judge(self) -> None:
        """Let the alert rules judge what was read."""
        backed_up = self._backed_up()
        if backed_up is not None:
            self._alerts.sample("backup:age", self.clock.time() - backed_up)
        self._alerts.evaluate()

    async def until(self, at: float) -> None:
        """Let time pass until then (epoch seconds of the run)."""
        if not self._begun and at >= self._relived.until:
            await self._go_on()
        if self._pace is not None:
            await self._pace.sleep(at - self._pace.time())
        # the run's time goes from tick to tick: a machine that is late must not make minutes that nobody saw
        await self._advance(at)
        while self._journal.waiting > MOST_WAITING:  # noqa: ASYNC110 - its thread is waited for
            await asyncio.sleep(BREATH)

    async def finish(self) -> None:
        """What was lived to its end already begins no more; the journal is on this clock all the same."""
        if not self._begun:
            await self._go_on()

    async def _go_on(self) -> None:
        self._begun = True
        await self._advance(self._relived.until)
        await self._begin(self.clock)
        if self._scale:
            self._pace = ScaledClock(self._scale, self.clock.time())

    async def _advance(self, at: float) -> None:
        if (seconds := at - self.clock.time()) > 0:
            await self.clock.advance(seconds)
        else:
            await asyncio.sleep(0)  # whoever else has something to do has a turn
