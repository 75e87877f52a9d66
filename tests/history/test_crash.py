"""Nothing is lost and nothing counts twice, wherever the writer dies; percentiles are right to 1 %."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ddsketch import DDSketch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.support import HOUR, NOON, Samples, exact, reading, record
from wsdash.history.file import open_for_writing
from wsdash.history.reader import HistoryReader, SeriesSummary
from wsdash.history.store import FILE, HistoryWriter

NAMES = ("one", "two", "three")


class Dying:
    """A database that dies after `left` statements, as a killed process does: only commits survive."""

    def __init__(self, path: Path) -> None:
        self._db = open_for_writing(path)
        self.left = 1000

    def execute(self, *words: Any) -> sqlite3.Cursor:
        self._spend()
        return self._db.execute(*words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        self._spend()
        return self._db.executemany(*words)

    @property
    def in_transaction(self) -> bool:
        return False  # the dead roll nothing back

    def close(self) -> None:
        self._db.close()

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise sqlite3.OperationalError("killed")


def five_hours() -> list[tuple[str, float, float]]:
    """Samples of three series, two minutes apart, that make hours fall due."""
    return [
        (name, NOON + minute * 60 + offset, 1.0 + minute)
        for minute in range(0, 300, 2)
        for offset, name in enumerate(NAMES)
    ]


def survived(path: Path) -> dict[str, SeriesSummary]:
    with reading(path) as reader:
        return {name: reader.summary(name, NOON - HOUR, NOON + 9 * HOUR) for name in NAMES}


@settings(max_examples=60, deadline=None)
@given(died_at=st.integers(0, 140), flush_every=st.integers(40, 450))
def test_wherever_the_writer_dies_each_sample_is_kept_once_or_not_at_all(
    died_at: int, flush_every: int
) -> None:
    """The survivors are the samples up to some flush; written again from there, all are there once."""
    samples = five_hours()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / FILE
        db = Dying(path)
        writer = HistoryWriter(path, db, by_itself=False)  # type: ignore[arg-type]
        db.left = died_at
        written = 0
        for begin in range(0, len(samples), flush_every):
            for sample in samples[begin : begin + flush_every]:
                writer.add(*sample)
            writer.flush()
            if writer.trouble:
                break
            written = begin + flush_every
        db.close()
        kept = sum(found.count for found in survived(path).values())
        # the flush in which it died may have been committed before its roll-up was
        assert kept in (min(written, len(samples)), min(written + flush_every, len(samples)))
        again = HistoryWriter.open(path)
        for sample in samples[kept:]:
            again.add(*sample)
        again.flush()
        again.close()
        for name, found in survived(path).items():
            own = [value for series, _, value in samples if series == name]
            assert (found.count, found.minimum, found.maximum) == (len(own), min(own), max(own))
            assert found.mean == pytest.approx(sum(own) / len(own), rel=1e-6)


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.floats(1e-6, 1e12), st.floats(-1e6, -1e-6), st.just(0.0), st.floats(0.001, 5.0), st.none()
        ),
        min_size=1,
        max_size=400,
    ),
    step=st.sampled_from([0.5, 7.0, 61.0, 400.0]),
    edges=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    q=st.floats(0, 1),
)
def test_a_percentile_of_any_window_is_right_to_1_percent(
    values: list[float | None], step: float, edges: tuple[float, float], q: float
) -> None:
    """Against the sorted values themselves, and against one DDSketch that was fed with all of them."""
    samples: Samples = [(NOON + n * step, value) for n, value in enumerate(values)]
    span = len(values) * step
    since, until = sorted(NOON + (edge * span) // 60 * 60 for edge in edges)
    until += 60
    inside = [value for at, value in samples if since <= at < until and value is not None]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / FILE
        record(path, samples)
        with reading(path) as reader:
            found = reader.percentile("latency:api-new", q, since, until)
            count = reader.summary("latency:api-new", since, until).count
    assert count == len(inside)
    if not inside:
        assert found is None
        return
    assert found == pytest.approx(exact(inside, q), rel=0.010001, abs=1e-300)
    sketch = DDSketch(0.01)
    for value in inside:
        sketch.add(value)
    assert found == pytest.approx(sketch.get_quantile_value(q), rel=0.0201, abs=1e-300)


def test_late_samples_of_a_digested_hour_are_added_to_it(tmp_path: Path) -> None:
    samples: Samples = [(NOON + n * 60, 1.0) for n in range(300)]
    late: Samples = [(NOON + 30 * 60 + n, 5.0) for n in range(10)]
    record(tmp_path / FILE, samples)
    record(tmp_path / FILE, late)
    with reading(tmp_path / FILE) as reader:
        found = reader.summary("latency:api-new", NOON, NOON + HOUR)
        assert (found.count, found.maximum) == (70, 5.0)
        assert reader.summary("latency:api-new", NOON, NOON + 6 * HOUR).count == 310


def test_fifteen_days_are_kept_and_older_hours_go(tmp_path: Path) -> None:
    record(tmp_path / FILE, [(NOON + n * 1800, 1.0) for n in range(20 * 48)])
    with reading(tmp_path / FILE) as reader:
        end = NOON + 20 * 48 * 1800
        assert reader.summary("latency:api-new", end - 15 * 86_400, end).count == 15 * 48
        assert reader.summary("latency:api-new", NOON, end - 16 * 86_400).count == 0


def test_a_clock_that_jumped_ahead_for_a_moment_prunes_nothing(tmp_path: Path) -> None:
    samples: Samples = [(NOON + n * 600, 1.0) for n in range(5 * 144)]
    record(tmp_path / FILE, samples)
    record(tmp_path / FILE, [(NOON + 400 * 86_400, 1.0)])
    record(tmp_path / FILE, [(NOON + 5 * 86_400 + n * 60, 1.0) for n in range(60)])
    with reading(tmp_path / FILE) as reader:
        assert reader.summary("latency:api-new", NOON, NOON + 6 * 86_400).count == len(samples) + 60


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from wsdash.history.store import HistoryWriter
writer = HistoryWriter.open(Path(sys.argv[1]))
n = int(sys.argv[2])
while True:
    writer.add("killed", 1_800_000_000.0 + n, float(n))
    n += 1
    if n % 500 == 0:
        writer.flush()
        print(n, flush=True)
"""


