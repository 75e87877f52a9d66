"""The latency pane: one sparkline a series on a common scale, gaps visible, and the numbers in text."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from wsdash.model import Liveness
from wsdash.tui.latency import common_top, ordered, summarize, verdict
from wsdash.tui.looks import BAD, DIM, LIVENESS, TITLE, age, milliseconds, sparkline
from wsdash.tui.panes.base import Frame, Lines, Pane, cell, nothing_yet, row, status
from wsdash.tui.standing import freshness
from wsdash.tui.viewstate import HOLE, SAMPLES, ViewState

NUMBER = 6
VERDICT = 12
NUMBERS = 4 * NUMBER + 3


def draw_latency(view: ViewState, frame: Frame) -> Lines:
    """A header and one line a series: name, sparkline, last, p50, p99, max in ms, and the verdict."""
    names = ordered(list(view.latency))
    if not names:
        return nothing_yet(view, frame.now, "latencies")
    name = max(9, *(len(series) for series in names))
    width = min(SAMPLES, max(8, frame.width - name - NUMBERS - VERDICT - 4))
    top = common_top([view.latency[series] for series in names])
    scale = f"0–{milliseconds(top)} ms"
    heading = row(
        cell("series", name),
        cell(scale, width, right=True),
        *(cell(word, NUMBER, right=True) for word in ("last", "p50", "p99", "max")),
        "ms",
    )
    lines = [heading.stylize(TITLE).truncate(frame.width)]
    return lines + [_line(view, series, name, width, top, frame) for series in names]


def _line(view: ViewState, series: str, name: int, width: int, top: float, frame: Frame) -> Content:
    samples = view.latency[series]
    summary = summarize(samples)
    fresh = freshness(view, f"latency:{series}", frame.now)
    graph = sparkline([s.seconds for s in samples], width, top, [s.error == HOLE for s in samples])
    look = verdict(series, summary.last)
    if not fresh.live:
        look = LIVENESS[fresh.liveness]._replace(glyph=LIVENESS[fresh.liveness].glyph)
        if fresh.liveness is Liveness.STALE:
            look = look._replace(word=f"stale {age(fresh.age)}")
    last = summary.last.seconds if summary.last else None
    cells = [cell(series, name, "" if fresh.live else DIM), _graph(graph, look.style if fresh.live else DIM)]
    cells += [
        cell(milliseconds(value), NUMBER, "" if fresh.live else DIM, right=True)
        for value in (last, summary.p50, summary.p99, summary.longest)
    ]
    cells.append(status(look, VERDICT))
    line = row(*cells)
    if summary.failed:
        line = row(line, Content.styled(f"{summary.failed} failed", BAD if fresh.live else DIM))
    return line.truncate(frame.width, ellipsis=True)


def _graph(graph: str, style: str) -> Content:
    return Content.styled(graph, style)


class LatencyPane(Pane):
    """API, database and storage latencies."""

    NAME = "4 Latency"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        return draw_latency(view, frame)

    def title(self, view: ViewState, frame: Frame) -> str:
        live = sum(freshness(view, f"latency:{series}", frame.now).live for series in view.latency)
        return self.NAME if live == len(view.latency) else f"{self.NAME} · {live} of {len(view.latency)} live"
