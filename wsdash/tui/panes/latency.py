"""The latency pane: a curve a series on a linear scale of its own, gaps visible, and the numbers in text.

Shown is a window of the history, whoever attaches when; its newest cell takes in the probes that came since
it was read. Without a history (nothing was recorded yet) it is the newest probes, one cell each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from wsdash.model import Liveness
from wsdash.tui.drawn.cells import Frame, Lines, cell, nothing_yet, row
from wsdash.tui.drawn.looks import ABSENT, BAD, DIM, LIVENESS, TITLE, age, milliseconds
from wsdash.tui.drawn.plot import AXIS, LatencySummary, ordered, plot, scale_of, summarize, verdict
from wsdash.tui.panes.base import Pane
from wsdash.tui.state.freshness import engine_state, freshness
from wsdash.tui.state.past import Past, spread
from wsdash.tui.state.viewstate import HOLE, SAMPLES, LatencySample, ViewState

NUMBER = 5
VERDICT = 11
SCALE = 6
"""Where a curve's scale ends, such as 500 ms."""
ROOMY = 90
"""Cells from which failures have a column though there are none."""
LEAST_TALL, TALLEST = 4, 12
"""Lines of a series that is drawn tall."""
NUMBERS = 5 * NUMBER + 4
WINDOW_NAMES = ("1 h", "24 h", "14 d")
"""As past_reader.WINDOWS, which brings the history's reader and is not loaded for a first frame."""


