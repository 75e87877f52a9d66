"""The latency pane: one sparkline a series on a common scale, gaps visible, and the numbers in text."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from wsdash.model import Liveness
from wsdash.tui.latency import common_top, ordered, summarize, verdict
from wsdash.tui.looks import ABSENT, BAD, DIM, LIVENESS, TITLE, age, milliseconds, sparkline
from wsdash.tui.panes.base import Frame, Lines, Pane, cell, nothing_yet, row
from wsdash.tui.standing import freshness
from wsdash.tui.viewstate import HOLE, SAMPLES, ViewState

NUMBER = 5
VERDICT = 11
NUMBERS = 5 * NUMBER + 4


def draw_latency(view: ViewState, frame: Frame) -> Lines:
    """A header and one line a series: name, sparkline, last, p50, p99, max in ms, and the verdict."""
    names = series_names(view)
    if not names:
        return nothing_yet(view, frame.now, "latencies")
    name = max(9, *(len(series) for series in names))
    width = min(SAMPLES, max(8, frame.width - name - NUMBERS - VERDICT - 4))
    top = common_top([view.latency.get(series, ()) for series in names])
    scale = f"log 1–{milliseconds(top)} ms"
    heading = row(
        cell("series", name),
        cell(scale, width, right=True),
        *(cell(word, NUMBER, right=True) for word in ("last", "p50", "p99", "max")),
        cell("fail", NUMBER, right=True),
        "ms",
    )
    lines = [heading.stylize(TITLE).truncate(frame.width)]
    return lines + [_line(view, series, name, width, top, frame) for series in names]


def series_names(view: ViewState) -> list[str]:
    """Every series that was probed or whose probing is told of."""
    told = [source.partition(":")[2] for source in view.sources if source.startswith("latency:")]
    return ordered(sorted({*view.latency, *told}))


def _line(view: ViewState, series: str, name: int, width: int, top: float, frame: Frame) -> Content:
    samples = view.latency.get(series, ())
    summary = summarize(samples)
    fresh = freshness(view, f"latency:{series}", frame.now)
    graph = sparkline([s.seconds for s in samples], width, top, [s.error == HOLE for s in samples])
    look = verdict(series, summary.last)
    if not fresh.live:
        look = ABSENT if fresh.absent else LIVENESS[fresh.liveness]
        if fresh.liveness is Liveness.STALE:
            look = look._replace(word=f"stale {age(fresh.age)}")
    last = summary.last.seconds if summary.last else None
    cells = [cell(series, name, "" if fresh.live else DIM), _graph(graph, look.style if fresh.live else DIM)]
    cells += [
        cell(milliseconds(value), NUMBER, "" if fresh.live else DIM, right=True)
        for value in (last, summary.p50, summary.p99, summary.longest)
    ]
    bad = BAD if summary.failed and fresh.live else DIM
    cells += [
        cell(str(summary.failed), NUMBER, bad, right=True),
        Content.styled(f"{look.glyph} {look.word}", look.style),
    ]
    return row(*cells).truncate(frame.width, ellipsis=True)


def _graph(graph: str, style: str) -> Content:
    return Content.styled(graph, style)


class LatencyPane(Pane):
    """API, database and storage latencies."""

    NAME = "4 Latency"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        return draw_latency(view, frame)

    def title(self, view: ViewState, frame: Frame) -> str:
        all_fresh = [freshness(view, f"latency:{series}", frame.now) for series in series_names(view)]
        there = [fresh for fresh in all_fresh if not fresh.absent]
        live = sum(fresh.live for fresh in there)
        return self.NAME if live == len(there) else f"{self.NAME} · {live} of {len(there)} live"
