"""Runs for screens to show: real journals and spools, the real control socket, and the real app."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from wsdash.engine.journal.writer import Heartbeat, Journal
from wsdash.engine.operator.control import ControlClient, ControlServer
from wsdash.model import (
    AnyEvent,
    BackupTaken,
    ContainerReading,
    Downtime,
    HostReading,
    Intent,
    ItemChanged,
    ItemIntended,
    ItemState,
    LatencyReading,
    Liveness,
    Progress,
    Recorded,
    Reply,
    RowsReading,
    RunStarted,
    SchemaCompared,
    SchemaObject,
    SourceState,
    TableVerified,
)
from wsdash.plan import load_plan
from wsdash.tui.app import WsdashApp
from wsdash.tui.feeds.journal_feed import JournalFeed
from wsdash.tui.panes.checklist import ItemList

ITEMS = "workspace.workspace_items"
SIZES = ((80, 24), (120, 36), (200, 60))


def recorded(*events: AnyEvent, at: float | None = None) -> list[Recorded]:
    """Events as a journal would have them, a second apart and ending now."""
    last = time.time() if at is None else at
    return [Recorded(n, last - (len(events) - n), event) for n, event in enumerate(events, 1)]


def started(run: str = "run-7") -> RunStarted:
    """A run taken up by an engine of this host."""
    return RunStarted(run, "offline", socket.gethostname(), os.getpid(), False, "demo")


def done(item: str, evidence: str = "it holds") -> list[AnyEvent]:
    """An item that was acted on and is done."""
    return [
        ItemIntended(item, "check", 1),
        ItemChanged(item, ItemState.RUNNING),
        ItemIntended(item, "act", 1),
        ItemChanged(item, ItemState.DONE, evidence, 1.25),
    ]


def readings() -> list[AnyEvent]:
    """What the pollers saw of a world in the middle of its migration."""
    events: list[AnyEvent] = [
        ContainerReading("apps-workspace", "exited", "none", "apps", exit_code=0, ports=(3201,)),
        ContainerReading(
            "workspace-api",
            "running",
            "healthy",
            "workspace",
            "img",
            (3200,),
            2.5,
            50 << 20,
            1 << 30,
            1,
            None,
        ),
        RowsReading(ITEMS, 10_000, 9_990),
        RowsReading("workspace.workspace_audit_log", 13_000, None, estimated=True),
        LatencyReading("api-new", 0.012),
        LatencyReading("api-new", 0.300),
        LatencyReading("target-db", None, "connection refused"),
        HostReading(42.0, 1 << 34, 3.0, 61 << 20, 0.004),
    ]
    sources = ("containers", "rows", "host", "logs", "latency:api-new", "latency:target-db")
    return events + [SourceState(source, Liveness.LIVE) for source in sources]


def halfway() -> list[AnyEvent]:
    """A run in which migrate-data is running."""
    events: list[AnyEvent] = [started()]
    for item in ("backup", "neon-image", "review-adr", "notify-team", "ports-free", "stop-old"):
        events += done(item, f"{item} was seen to hold")
    events += [
        Downtime(True, time.time() - 41),
        SchemaCompared(
            (SchemaObject("hypertable", ITEMS, "not-carried", "18 chunks become rows of a table"),)
        ),
        BackupTaken("/backups/b.sql", 1 << 20, "ab" * 32, {ITEMS: 10_000}, True),
        *done("start-stack"),
        *done("init-neon"),
        ItemIntended("migrate-data", "act", 1),
        ItemChanged("migrate-data", ItemState.RUNNING),
        Progress("migrate-data", ITEMS, "copying", 5_000, 10_000, 1 << 20),
    ]
    return events + readings()


def differing() -> list[AnyEvent]:
    """A run whose verification failed."""
    table = TableVerified(
        ITEMS, 10_000, 9_999, "aaaa1111", "bbbb2222", False, ("id=7: missing in the target",)
    )
    failed = ItemChanged("verify-data", ItemState.FAILED, "1 of 4 tables differs", 2.0, remedy="look at d")
    return [started(), *done("migrate-data"), table, failed]


@dataclass
class Stage:
    """A journal being written, a control socket that records, and the app on both."""

    app: WsdashApp
    pilot: Pilot[str]
    journal: Journal
    intents: list[Intent] = field(default_factory=list)
    refuse: str = ""

    async def emit(self, *events: AnyEvent) -> None:
        """Write events and let the screen see them."""
        for event in events:
            await self.journal.record(event)
        self.journal.beat(Heartbeat(os.getpid(), socket.gethostname(), time.time(), "", 0.0))
        await self.settle()

    async def settle(self) -> None:
        """Wait until the screen shows all that was written."""
        last = (await self.journal.history())[-1:]
        seq = last[0].seq if last else 0
        view = self.app.main
        await self.until(lambda: view.view.seq >= seq and view.view.heartbeat is not None)
        await self.until(lambda: "Leave" in self.text() or self.app.screen is not view)

    async def until(self, condition: Callable[[], bool], seconds: float = 90.0) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not so within {seconds} s; the screen:\n{self.text()}")
            await self.pilot.pause(0.02)

    async def press(self, *keys: str) -> None:
        """Press keys and let intents arrive."""
        await self.pilot.press(*keys)
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def click_item(self, item_id: str, times: int = 1) -> None:
        """Click an item's line of the checklist."""
        lines = self.app.main.checklist.query_one(ItemList)
        number = lines.line_of(self.app.main.plan.item(item_id)) - lines.scroll_offset.y
        await self.pilot.click(lines, offset=(5, number), times=times)

    def text(self) -> str:
        """What the screen shows, as plain lines."""
        return screen_text(self.app)


def evidence_text(app: WsdashApp) -> str:
    """The words of a dialog's evidence as its lines show them, in one line."""
    shown = app.screen.query_one(".evidence .text", Static)
    return " ".join(" ".join(shown.render_line(y).text for y in range(shown.size.height)).split())


def screen_text(app: WsdashApp) -> str:
    """The composited screen as plain lines."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width] for strip in lines[:height])


@asynccontextmanager
async def stage(
    state: Path,
    *events: AnyEvent,
    size: tuple[int, int] = (120, 36),
    role: str = "operator",
    documents: dict[str, Path] | None = None,
    keys: dict[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """The real app on a real journal with these events; the engine's side only records what it is sent."""
    journal = Journal.open(state)
    for event in events:
        journal.emit(event)
    intents: list[Intent] = []
    made: list[Stage] = []

    async def handle(intent: Intent) -> Reply:
        intents.append(intent)
        refuse = made[0].refuse if made else ""
        return Reply(not refuse, refuse)

    operator = role == "operator"
    (state / "exports").mkdir(exist_ok=True)
    app = WsdashApp(
        state,
        "operator" if operator else "monitor",
        ControlClient(state) if operator else None,
        JournalFeed(state),
        load_plan(),
        documents,
        keys=keys,
    )
    app.exports = state / "exports"
    async with ControlServer(state, handle), app.run_test(size=size, notifications=True) as pilot:
        on_stage = Stage(app, pilot, journal, intents)
        made.append(on_stage)
        beating = asyncio.create_task(_beat(journal))
        await on_stage.settle()
        try:
            yield on_stage
        finally:
            beating.cancel()
    await journal.close()


async def _beat(journal: Journal) -> None:
    while True:
        journal.beat(Heartbeat(os.getpid(), socket.gethostname(), time.time(), "", 0.0))
        await asyncio.sleep(0.1)
