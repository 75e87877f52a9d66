"""The metrics view: every number over an hour, a day or a fortnight; the same for a monitor.

Every number has its curve over the window, its unit and what it means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer

from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader, Point
from wsdash.history.store import FILE
from wsdash.tui.drawn.cells import Frame, Lines, cell, row
from wsdash.tui.drawn.looks import BAD, BARS, DIM, GAP, HOLE_MARK, TITLE, WARN, age, milliseconds, size
from wsdash.tui.feeds.past_reader import WINDOWS, Metric, Trend, Trends, read_trends
from wsdash.tui.modal import FRAME, SHARE, WIDEST, ViewPanel
from wsdash.tui.state.viewstate import ViewState

NAME, NARROW_NAME = 26, 20
NUMBER = 9
STALE = 45.0
"""Seconds after which the newest sample says nothing about now."""
ROOM_FOR_MEANING = 150
ROOM_FOR_NAMES = 90
NUMBERS = ("now", "p50", "p99", "max")


def draw_metrics(trends: Trends | None, view: ViewState, frame: Frame) -> Lines:
    """The window and how well it is known, then one group after the other."""
    if trends is None:
        return [Content.styled("reading the history …", DIM)]
    if trends.trouble:
        return [Content.styled(f"✗ {trends.trouble}", BAD)]
    lines = _head(trends, frame)
    if not trends.trends:
        notes = "The history is empty: it is filled while an engine lives (wsdash run, or wsdash watch)."
        return [*lines, Content(""), Content.styled(notes, DIM)]
    group = ""
    for metric in trends.metrics:
        if metric.group != group:
            group = metric.group
            lines += [Content(""), _heading(group, frame)]
        lines += _line(metric, trends, view, frame)
    return lines


def name_width(width: int) -> int:
    """Cells for a title in a view of that width."""
    return NAME if width >= ROOM_FOR_NAMES else NARROW_NAME


def curve_width(width: int) -> int:
    """Cells for a curve in a view of that width."""
    meaning = 46 if width >= ROOM_FOR_MEANING else 0
    return max(8, width - name_width(width) - len(NUMBERS) * (NUMBER + 1) - 2 - meaning)


def curve(points: tuple[Point | None, ...], width: int) -> str:
    """One cell a point, from 0 to the largest: × only failures, · nobody measured."""
    values = [None if point is None else point.p99 for point in points]
    top = max((value for value in values if value is not None), default=0.0)
    cells = []
    for point, value in zip(points, values, strict=True):
        if point is None:
            cells.append(HOLE_MARK)
        elif value is None:
            cells.append(GAP)
        else:
            level = int(value / top * len(BARS)) if top > 0 else 0
            cells.append(BARS[max(0, min(len(BARS) - 1, level))])
    return "".join(cells)[-width:].rjust(width)


def amount(value: float | None, unit: str) -> str:
    """A number with its unit; – when unknown."""
    if value is None:
        return "–"
    if unit == "s":
        return f"{milliseconds(value)} ms" if value < 10 else age(value)
    if unit == "B":
        return size(value)
    if unit == "f":
        return "yes" if value >= 1 else "no"
    number = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
    return f"{number} %" if unit == "%" else number


def _head(trends: Trends, frame: Frame) -> Lines:
    chosen = Content("  ").join(
        Content.styled(f" {key} {name} ", "reverse bold" if index == trends.window else DIM)
        for index, (key, (name, _)) in enumerate(zip("123", WINDOWS, strict=True))
    )
    held = trends.size
    kept = f"history {size(held.bytes)}"
    if held.bytes_per_day:  # not known before the first hour is over
        kept += f", grows {size(held.bytes_per_day)} a day"
    kept += f", {held.samples_per_minute:.0f} samples a minute"
    lines = [Content.assemble(chosen, ("   " + kept, DIM)).truncate(frame.width, ellipsis=True)]
    watched = f"watched for {trends.coverage:.0%} of the last {WINDOWS[trends.window][0]}"
    if trends.begins is not None:
        watched = f"begins {age(trends.until - trends.begins)} ago; watched for {trends.coverage:.0%} since"
    if trends.gaps:
        begun, ended = max(trends.gaps, key=lambda gap: gap[1] - gap[0])
        watched += f"; {_gaps(len(trends.gaps))} {age(ended - begun)}, which ended"
        watched += f" {age(trends.until - ended)} ago" if ended < trends.until else " not yet"
    lines.append(Content.styled(watched, WARN if trends.gaps else DIM).truncate(frame.width, ellipsis=True))
    return lines


def _gaps(number: int) -> str:
    return "one gap of" if number == 1 else f"{number} gaps, the longest"


def _heading(group: str, frame: Frame) -> Content:
    width = curve_width(frame.width)
    return (
        row(
            cell(group, name_width(frame.width) + 1 + width),
            *(cell(word, NUMBER, right=True) for word in NUMBERS),
        )
        .stylize(TITLE)
        .truncate(frame.width)
    )


def _line(metric: Metric, trends: Trends, view: ViewState, frame: Frame) -> Lines:
    width = curve_width(frame.width)
    trend = trends.trends.get(metric.series)
    missing = view.metrics_missing.get(metric.series, "")
    if trend is None or not (trend.summary.count or trend.summary.failures):
        why = f"not read: {missing}" if missing else "no samples in this window"
        return [
            row(cell(metric.title, name_width(frame.width)), Content.styled(f"– {why}", DIM)).truncate(
                frame.width, ellipsis=True
            )
        ]
    found = trend.summary
    newest = _newest(trend)
    fresh = newest is not None and trends.until - newest <= STALE
    now = amount(found.last, metric.unit) if fresh else "–"
    cells = [
        cell(metric.title, name_width(frame.width)),
        Content.styled(curve(trend.points, width), "" if fresh else DIM),
    ]
    cells.append(cell(now, NUMBER, "" if fresh else DIM, right=True))
    for value in (found.p50, found.p99, found.maximum):
        cells.append(cell(amount(value, metric.unit), NUMBER, "" if fresh else DIM, right=True))
    line = row(*cells)
    notes = [metric.meaning]
    style = DIM
    if found.failures:
        notes.insert(0, f"{found.failures} failed of {found.count + found.failures}")
        style = WARN
    if missing and not fresh:
        notes.insert(0, f"not read: {missing}")
    elif not fresh:
        old = age(trends.until - newest) if newest is not None else "all of the window"
        notes.insert(0, f"◌ stale, no value for {old}")
        style = WARN
    text = Content.styled("  " + "; ".join(notes), style)
    if frame.width >= ROOM_FOR_MEANING:
        return [Content.assemble(line, text).truncate(frame.width, ellipsis=True)]
    return [line.truncate(frame.width), Content.assemble(" " * 2, text).truncate(frame.width, ellipsis=True)]


def _newest(trend: Trend) -> float | None:
    return trend.summary.last_at


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
