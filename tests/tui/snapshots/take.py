"""Takes the pictures: the real app on a recorded night whose clock stands still, in one size and one look."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import msgspec
from rich.color import ColorSystem
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

from tests.tui.support import halfway
from wsdash.engine.journal.store import Heartbeat
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    Branch,
    BranchesReading,
    Downtime,
    LogLine,
    Recorded,
    SchemaCompared,
    SchemaObject,
    TableVerified,
)
from wsdash.plan import load_plan
from wsdash.tui.app import WsdashApp
from wsdash.tui.feeds.journal_feed import Feed, Update
from wsdash.tui.panes.tabs import PANES
from wsdash.tui.state.viewstate import ViewState, fold_all

NOW = 1_796_000_000.0
SIZES = ((80, 24), (100, 30), (120, 36), (200, 60))
LOOKS = {"dark": (), "light": (), "plain": (("NO_COLOR", "1"),)}
"""Look -> what it takes in the environment."""
PANELS = {
    "help": "question_mark",
    "schema": "s",
    "differences": "d",
    "tests": "c",
    "metrics": "m",
    "branches": "b",
    "evidence": "e",
    "alerts": "A",
    "timeline": "y",
    "rehearsal": "H",
    "report": "w",
}
"""Panel -> the key that opens it."""

Picture = tuple[list[str], list[str]]
"""Lines as text, and a digest of the looks of each."""


class StandinFeed(Feed):
    """Gives one view and some lines, and nothing after them; compared with JournalFeed in test_feed.py."""

    def __init__(self, view: ViewState, lines: tuple[LogLine, ...]) -> None:
        super().__init__()
        self._update = Update(view, lines)

    def start(self, notify: Callable[[], None]) -> None:
        notify()

    def take(self) -> Update:
        update, self._update = self._update, Update(self._update.view)
        return update


def night() -> ViewState:
    """A migration half done: something runs, something differs, something alerts."""
    events: list[AnyEvent] = [
        Downtime(True, NOW - 41) if isinstance(event, Downtime) else event for event in halfway()
    ]
    events += [
        SchemaCompared(
            (
                SchemaObject(
                    "hypertable", "workspace.workspace_items", "not-carried", "18 chunks become rows"
                ),
                SchemaObject("index", "workspace.items_tags", "same"),
                SchemaObject("trigger", "workspace.audit", "adapted", "its function is made before it"),
            )
        ),
        TableVerified(
            "workspace.workspace_audit_log",
            13_000,
            12_999,
            "aa",
            "bb",
            False,
            ("id=7: missing in the target",),
        ),
        AlertChanged("disk-full", True, "disk 91 % full", NOW - 95, severity="critical", worst=91.0),
        BranchesReading(
            (
                Branch("a1" * 16, "", "0/1A2B3C", 1 << 30, "Active", NOW - 86_400),
                Branch("b2" * 16, "a1" * 16, "0/1A2B00", 1 << 20, "Active", NOW - 90),
            )
        ),
    ]
    ages = ((len(events) - number, number, event) for number, event in enumerate(events))
    view = fold_all(Recorded(n + 1, NOW - age / 10 - max(0, age - 40), event) for age, n, event in ages)
    return msgspec.structs.replace(view, feed="journal", heartbeat=Heartbeat(1, "host", NOW - 0.2, "", 0.0))


def lines() -> tuple[LogLine, ...]:
    """What containers wrote that night."""
    texts = ("GET /api/items 200 in 12 ms", "WARNING: slow query, 2.1 s", "ERROR: connection refused (5433)")
    names = ("workspace-api", "data-timescale", "workspace-db-pageserver")
    return tuple(
        LogLine(names[n % 3], NOW - 80 + n, "stderr" if n % 3 == 2 else "stdout", f"{texts[n % 3]} #{n}")
        for n in range(75)
    )


@contextmanager
def surroundings(*variables: tuple[str, str]) -> Iterator[None]:
    """The environment with these variables, in UTC."""
    before = dict(os.environ)
    for name in ("NO_COLOR", "WSDASH_THEME"):
        os.environ.pop(name, None)
    os.environ.update(dict(variables), TZ="UTC")
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()


async def take_all(size: tuple[int, int]) -> dict[str, dict[str, Picture]]:
    """Look -> screen -> its picture."""
    found = await take(size, "dark", "light")
    return found | await take(size, "plain")


async def take(size: tuple[int, int], *looks: str) -> dict[str, dict[str, Picture]]:
    """Look -> screen -> its picture, of looks that one environment serves."""
    found: dict[str, dict[str, Picture]] = {look: {} for look in looks}
    with surroundings(*LOOKS[looks[0]]):
        feed = StandinFeed(night(), lines())
        app = WsdashApp(None, "operator", object(), feed, load_plan(), clock=lambda: NOW)
        async with app.run_test(size=size, notifications=False) as pilot:
            async for screen in _walk(app, pilot):
                for look in looks:
                    if look != "plain":
                        app.theme = f"wsdash-{look}"
                    found[look][screen] = await _settled(app, pilot)
    return found


async def _walk(app: WsdashApp, pilot: Pilot[str]) -> AsyncIterator[str]:
    """Show one screen after the other."""
    await pilot.pause(1.0)  # the first tick shows everything once more
    yield "main"
    app.main.action_zoom()
    for number, pane in enumerate(PANES, 1):
        app.main.action_pane(number)
        await pilot.pause()
        yield pane
    app.main.action_zoom()
    app.main.action_pane(1)
    await pilot.pause(1.1)  # a pane may have been drawn beside a scrollbar; the next tick has its width
    for panel, key in PANELS.items():
        await pilot.press(key)
        await app.workers.wait_for_complete()
        await pilot.pause()
        yield panel
        await app.pop_screen()


async def _settled(app: WsdashApp, pilot: Pilot[str]) -> Picture:
    """A picture that is still the same a moment later: the footer follows the focus in its own time."""
    for field in app.screen.query(Input):
        field.cursor_blink = False
    seen = picture(app)
    same = 0
    for _ in range(40):
        before = seen
        await pilot.pause(0.05)
        seen = picture(app)
        same = same + 1 if seen == before else 0
        if same == 3:
            break
    return seen


def picture(app: WsdashApp) -> Picture:
    """What the screen shows now."""
    strips = app.screen._compositor.render_strips()[: app.size.height]
    return [strip.text[: app.size.width].rstrip() for strip in strips], [_digest(strip) for strip in strips]


def _digest(strip: Strip) -> str:
    """Of the looks: two lines with the same one look alike, whatever they say."""
    looks: list[tuple[str, int]] = []
    for segment in strip:
        style = segment.style
        ansi = "" if style is None else Strip.render_style(style, "", color_system=ColorSystem.TRUECOLOR)
        width = segment.cell_length + (looks.pop()[1] if looks and looks[-1][0] == ansi else 0)
        looks.append((ansi, width))
    return hashlib.sha256(repr(looks).encode()).hexdigest()[:4]
