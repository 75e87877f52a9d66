"""The metrics view: the whole history whenever it is opened, and nothing shown as more than it is."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from tests.tui.support import SIZES, Stage, halfway, stage
from wsdash.history.reader import Point
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import MetricsReading
from wsdash.tui.feeds.past_reader import PRESENCE
from wsdash.tui.panels.metrics import amount, curve

DAY = 86_400.0
API = "latency:api-new"


def fortnight(state: Path, days: float = 5.0, until: float | None = None) -> None:
    """Five days with a sample a minute; nobody watched on the third."""
    end = time.time() if until is None else until
    writer = HistoryWriter.open(state / FILE)
    for minute in range(int(days * 1440), 0, -1):
        at = end - minute * 60 + 30
        if 2 * DAY <= end - at < 3 * DAY:
            continue
        writer.add(API, at, 0.05 + 0.02 * math.sin(minute / 200))
        writer.add(PRESENCE, at, 64e6)
        writer.add("neon:safekeeper-disk", at, 1e9)
        if minute % 5000 == 0:
            writer.flush()
    writer.close()


async def read(on: Stage) -> str:
    await on.until(lambda: "reading the history" not in on.text() and "Metrics" in on.text())
    return on.text()


@pytest.mark.parametrize("size", SIZES)
async def test_opened_on_the_fifth_day_it_shows_all_five_and_the_gap(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    fortnight(tmp_path, until=time.time() + 120)  # fresh still when a busy machine comes to look
    async with stage(tmp_path, *halfway(), size=size) as on:
        await on.press("m", "h", "h")
        shown = await read(on)
        line = next(line for line in shown.splitlines() if "new API" in line)
        assert "one gap of 24 h" in shown
        assert "begins 5 d ago; watched for 80% since" in shown
        assert "·" in line
        assert any(bar in line for bar in "▁▂▃▄▅▆▇█")
        assert line.count(" ms") == 4  # now, p50, p99 and max, none cut off
        heading = next(line for line in shown.splitlines() if "p50" in line)
        assert heading.index("max") + len("max") == line.rindex(" ms") + len(" ms")


async def test_the_windows_are_an_hour_a_day_and_a_fortnight(tmp_path: Path) -> None:
    fortnight(tmp_path, days=1)
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        await on.press("m")
        assert "of the last 1 h" in await read(on)
        await on.press("h")
        assert "of the last 24 h" in await read(on)
        await on.press("h")
        assert "begins 24 h ago" in await read(on)


async def test_an_empty_history_says_how_it_is_filled(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        await on.press("m")
        assert "wsdash watch" in await read(on)


async def test_a_damaged_history_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database at all" * 500)
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        await on.press("m")
        assert "the history is damaged" in await read(on)


async def test_old_values_are_stale_and_absent_ones_not_there(tmp_path: Path) -> None:
    fortnight(tmp_path, days=0.5, until=time.time() - 600)
    missing = MetricsReading("metrics", {}, {"neon:compute-up": "compute: its address is not set"})
    async with stage(tmp_path, *halfway(), missing, size=(200, 60)) as on:
        await on.press("m", "2")
        lines = (await read(on)).splitlines()
        assert "stale, no value for 1" in next(line for line in lines if "new API" in line)
        assert "– not read: compute: its address is not set" in next(
            line for line in lines if "compute up" in line
        )


def test_a_curve_tells_failures_and_gaps_apart() -> None:
    good = Point(0.0, 1.0, 1.0, 1.0, 1.0, 1, 0)
    half = Point(0.0, 0.5, 0.5, 0.5, 0.5, 1, 0)
    failed = Point(0.0, None, None, None, None, 0, 3)
    assert curve((None, failed, half, good), 6) == "  ·×▅█"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12 ms"),
        (7200.0, "s", "2 h"),
        (None, "s", "–"),
        (3 * 1024**2, "B", "3.0 MiB"),
        (81.26, "%", "81.3 %"),
        (5.0, "n", "5"),
        (1.0, "f", "yes"),
    ],
)
def test_a_number_has_its_unit(value: float | None, unit: str, text: str) -> None:
    assert amount(value, unit) == text
