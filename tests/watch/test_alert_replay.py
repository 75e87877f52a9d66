"""Rules replayed over a real recorded history say what they would have said live."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.watch.alert_support import START, judged, rule
from wsdash.config import Thresholds, shipped
from wsdash.history.reader import HistoryReader
from wsdash.history.store import HistoryWriter
from wsdash.watch.alerting.replay import replay
from wsdash.watch.alerting.rules import load_rules

BEGIN = START - START % 3600


def record(path: Path, series: str, values: Sequence[float | None], every: float = 15.0) -> HistoryReader:
    writer = HistoryWriter.open(path)
    for n, value in enumerate(values):
        writer.add(series, BEGIN + n * every, value, "" if value is not None else "refused")
    writer.flush()
    writer.close()
    return HistoryReader(path)


def test_a_recorded_rise_is_one_alert_with_its_times_and_its_worst_value(tmp_path: Path) -> None:
    past = record(tmp_path / "h.db", "load", [1.0] * 40 + [20.0] * 20 + [30.0] * 20 + [1.0] * 40)
    spans = replay([rule(raise_for=60.0, clear_for=60.0)], past, BEGIN, BEGIN + 1800)
    assert len(spans) == 1
    span = spans[0]
    assert (span.alert, span.worst) == ("load", 30.0)
    assert span.begun == pytest.approx(BEGIN + 600, abs=15)
    assert span.ended == pytest.approx(BEGIN + 1260, abs=30)


def test_the_shipped_rules_find_a_bad_hour_in_three_condensed_days(tmp_path: Path) -> None:
    """Three days ago only digests are left: the latency alert still begins and ends in the right minute."""
    slow = range(24 * 120, 25 * 120)
    values: list[float | None] = [0.9 if n in slow else 0.03 for n in range(72 * 120)]
    past = record(tmp_path / "h.db", "latency:api-new", values, every=30.0)
    rules = load_rules(shipped("config", "alerts.yaml"), Thresholds())
    spans = replay(rules, past, BEGIN, BEGIN + 72 * 3600)
    assert [span.alert for span in spans] == ["api-latency/api-new"]
    assert spans[0].begun == pytest.approx(BEGIN + 24 * 3600, abs=120)
    assert spans[0].ended == pytest.approx(BEGIN + 25 * 3600, abs=400)
    assert spans[0].worst == pytest.approx(0.9, rel=0.02)


def test_a_gap_is_no_alert(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / "h.db")
    for second in (*range(600), *range(3000, 3600)):
        writer.add("load", BEGIN + second, 1.0)
    writer.close()
    assert replay([rule()], HistoryReader(tmp_path / "h.db"), BEGIN, BEGIN + 3600) == ()


def test_a_share_is_replayed_with_its_divisor(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / "h.db")
    for n in range(40):
        writer.add("pool:used", BEGIN + n * 15, 95.0)
        writer.add("pool:limit", BEGIN + n * 15, 100.0)
    writer.close()
    share = rule(series="pool:used", share_of="pool:limit", threshold=0.9, clear=0.8)
    spans = replay([share], HistoryReader(tmp_path / "h.db"), BEGIN, BEGIN + 600)
    assert [span.worst for span in spans] == [0.95]


def test_recent_history_is_judged_as_it_was_live(tmp_path: Path) -> None:
    values: list[float | None] = [1.0, *[20.0] * 8, *[1.0] * 12, *[20.0] * 3, *[1.0] * 12]
    fine = rule(raise_for=30.0, clear_for=30.0)
    live = judged(rule(raise_for=2.0, clear_for=2.0), values)
    past = record(tmp_path / "h.db", "load", values)
    spans = replay([fine], past, BEGIN, BEGIN + 15 * len(values))
    assert len(spans) == sum(raised for _, raised in live) == 2


def test_an_empty_history_raises_nothing(tmp_path: Path) -> None:
    assert replay([rule()], HistoryReader(tmp_path / "none.db"), BEGIN, BEGIN + 60) == ()


def test_an_engine_that_begins_knows_nothing_of_the_time_before(tmp_path: Path) -> None:
    """A forecast over a jump that no engine saw: the demo's disk before and after its days begin."""
    foresight = rule(statistic="forecast", over=3600.0, horizon=3600.0, threshold=95.0, clear=90.0, fewest=10)
    past = record(tmp_path / "h.db", "load", [20.0] * 120 + [70.0] * 200)
    jumped = BEGIN + 120 * 15
    assert len(replay([foresight], past, BEGIN, BEGIN + 4800)) == 1
    assert replay([foresight], past, BEGIN, BEGIN + 4800, begun=[jumped]) == ()


def test_what_stands_when_an_engine_begins_goes_on(tmp_path: Path) -> None:
    past = record(tmp_path / "h.db", "load", [20.0] * 40 + [1.0] * 40)
    spans = replay([rule()], past, BEGIN, BEGIN + 1200, begun=[BEGIN + 300.5])
    assert len(spans) == 1
    assert spans[0].begun == pytest.approx(BEGIN, abs=2)
    assert spans[0].ended == pytest.approx(BEGIN + 605, abs=16)
