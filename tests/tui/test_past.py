"""The latency pane's past: read from a real history, whoever attaches when; gaps stay gaps."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.support import SIZES, halfway, recorded, stage
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import LatencyReading
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.feeds.past_reader import PARTS, SHORTEST_PART, WINDOWS, PastReader
from wsdash.tui.limits import ANEW_SECONDS
from wsdash.tui.panes.latency import WINDOW_NAMES, draw_latency, window_words
from wsdash.tui.state.past import Part, Past, SeriesPast, spread
from wsdash.tui.state.viewstate import ViewState, fold_all

HOUR, DAY = 3600.0, 86_400.0
FLAT = 3
"""Lines of a pane that draws each series in one."""


def lived(path: Path, now: float, days: float = 5.0) -> None:
    """A sample a minute; slow two days ago for an hour, unwatched from 30 to 20 minutes ago."""
    writer = HistoryWriter.open(path)
    for minute in range(int(days * 1440)):
        at = now - days * DAY + minute * 60.0 + 30.0
        ago = now - at
        if 1200 < ago < 1800:
            continue
        slow = 2 * DAY - HOUR < ago < 2 * DAY
        writer.add("latency:api-new", at, 0.9 if slow else 0.02)
        writer.add("latency:api-new:connect", at, 0.001)
        writer.add("latency:api-old", at, None if ago < 300 else 0.03, "refused")
        writer.add("self:memory", at, 1e6)
    writer.flush()
    writer.close()


def past_of(path: Path, window: int, until: float) -> Past:
    with contextlib.closing(HistoryReader(path)) as reader:
        return PastReader(reader).read(window, until)


def test_the_windows_are_called_as_in_the_metrics_view() -> None:
    assert [name for name, _ in WINDOWS] == list(WINDOW_NAMES)


def test_five_days_are_there_and_the_time_that_nobody_watched_is_a_gap(tmp_path: Path) -> None:
    now = float(int(time.time() // HOUR) * HOUR)
    lived(tmp_path / FILE, now)
    hour, day, fortnight = (past_of(tmp_path / FILE, window, now) for window in range(3))
    assert set(hour.series) == {"api-new", "api-old"}
    parts = hour.series["api-new"].parts
    assert len(parts) == PARTS
    middle = parts[PARTS // 2 + 4 : PARTS * 2 // 3 - 4]
    assert middle == (None,) * len(middle)
    assert hour.series["api-old"].failed == 5
    assert not hour.whole
    assert day.series["api-new"].longest == pytest.approx(0.02, rel=0.02)
    assert fortnight.whole
    assert fortnight.until - fortnight.since == pytest.approx(5 * DAY, abs=3600)
    assert fortnight.series["api-new"].longest == pytest.approx(0.9)
    assert window_words(fortnight).endswith("all there is")
    assert window_words(hour) == "last 1 h"


def test_an_hour_that_nobody_watched_is_all_gap_and_not_the_probes_before_it(tmp_path: Path) -> None:
    now = float(int(time.time() // HOUR) * HOUR)
    lived(tmp_path / FILE, now)
    past = past_of(tmp_path / FILE, 0, now + 2 * HOUR)
    assert set(past.series["api-new"].parts) == {None}
    view = msgspec.structs.replace(fold_all(recorded(LatencyReading("api-new", 0.02), at=now)), past=past)
    _, line, *_ = draw_latency(view, Frame(now + 2 * HOUR, 80, FLAT))
    assert "·····" in line.plain
    assert "▁" not in line.plain


def test_without_a_history_there_is_no_past(tmp_path: Path) -> None:
    assert past_of(tmp_path / FILE, 0, time.time()).series == {}


def test_a_damaged_history_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(InputError):
        past_of(tmp_path / FILE, 0, time.time())


BEGUN = float(int(time.time() // HOUR) * HOUR) - DAY


def probed(writer: HistoryWriter, since: float, until: float, seconds: float = 0.02) -> None:
    """A probe and a sign of life each second."""
    for at in range(int(since), int(until)):
        writer.add("latency:api-new", at + 0.5, seconds)
        writer.add("self:memory", at + 0.5, 1e6)
    writer.flush()


@pytest.mark.parametrize("age", [40, 250, 400, 2000, 3550, 5000])
def test_what_is_read_again_and_again_is_what_is_read_at_once(tmp_path: Path, age: int) -> None:
    writer = HistoryWriter.open(tmp_path / FILE)
    probed(writer, BEGUN, BEGUN + age)
    with contextlib.closing(HistoryReader(tmp_path / FILE)) as reader:
        again = PastReader(reader)
        for step in range(12):
            until = BEGUN + age + 10.0 * step
            probed(writer, until - 10, until, 0.001 * (1 + step))
            assert again.read(0, until) == PastReader(reader).read(0, until)
    writer.close()


def test_parts_that_are_over_are_read_once_and_now_and_then_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = HistoryWriter.open(tmp_path / FILE)
    probed(writer, BEGUN, BEGUN + 2 * HOUR)
    windows: list[float] = []
    real = HistoryReader.digests

    def digests(reader: HistoryReader, series: str, since: float, until: float, buckets: int) -> object:
        windows.append(until - since)
        return real(reader, series, since, until, buckets)

    monkeypatch.setattr(HistoryReader, "digests", digests)
    with contextlib.closing(HistoryReader(tmp_path / FILE)) as reader:
        again = PastReader(reader)
        for look in (0.0, 10.0, ANEW_SECONDS):
            again.read(0, BEGUN + HOUR + 30 * 60 + look)
    writer.close()
    assert windows[0] == windows[2] == HOUR
    assert windows[1] <= 2 * HOUR / PARTS


def test_while_a_history_grows_its_parts_stay_where_they_are(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / FILE)
    probed(writer, BEGUN, BEGUN + 100)
    with contextlib.closing(HistoryReader(tmp_path / FILE)) as reader:
        first = PastReader(reader).read(0, BEGUN + 100)
        probed(writer, BEGUN + 100, BEGUN + 120)
        later = PastReader(reader).read(0, BEGUN + 120)
    writer.close()
    before, now = first.series["api-new"].parts, later.series["api-new"].parts
    assert len(before) == 100 / SHORTEST_PART
    assert now[: len(before)] == before


NOW = 10_000.0


def seen(known: SeriesPast, *newest: LatencyReading) -> ViewState:
    view = fold_all(recorded(*newest, at=NOW))
    past = Past(0, NOW - HOUR, NOW - 60, {"api-new": known})
    return msgspec.structs.replace(view, past=past)


def graph(view: ViewState) -> str:
    _, line = draw_latency(view, Frame(NOW, 80, FLAT))
    return line.plain


def test_gaps_failures_and_the_newest_probe_are_drawn() -> None:
    fine, failing = Part(0.02, 0, 30), Part(0.02, 20, 30)
    parts = (fine,) * 40 + (None,) * 40 + (failing,) * 20 + (fine,) * 20
    known = SeriesPast(parts, 0.01, 0.02, 0.02, 400)
    line = graph(seen(known, LatencyReading("api-new", 0.02)))
    assert "·····" in line
    assert "××" in line
    assert line.index("·") < line.index("×")
    assert "400" in line


def test_an_outage_is_seen_at_once_and_not_when_the_history_is_read_again() -> None:
    known = SeriesPast((Part(0.02, 0, 30),) * PARTS, 0.01, 0.02, 0.02, 0)
    assert "×" not in graph(seen(known, LatencyReading("api-new", 0.02)))
    assert "×" in graph(seen(known, LatencyReading("api-new", 0.02), LatencyReading("api-new", None, "no")))


parts = st.one_of(
    st.none(),
    st.builds(Part, st.one_of(st.none(), st.floats(0.001, 9)), st.integers(0, 9), st.integers(9, 20)),
)


@given(st.lists(parts, min_size=1, max_size=130), st.integers(1, 130))
def test_fewer_cells_lose_neither_a_slow_part_nor_a_probe(whole: list[Part | None], cells: int) -> None:
    drawn = [part for part in spread(whole, cells) if part is not None]
    known = [part for part in whole if part is not None]
    assert sum(part.probes for part in drawn) == sum(part.probes for part in known)
    assert max((p.slowest or 0 for p in drawn), default=0) == max((p.slowest or 0 for p in known), default=0)
    assert len(spread(whole, cells)) == min(cells, len(whole))


@pytest.mark.parametrize("size", SIZES)
async def test_a_monitor_that_is_opened_on_day_five_shows_the_past(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    lived(tmp_path / FILE, time.time())
    async with stage(tmp_path, *halfway(), size=size, role="monitor") as on:
        await on.press("4")
        await on.until(lambda: "last 1 h" in on.text())
        assert "·" in on.text()
        await on.press("h")
        await on.until(lambda: "last 24 h" in on.text())
        await on.press("h")
        await on.until(lambda: "all there is" in on.text())
        assert "900" in on.text()
        assert on.intents == []
