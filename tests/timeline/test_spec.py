"""timeline.yaml is data: the guide's days and lists; what is wrong in it is told by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdash.config import Thresholds, shipped
from wsdash.errors import InputError
from wsdash.timeline.spec import limit, load_timeline


def test_the_shipped_file_has_the_guides_days() -> None:
    assert [(day.day, day.title, day.guide) for day in load_timeline().days] == [
        (0, "Migration", "All tests pass, zero data loss"),
        (1, "Monitoring", "No P1 incidents, performance OK"),
        (3, "Review", "API latency ≤ 200ms, team comfortable"),
        (7, "Decision Point", "Go/no-go decision"),
        (14, "Final Review", "Approve migration, decommission TimescaleDB backup"),
    ]


def test_a_limit_may_be_a_threshold_of_wsdash_yaml() -> None:
    spec = load_timeline().criterion("api-latency")
    assert limit(spec, Thresholds(get_seconds=0.3)) == 0.3


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("at_most: get_seconds", "at_most: get_second", "'get_second' is no threshold"),
        ("measure: tables", "measure: table", "'table' is not one of"),
        ("criteria: [tests-pass, ", "criteria: [test-pass, ", "names 'test-pass', which is no criterion"),
        ("coverage: 0.9", "coverage: 90", "coverage 90 is not"),
        ("quantile: 0.95", "quantile: 95", "quantile 95 is not between 0 and 1"),
        ("- day: 1\n", "- day: 0\n", "once each, in order"),
        ("coverage: 0.9", "coverages: 0.9", "coverages"),
        ("day: 7}", "day: soon}", "Expected `int`"),
    ],
)
def test_a_mistake_is_told_with_its_file(tmp_path: Path, before: str, after: str, told: str) -> None:
    text = shipped("config", "timeline.yaml").read_text()
    assert before in text
    (tmp_path / "timeline.yaml").write_text(text.replace(before, after, 1))
    with pytest.raises(InputError, match=told) as caught:
        load_timeline(tmp_path)
    assert "timeline.yaml" in caught.value.where
    assert caught.value.exit_code == 2
