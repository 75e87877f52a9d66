"""The latencies of every window beside each other: from the median to the 99th percentile, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wsdash.review.report.form import LatencyReport

WIDTH, LEFT, RIGHT = 860, 190, 70
ROW, TOP, BOTTOM = 40, 10, 24


def draw_latencies(rows: Sequence[LatencyReport]) -> str:
    """One bar a window; '' when none holds an answer. A window with too little data is drawn pale."""
    drawn = [row for row in rows if row.p50 is not None and row.p90 is not None and row.p99 is not None]
    if not drawn:
        return ""
    top = max(row.p99 or 0.0 for row in drawn) * 1.05 or 1.0
    height = TOP + ROW * len(drawn) + BOTTOM
    label = "API response time of every window: median, 90th and 99th percentile"
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">', *_scale(top, height)]
    for number, row in enumerate(drawn):
        parts += _bar(row, TOP + ROW * number + ROW / 2, top)
    return f'<div class="wide">{"".join(parts)}</svg></div>'


def _x(seconds: float, top: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / top


def _scale(top: float, height: int) -> list[str]:
    lines = []
    for part in (0.0, 0.5, 1.0):
        x, bottom = _x(top * part, top), height - BOTTOM
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        label = f"{top * part * 1000:,.0f} ms"
        lines.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{label}</text>')
    return lines


def _bar(row: LatencyReport, y: float, top: float) -> list[str]:
    p50, p90, p99 = (_x(seconds or 0.0, top) for seconds in (row.p50, row.p90, row.p99))
    pale = " pale" if row.lacking else ""
    told = " · ".join(f"{(seconds or 0) * 1000:.0f}" for seconds in (row.p50, row.p90, row.p99))
    name = escape(f"{row.api} API, {row.window}")
    return [
        f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{name}</text>',
        f'<rect class="span {row.api}{pale}" x="{p50:.1f}" y="{y - 6:.1f}" height="12" '
        f'width="{max(1.0, p99 - p50):.1f}"/>',
        *(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9}" y2="{y + 9}"/>'
            for x in (p50, p90, p99)
        ),
        f'<text x="{p99 + 6:.1f}" y="{y + 4:.1f}">{told}</text>',
    ]