def test_killed_as_it_writes_hours_nothing_flushed_is_lost_or_doubled(tmp_path: Path) -> None:
    told = 0
    for _ in range(3):
        words = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / FILE), str(told)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            goal = told + 12_000
            for line in process.stdout:
                told = int(line)
                if told >= goal:
                    break
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        with contextlib.closing(HistoryReader(tmp_path / FILE)) as reader:
            found = reader.summary("killed", 0, 4e9)
        assert found.maximum is not None
        assert told <= found.count == found.maximum + 1
        told = found.count


def test_a_file_that_refuses_for_a_while_costs_no_sample(tmp_path: Path) -> None:
    db = open_for_writing(tmp_path / FILE)
    writer = HistoryWriter(tmp_path / FILE, db, by_itself=False)
    db.execute("pragma busy_timeout = 10")
    blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    blocker.execute("begin immediate")
    writer.add("one", NOON, 1.0)
    writer.flush()
    assert "locked" in writer.trouble
    blocker.execute("rollback")
    blocker.close()
    writer.add("one", NOON + 1, 2.0)
    writer.flush()
    assert (writer.trouble, writer.lost) == ("", 0)
    db.close()
    with reading(tmp_path / FILE) as reader:
        assert reader.summary("one", NOON, NOON + 60).count == 2


def test_digests_that_are_damaged_are_told_and_the_writer_lives_on(tmp_path: Path) -> None:
    record(tmp_path / FILE, [(NOON + n * 60, 1.0) for n in range(180)])
    db = open_for_writing(tmp_path / FILE)
    db.execute("update minutes set pack = x'00'")
    writer = HistoryWriter(tmp_path / FILE, db, by_itself=False)
    writer.add("latency:api-new", NOON, 1.0)
    writer.flush()
    assert writer.trouble
    db.close()


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / FILE)
    writer.add("one", NOON, 1.0)
    writer.close()
    with reading(tmp_path / FILE) as reader:
        assert reader.summary("one", NOON, NOON + 60).count == 1
