"""A latency's curve: a small change is seen, an outlier hides nothing, colours say what is too slow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.drawing import FRAME, NOW, plain, seen
from wsdash.model import LatencyReading, Liveness, SourceState
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.looks import BAD, GOOD, WARN
from wsdash.tui.drawn.plot import AXIS, plot, scale_of, seconds_text
from wsdash.tui.panes.latency import draw_latency
from wsdash.tui.state.viewstate import HOLE, LatencySample


def samples(*seconds: float | None) -> list[LatencySample]:
    return [
        LatencySample(float(n), value, "" if value is not None else "refused")
        for n, value in enumerate(seconds)
    ]


def test_a_change_from_3_to_6_ms_is_seen() -> None:
    values = samples(*[0.003] * 10, *[0.006] * 10)
    line = plot(values, 20, 1, scale_of(values))[0].plain
    assert len(set(line)) == 2
    assert line[0] < line[-1]


def test_one_outlier_does_not_flatten_the_rest() -> None:
    values = samples(*[0.003, 0.006] * 30, 2.0)
    line = plot(values, 61, 1, scale_of(values))[0].plain
    assert len(set(line[:-1])) == 2
    assert line[-1] == "█"


@pytest.mark.parametrize(
    ("seconds", "label"),
    [(0.0002, "1 ms"), (0.0035, "5 ms"), (0.09, "200 ms"), (0.3, "500 ms"), (1.7, "5 s")],
)
def test_the_scale_ends_at_a_round_number_with_its_unit(seconds: float, label: str) -> None:
    assert scale_of(samples(seconds)).label == label


def test_every_cell_has_its_own_colour() -> None:
    values = samples(0.01, 0.15, 0.7, None)
    line = plot(values, 4, 1, scale_of(values))[0]
    looks = [str(span.style) for place in range(4) for span in line.spans if span.start <= place < span.end]
    assert looks == [GOOD, WARN, BAD, BAD]
    assert line.plain[3] == "×"


def test_holes_are_no_failures() -> None:
    values = [*samples(0.01), LatencySample(1.0, None, HOLE)]
    assert plot(values, 2, 1, scale_of(values))[0].plain[1] == "·"


def test_a_tall_curve_has_an_axis_with_a_tick_at_the_threshold() -> None:
    values = samples(*[0.1 * n for n in range(1, 11)])
    lines = [line.plain for line in plot(values, 60, 6, scale_of(values))]
    assert lines[0][:AXIS] == "    2 s┤"
    assert any("500 ms╪" in line for line in lines)
    assert lines[-1][:AXIS] == "      0┤"
    assert lines[-1].endswith("█")
    assert all(len(line) == 60 for line in lines)


def test_without_samples_there_is_a_scale_all_the_same() -> None:
    assert scale_of([]).label == seconds_text(0.001)


def test_each_series_of_the_pane_has_its_own_scale() -> None:
    events = [LatencyReading("api-new", 0.3), LatencyReading("target-db", 0.003)]
    events = [one for one in events for _ in range(5)]
    sources = [SourceState(f"latency:{name}", Liveness.LIVE) for name in ("api-new", "target-db")]
    lines = draw_latency(seen(*events, *sources), replace(FRAME, height=5))
    by_name = {line.plain.split()[0]: line.plain for line in lines}
    assert "500 ms" in by_name["api-new"]
    assert "5 ms" in by_name["target-db"]


def test_where_there_is_room_the_curves_are_tall() -> None:
    view = seen(*[LatencyReading("api-new", 0.003)] * 5)
    text = plain(draw_latency(view, Frame(NOW, 120, 40)))
    assert "┤" in text
    assert "┤" not in plain(draw_latency(view, Frame(NOW, 120, 4)))
