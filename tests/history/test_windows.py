"""Any window of a history gives what was put in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.history.support import HOUR, NOON, Samples, exact, reading, record
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE, HistoryWriter

API = "latency:api-new"
MIDDLE = [i / 100 for i in range(101)]


def noisy(seconds: float, step: float = 5.0, seed: int = 1) -> Samples:
    dice = random.Random(seed)
    return [(NOON + n * step, dice.lognormvariate(-3, 0.6)) for n in range(int(seconds / step))]


def test_a_history_that_is_not_there_yet_has_no_series_and_no_samples(tmp_path: Path) -> None:
    with reading(tmp_path / FILE) as reader:
        assert reader.series() == ()
        assert reader.summary(API, NOON, NOON + 60).count == 0
        assert reader.percentile(API, 0.5, NOON, NOON + 60) is None
        assert reader.points(API, NOON, NOON + 60, 3) == (None, None, None)
        assert reader.gaps(API, NOON, NOON + 600) == ((NOON, NOON + 600),)
        assert reader.size().bytes == 0


def test_a_reader_sees_what_is_flushed_while_the_writer_goes_on(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / FILE)
    with reading(tmp_path / FILE) as reader:
        writer.add(API, NOON, 0.1)
        writer.flush()
        assert reader.summary(API, NOON, NOON + 60).last == 0.1
        writer.add(API, NOON + 1, 0.2)
        writer.flush()
        assert reader.summary(API, NOON, NOON + 60).last == 0.2
    writer.close()


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (0.0, 5 * HOUR),  # whole hours and raw samples
        (60.0, 90.0 + 30),  # within one digested hour
        (30 * 60.0, 2.5 * HOUR),  # minutes at both edges
        (HOUR, 2 * HOUR),
        (3 * HOUR, 3.5 * HOUR),  # raw that are digested as well
        (4.2 * HOUR, 4.8 * HOUR),  # raw only
        (-HOUR, 10 * HOUR),  # more than there is
    ],
)
def test_a_window_holds_each_of_its_samples_once(tmp_path: Path, since: float, until: float) -> None:
    samples = noisy(5 * HOUR)
    record(tmp_path / FILE, samples)
    inside = [value for at, value in samples if since <= at - NOON < until and value is not None]
    with reading(tmp_path / FILE) as reader:
        found = reader.summary(API, NOON + since, NOON + until)
        assert found.count == len(inside)
        assert found.failures == 0
        assert found.mean == pytest.approx(sum(inside) / len(inside), rel=1e-6)
        assert found.minimum == pytest.approx(min(inside), rel=1e-6)
        assert found.maximum == pytest.approx(max(inside), rel=1e-6)
        assert found.last == pytest.approx(inside[-1], rel=1e-6)
        for q in MIDDLE:
            assert reader.percentile(API, q, NOON + since, NOON + until) == pytest.approx(
                exact(inside, q), rel=0.01001
            )


def test_failures_count_as_watched_but_not_as_values(tmp_path: Path) -> None:
    record(tmp_path / FILE, [(NOON, 0.1), (NOON + 61, None), (NOON + 62, None)])
    with reading(tmp_path / FILE) as reader:
        found = reader.summary(API, NOON, NOON + 240)
        assert (found.count, found.failures, found.coverage) == (1, 2, 0.5)
        point = reader.points(API, NOON + 60, NOON + 120, 1)[0]
        assert point is not None
        assert (point.p50, point.count, point.failures) == (None, 0, 2)


def test_a_value_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    record(tmp_path / FILE, [(NOON, float("nan")), (NOON + 1, float("inf"))])
    with reading(tmp_path / FILE) as reader:
        assert reader.summary(API, NOON, NOON + 60).failures == 2


def test_zero_and_negative_values_keep_their_order(tmp_path: Path) -> None:
    values = [-1000.0, -1.0, -0.001, 0.0, 0.0, 1e-9, 0.5, 3e12]
    record(tmp_path / FILE, [(NOON + n, value) for n, value in enumerate(values)])
    with reading(tmp_path / FILE) as reader:
        for n, value in enumerate(values):
            q = n / (len(values) - 1)
            assert reader.percentile(API, q, NOON, NOON + 60) == pytest.approx(value, rel=0.01001)


def test_points_show_a_gap_as_none(tmp_path: Path) -> None:
    samples = [(at, value) for at, value in noisy(4 * HOUR) if not HOUR <= at - NOON < 2 * HOUR]
    record(tmp_path / FILE, samples)
    with reading(tmp_path / FILE) as reader:
        points = reader.points(API, NOON, NOON + 4 * HOUR, 8)
        assert [point is None for point in points] == [False, False, True, True, *[False] * 4]
        assert [point.at for point in points if point] == [NOON + n * HOUR / 2 for n in (0, 1, 4, 5, 6, 7)]
        assert sum(point.count for point in points if point) == len(samples)


def test_gaps_are_right_to_a_minute_in_digests_and_raw_samples(tmp_path: Path) -> None:
    def watched(at: float) -> bool:
        seconds = at - NOON
        return not (HOUR + 600 <= seconds < HOUR + 900 or 4 * HOUR + 60 <= seconds < 4 * HOUR + 600)

    record(tmp_path / FILE, [sample for sample in noisy(5 * HOUR) if watched(sample[0])])
    with reading(tmp_path / FILE) as reader:
        assert reader.gaps(API, NOON - 300, NOON + 5 * HOUR + 100) == (
            (NOON - 300, NOON),
            (NOON + HOUR + 600, NOON + HOUR + 900),
            (NOON + 4 * HOUR + 60, NOON + 4 * HOUR + 600),
        )
        assert len(reader.gaps(API, NOON, NOON + 5 * HOUR, shortest=301)) == 1


def test_raw_samples_are_there_for_an_hour_at_least_and_two_at_most(tmp_path: Path) -> None:
    record(tmp_path / FILE, noisy(6 * HOUR, step=10))
    with reading(tmp_path / FILE) as reader:
        newest = NOON + 6 * HOUR - 10
        fine = reader.points(API, newest - HOUR + 10, newest + 10, 360)
        assert all(point is not None and point.count == 1 for point in fine)
    assert raw_rows(tmp_path / FILE) <= 2 * 360


def raw_rows(path: Path) -> int:
    import sqlite3

    db = sqlite3.connect(path)
    try:
        return int(db.execute("select count(*) from raw").fetchone()[0])
    finally:
        db.close()


def test_a_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to look at" * 200)
    with pytest.raises(InputError, match="damaged"):
        HistoryWriter.open(tmp_path / FILE)
    with pytest.raises(InputError, match="damaged"):
        HistoryReader(tmp_path / FILE).series()
