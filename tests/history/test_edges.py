"""A window begins and ends at its second, whether or not the samples around it were digested meanwhile."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from tests.history.support import NOON, reading
from wsdash.history.store import HistoryWriter

DAY = 86_400.0
CUT = NOON + 1234.567
SERIES = "latency:api-new"


def samples(seed: int, days: float) -> list[tuple[float, float | None]]:
    """One sample in about 20 s from half an hour before the cut on, one in ten a failure."""
    chance = random.Random(seed)
    found: list[tuple[float, float | None]] = []
    at = CUT - 1800
    while at < CUT + days * DAY + 7200:
        at += chance.uniform(1, 40)
        found.append((at, None if chance.random() < 0.1 else chance.uniform(0.01, 1)))
    return found


@pytest.mark.parametrize("cut", [CUT, NOON, NOON + 59.999, NOON + 3599.5])
def test_every_window_between_two_cuts_holds_exactly_its_samples(tmp_path: Path, cut: float) -> None:
    written = [(at - CUT + cut, value) for at, value in samples(1, 2)]
    writer = HistoryWriter.open(tmp_path / "history.db")
    writer.cut(cut)
    for number, (at, value) in enumerate(written):
        writer.add(SERIES, at, value)
        if number % 500 == 0:
            writer.flush()
    writer.close()
    with reading(tmp_path / "history.db") as reader:
        for since, until in ((0, DAY), (DAY, 2 * DAY), (0, 2 * DAY), (60, DAY), (60, DAY + 60)):
            seen = reader.summary(SERIES, cut + since, cut + until)
            inside = [value for at, value in written if cut + since <= at < cut + until]
            answered = [value for value in inside if value is not None]
            assert (seen.count, seen.failures) == (len(answered), len(inside) - len(answered))
            assert seen.maximum == pytest.approx(max(answered), rel=1e-6)


def test_without_a_cut_a_digested_minute_is_whole(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / "history.db")
    for number in range(3 * 3600):
        writer.add(SERIES, NOON + number, 1.0)
    writer.close()
    with reading(tmp_path / "history.db") as reader:
        assert reader.summary(SERIES, NOON + 30, NOON + 600).count == 600


def test_a_late_sample_of_an_edge_is_kept_as_it_came(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / "history.db")
    writer.cut(CUT)
    for number in range(4 * 3600):
        writer.add(SERIES, NOON + number, 1.0)
    writer.flush()
    writer.add(SERIES, CUT - 0.1, None)
    writer.add(SERIES, CUT + 0.1, None)
    writer.close()
    with reading(tmp_path / "history.db") as reader:
        assert reader.summary(SERIES, CUT, CUT + 600).failures == 1
        assert reader.summary(SERIES, CUT - 600, CUT).failures == 1


def test_a_file_of_an_earlier_wsdash_is_read_and_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    writer = HistoryWriter.open(path)
    for number in range(3 * 3600):
        writer.add(SERIES, NOON + number, 1.0)
    writer.close()
    with sqlite3.connect(path) as db:
        db.executescript("drop table cuts; drop table edges;")
    with reading(path) as reader:
        assert reader.summary(SERIES, NOON + 30, NOON + 600).count == 600
    writer = HistoryWriter.open(path)
    writer.cut(CUT)
    writer.flush()
    assert writer.trouble == ""
    writer.close()
