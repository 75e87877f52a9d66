"""The pictures of the docs, made of the real screen on one recorded minute of a migration.

`python -m tests.tui.pictures` writes them anew; a test holds those in docs/pictures to what the screen shows.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wsdash.engine.journal.store import Heartbeat
from wsdash.model import (
    AnyEvent,
    BackupTaken,
    ContainerReading,
    Downtime,
    HostReading,
    ItemChanged,
    ItemIntended,
    ItemState,
    LatencyReading,
    Liveness,
    LogLine,
    Progress,
    Recorded,
    RowsReading,
    RunStarted,
    SourceState,
)
from wsdash.plan import load_plan
from wsdash.tui.app import WsdashApp
from wsdash.tui.feeds.journal_feed import Feed
from wsdash.tui.shot import as_svg
from wsdash.tui.state.viewstate import fold_all

DIRECTORY = Path(__file__).parents[2] / "docs" / "pictures"
SIZES = ((80, 24), (120, 36), (200, 60))
NOW = 1_764_540_000.0
"""2025-11-30 22:00:00 UTC."""
DONE = {
    "backup": "10,000 items in 4 tables, restored into a scratch database and compared",
    "neon-image": "the image is there: neon-workspace:local, 1.2 GiB",
    "review-adr": "ADR 007 was read",
    "notify-team": "the team was told",
    "ports-free": "5433, 6400, 9898, 5454, 7676 are free",
    "stop-old": "apps-workspace stopped and answers nothing",
    "start-stack": "4 of 4 containers are healthy",
    "init-neon": "12 objects made, as planned",
}
TABLES = {"workspace_items": (10_000, 7_890), "workspace_audit_log": (13_912, 13_912)}
TABLES |= {"workspace_categories": (6, 6), "schema_version": (3, 3)}
STACK = {"workspace-db-storage": 9898, "workspace-db-safekeeper": 5454, "workspace-db-compute": 5433}
STACK |= {"workspace-api": 3200}
SLOW = {"api-new": 0.0034, "api-old": 0.0051, "target-db": 0.0009, "source-db": 0.0012}


def happened() -> Iterator[tuple[float, AnyEvent]]:
    """What the engine would have written, each with the seconds before now."""
    yield 195, RunStarted("run-1", "offline", "db-host", 1, False, "production")
    for number, (item, evidence) in enumerate(DONE.items()):
        ago = 190 - 15 * number
        yield ago, ItemIntended(item, "act", 1)
        yield ago - 4, ItemChanged(item, ItemState.DONE, evidence, 3.7 + number)
    yield 120, BackupTaken("/backups/b.sql", 3 << 20, "ab" * 32, {"workspace_items": 10_000}, True)
    yield 96, Downtime(True, NOW - 96)
    yield 9, ItemIntended("migrate-data", "act", 1)
    yield 9, ItemChanged("migrate-data", ItemState.RUNNING)
    for ago in (8, 4, 0):
        rows = 7_890 - 700 * ago
        yield ago, Progress("migrate-data", "workspace.workspace_items", "copying", rows, 10_000, rows * 480)
    yield from readings()


def readings() -> Iterator[tuple[float, AnyEvent]]:
    """What the pollers saw."""
    yield 1, ContainerReading("apps-workspace", "exited", "none", "apps", exit_code=0, ports=(3201,))
    for number, (name, port) in enumerate(STACK.items(), 1):
        memory = (40 + 23 * number) << 20
        reading = ContainerReading(name, "running", "healthy", "workspace", "", (port,), 0.7 * number, memory)
        yield 1, reading
    for name, (source, target) in TABLES.items():
        yield 1, RowsReading(f"workspace.{name}", source, target)
    for ago in range(60, 0, -1):
        for series, seconds in SLOW.items():
            yield (
                ago,
                LatencyReading(series, seconds * (1 + (ago * 7 % 11) / 9 + (4 if ago in (31, 12) else 0))),
            )
    yield 1, HostReading(42.0, 1 << 34, 1.4, 61 << 20, 0.001)
    for name in ("containers", "rows", "host", "logs", *(f"latency:{series}" for series in SLOW)):
        yield 0.5, SourceState(name, Liveness.LIVE)


def lines() -> list[LogLine]:
    """What the containers wrote."""
    told = (
        ("workspace-api", "stdout", "GET /api/items?limit=50 200 3.4 ms"),
        ("workspace-db-compute", "stderr", "LOG:  checkpoint complete: wrote 412 buffers (2.5%)"),
        ("workspace-api", "stdout", '{"level":"info","message":"pool ready","size":20}'),
        ("workspace-db-storage", "stdout", "INFO compaction: 3 layers, 12 ms"),
        ("workspace-db-compute", "stderr", "WARNING:  there is already a transaction in progress"),
        ("workspace-api", "stdout", "POST /api/items 201 6.1 ms"),
    )
    return [LogLine(name, NOW - 60 + 2 * n, where, text) for n, (name, where, text) in enumerate(told * 5)]


class StillFeed(Feed):
    """One state, handed over once."""

    def _run(self) -> None:
        events = [
            Recorded(number, NOW - ago, event)
            for number, (ago, event) in enumerate(sorted(happened(), key=lambda pair: -pair[0]), 1)
        ]
        view = fold_all(events)
        beat = Heartbeat(1, "db-host", NOW - 0.2, "", 0.0)
        self._deliver(msgspec.structs.replace(view, feed="journal", heartbeat=beat), lines())


async def draw(size: tuple[int, int]) -> str:
    """The operator's screen of that size as SVG."""
    app = WsdashApp(None, "operator", object(), StillFeed(), load_plan(), clock=lambda: NOW)
    app.theme = "wsdash-dark"
    async with app.run_test(size=size) as pilot:
        for _ in range(100):
            await pilot.pause(0.05)
            if app.main.view.started is not None and "FOLLOW" in app.main.logs.log_view.badges():
                break
        await pilot.pause(0.2)
        strips = app.screen._compositor.render_strips()
        return as_svg(strips[: size[1]], f"wsdash in the middle of a migration, {size[0]}x{size[1]}")


def name_of(size: tuple[int, int]) -> str:
    """The picture's file."""
    return f"screen-{size[0]}x{size[1]}.svg"


def main() -> None:
    """Write all pictures."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    DIRECTORY.mkdir(exist_ok=True)
    for size in SIZES:
        (DIRECTORY / name_of(size)).write_text(asyncio.run(draw(size)), encoding="utf-8")


if __name__ == "__main__":
    main()
