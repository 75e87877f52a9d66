"""The latencies of every window beside each other: from the median to the 99th percentile, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wsdash.review.report.form import LatencyReport
from wsdash.review.report.plots import label, round_scale

WIDTH, LEFT, RIGHT = 860, 190, 90
ROW, TOP, BOTTOM = 40, 10, 24


def draw_latencies(rows: Sequence[LatencyReport], limit: float = 0.0) -> str:
    """One bar a window; '' when none holds an answer. A window with too little data is drawn pale; the 95th
    percentile, which is judged against the limit (seconds; 0: none), is its thick mark."""
    drawn = [row for row in rows if row.p50 is not None and row.p90 is not None and row.p99 is not None]
    if not drawn:
        return ""
    scale = round_scale(max([limit * 1000.0, *((row.p99 or 0.0) * 1000.0 for row in drawn)]))
    top = scale[-1] / 1000.0
    height = TOP + ROW * len(drawn) + BOTTOM
    title = "API response time of every window: median, 90th, 95th and 99th percentile"
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">', *_scale(scale, height)]
    for number, row in enumerate(drawn):
        parts += _bar(row, TOP + ROW * number + ROW / 2, top)
    if limit:
        x, bottom = _x(limit, top), height - BOTTOM
        parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
    return f'<div class="wide">{"".join(parts)}</svg></div>'


def _x(seconds: float, top: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / top


def _scale(scale: Sequence[float], height: int) -> list[str]:
    lines = []
    for value in scale:
        x, bottom = _x(value, scale[-1]), height - BOTTOM
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        text = f"{label(value)} ms"
        lines.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{text}</text>')
    return lines


def _bar(row: LatencyReport, y: float, top: float) -> list[str]:
    p50, p90, p99 = (_x(seconds or 0.0, top) for seconds in (row.p50, row.p90, row.p99))
    pale = " pale" if row.lacking else ""
    judged = row.p95 if row.p95 is not None else row.p90
    text = f"p95 {(judged or 0) * 1000:.0f} ms"
    p95 = _x(judged or 0.0, top)
    name = escape(f"{row.api} API, {row.window}")
    return [
        f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{name}</text>',
        f'<rect class="span {row.api}{pale}" x="{p50:.1f}" y="{y - 6:.1f}" height="12" '
        f'width="{max(1.0, p99 - p50):.1f}"/>',
        *(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9}" y2="{y + 9}"/>'
            for x in (p50, p90, p99)
        ),
        f'<line class="judged" x1="{p95:.1f}" x2="{p95:.1f}" y1="{y - 11}" y2="{y + 11}"/>',
        f'<text x="{p99 + 6:.1f}" y="{y + 4:.1f}">{text}</text>',
    ]
