"""The metrics view: every number over an hour, a day or a fortnight; the same for a monitor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer

from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.tui.panes.base import Frame
from wsdash.tui.panes.metrics import curve_width, draw_metrics
from wsdash.tui.screens.views import FRAME, SHARE, WIDEST, ViewPanel
from wsdash.tui.trends import WINDOWS, Trends, read_trends
from wsdash.tui.viewstate import ViewState

READ_EVERY = (10.0, 60.0, 120.0)
"""Seconds between two looks at each window."""


class MetricsPanel(ViewPanel):
    """Reads the history of the run's state directory in a thread, as long as the view is open."""

    NAME = "Metrics"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "window", "History", id="metrics.window", tooltip="The last hour, day or 14 days"),
    ]

    def __init__(self, view: ViewState, frame: Frame, state: Path | None) -> None:
        super().__init__(view, frame)
        self._reader = HistoryReader(state / FILE) if state is not None else None
        self._window = 0
        self._trends: Trends | None = None
        self._next: Timer | None = None

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        if self._reader is None:
            self._trends = Trends(0, 0.0, {}, ())
            self._redraw()
        self._read()

    def on_unmount(self) -> None:
        """Let go of the history."""
        if self._reader is not None:
            self._reader.close()

    def action_window(self) -> None:
        """The next window."""
        self._window = (self._window + 1) % len(WINDOWS)
        if self._reader is not None:
            self._trends = None
            self._redraw()
        self._read()

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The window and how well it is known, then the services' numbers by group."""
        return draw_metrics(self._trends, view, frame)

    def _read(self) -> None:
        """Read once, and again after a while."""
        if self._next is not None:
            self._next.stop()
        if self._reader is not None:
            self.run_worker(self._ask(self._reader), group="history", exclusive=True, exit_on_error=False)
            self._next = self.set_timer(READ_EVERY[self._window], self._read)

    async def _ask(self, reader: HistoryReader) -> None:
        window, until = self._window, self._frame.now
        width = max(20, min(WIDEST, int(self.app.size.width * SHARE)) - FRAME)
        try:
            trends = await asyncio.to_thread(read_trends, reader, window, until, curve_width(width))
        except InputError as error:
            trends = Trends(window, until, {}, (), trouble=str(error))
        self._trends = trends
        self._redraw()