def draw_latency(view: ViewState, frame: Frame) -> Lines:
    """A header, and a series in one line or, where there is room, in several: name, curve, scale, last, p50,
    p99, max in ms, and the verdict."""
    names = series_names(view)
    if not names:
        return nothing_yet(view, frame.now, "latencies")
    name = max(9, *(len(series) for series in names))
    numbers_of = {series: summary_of(view, series) for series in names}
    failures = frame.width >= ROOMY or any(summary.failed for summary in numbers_of.values())
    numbers = NUMBERS if failures else NUMBERS - NUMBER - 1
    width = min(SAMPLES, max(8, frame.width - name - numbers - VERDICT - SCALE - 5))
    drawn = [series for series in names if _has_curve(view, series)]
    tall = min(TALLEST, (frame.height - 1 - (len(names) - len(drawn))) // max(1, len(drawn)))
    flat = tall < LEAST_TALL
    heading = row(
        cell("series", name),
        cell("0 to" if flat else "", width + 1 + SCALE, right=True),
        *(cell(word, NUMBER, right=True) for word in ("last", "p50", "p99", "max")),
        *([cell("fail", NUMBER, right=True)] if failures else []),
        "ms",
    )
    lines = [heading.stylize(TITLE).truncate(frame.width)]
    for series in names:
        summary = numbers_of[series]
        if series in drawn and not flat:
            lines += _tall(view, series, name, width, tall, frame, summary, failures)
        else:
            samples = curve_of(view, series, width)
            scale = scale_of(samples)
            fresh = freshness(view, f"latency:{series}", frame.now)
            curve = plot(samples, width, 1, scale, live=fresh.live)[0]
            lines.append(
                _line(view, series, name, curve, scale.label if samples else "", frame, summary, failures)
            )
    return lines


def _tall(
    view: ViewState,
    series: str,
    name: int,
    width: int,
    rows: int,
    frame: Frame,
    summary: LatencySummary,
    failures: bool,
) -> Lines:
    """The numbers in a line, and below it the curve over the pane's whole width."""
    samples = curve_of(view, series, frame.width - AXIS)
    fresh = freshness(view, f"latency:{series}", frame.now)
    numbers = _line(view, series, name, Content(" " * width), "", frame, summary, failures)
    return [numbers, *plot(samples, frame.width, rows - 1, scale_of(samples), live=fresh.live)]


def curve_of(view: ViewState, series: str, width: int) -> list[LatencySample]:
    """What is drawn, one sample a cell: of the history, else of the newest probes."""
    past = view.past
    if past is None or not past.series:
        return list(view.latency.get(series, ()))
    since_read, known = _since_read(view, past, series), past.series.get(series)
    if known is None:
        return since_read
    cells: list[LatencySample] = []
    for part in spread(known.parts, width):
        hole = part is None
        value = None if part is None or part.failing else part.slowest
        cells.append(LatencySample(past.until, value, HOLE if hole else ""))
    if since_read:
        cells[-1] = _with_newest(cells[-1], since_read)
    return cells


def _has_curve(view: ViewState, series: str) -> bool:
    past = view.past
    if past is None or not past.series:
        return bool(view.latency.get(series))
    known = past.series.get(series)
    return bool(known.parts if known is not None else _since_read(view, past, series))


def summary_of(view: ViewState, series: str) -> LatencySummary:
    """The numbers: of the history with what came since it was read, else of the newest probes."""
    newest, past = view.latency.get(series, ()), view.past
    known = past.series.get(series) if past is not None else None
    if past is None or known is None:
        return summarize(newest)
    came = summarize(_since_read(view, past, series))
    longest = max((v for v in (known.longest, came.longest) if v is not None), default=None)
    probes = [sample for sample in newest if sample.error != HOLE]
    last = probes[-1] if probes else None
    return LatencySummary(last, known.p50, known.p99, longest, known.failed + came.failed, len(probes))


def _since_read(view: ViewState, past: Past, series: str) -> list[LatencySample]:
    newest = view.latency.get(series, ())
    return [sample for sample in newest if sample.at >= past.until and sample.error != HOLE]


def _with_newest(newest: LatencySample, came: Sequence[LatencySample]) -> LatencySample:
    if came[-1].seconds is None:
        return came[-1]  # it does not answer now: that must be seen at once
    values = [sample.seconds for sample in (newest, *came) if sample.seconds is not None]
    return LatencySample(came[-1].at, max(values))


def window_words(past: Past | None) -> str:
    """Which time is shown."""
    if past is None or not past.series:
        return "newest probes" if past is None or not past.trouble else f"newest probes, {past.trouble}"
    if past.whole:
        return f"last {age(past.until - past.since)}, all there is"
    return f"last {WINDOW_NAMES[past.window]}"


def series_names(view: ViewState) -> list[str]:
    """Every series that was probed or whose probing is reported."""
    probed = [source.partition(":")[2] for source in view.sources if source.startswith("latency:")]
    past = view.past.series if view.past is not None else {}
    return ordered(sorted({*view.latency, *probed, *past}))


def _line(
    view: ViewState,
    series: str,
    name: int,
    curve: Content,
    scale: str,
    frame: Frame,
    summary: LatencySummary,
    failures: bool,
) -> Content:
    fresh = freshness(view, f"latency:{series}", frame.now)
    look = verdict(series, summary.last)
    if not fresh.live:
        look = ABSENT if fresh.absent else LIVENESS[fresh.liveness]
        if fresh.liveness is Liveness.STALE:
            look = look._replace(word=f"stale {age(fresh.age)}")
    last = summary.last.seconds if summary.last else None
    cells = [cell(series, name, "" if fresh.live else DIM), curve, cell(scale, SCALE, DIM, right=True)]
    cells += [
        cell(milliseconds(value), NUMBER, "" if fresh.live else DIM, right=True)
        for value in (last, summary.p50, summary.p99, summary.longest)
    ]
    bad = BAD if summary.failed and fresh.live else DIM
    if failures:
        cells.append(cell(_short(summary.failed), NUMBER, bad, right=True))
    cells.append(Content.styled(f"{look.glyph} {look.word}", look.style))
    return row(*cells).truncate(frame.width, ellipsis=True)


def _short(number: int) -> str:
    return str(number) if number < 10_000 else f"{number // 1000}k"


class LatencyPane(Pane):
    """API, database and storage latencies."""

    NAME = "4 Latency"
    HELP_TITLE = "In the latency pane"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "window", "History", id="latency.window", tooltip="The last hour, day or 14 days"),
    ]

    class LookBack(Message):
        """Another window of the history is wanted."""

        def __init__(self, window: int) -> None:
            super().__init__()
            self.window = window

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """A line a series: curve, last value, percentiles, failures and verdict; while there is none, why."""
        return draw_latency(view, frame)

    def seen(self, view: ViewState, frame: Frame) -> object:
        """The samples, the window of the history, what makes gaps, and whether an engine feeds them."""
        if not view.latency:
            return None
        flowing = engine_state(view, frame.now)
        return (view.latency, view.past, view.sources, view.containers, flowing)

    def title(self, view: ViewState, frame: Frame) -> str:
        """The window, and how many series are live where not all are."""
        all_fresh = [freshness(view, f"latency:{series}", frame.now) for series in series_names(view)]
        there = [fresh for fresh in all_fresh if not fresh.absent]
        live = sum(fresh.live for fresh in there)
        parts = [self.NAME, window_words(view.past)]
        if live != len(there):
            parts.append(f"{live} of {len(there)} live")
        return " · ".join(parts)

    def action_window(self) -> None:
        """Ask for the next window."""
        past = self._view.past
        self.post_message(self.LookBack((past.window + 1) % len(WINDOW_NAMES) if past is not None else 0))
