"""The rules' file: the shipped one is complete, and a wrong one is refused by rule, key, value and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.watch.alert_support import rule
from wsdash.config import Thresholds, shipped
from wsdash.errors import InputError
from wsdash.watch.alerting.judge import describe
from wsdash.watch.alerting.rules import AlertRule, load_rules

GUIDE = {
    "API response time > 500ms",
    "Error rate > 5/minute",
    "Container restarts",
    "Disk usage > 80%",
    "Connection pool exhaustion",
}
GOOD: dict[str, Any] = {
    "id": "load",
    "title": "Load",
    "series": "load",
    "threshold": 10,
    "explanation": "why",
}


def write(tmp_path: Path, *rules: dict[str, Any]) -> Path:
    path = tmp_path / "alerts.yaml"
    path.write_text(yaml.safe_dump({"rules": list(rules)}))
    return path


def load(tmp_path: Path, **changes: Any) -> AlertRule:
    return load_rules(write(tmp_path, GOOD | changes), Thresholds())[0]


def refusal(tmp_path: Path, **changes: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        load(tmp_path, **changes)
    return caught.value


def test_the_shipped_rules_are_the_guides_five_and_seven_more() -> None:
    rules = load_rules(shipped("config", "alerts.yaml"), Thresholds())
    assert {rule.guide for rule in rules} - {""} == GUIDE
    assert {rule.id for rule in rules if not rule.guide} == {
        "target-down",
        "old-service",
        "wal-kept",
        "wal-lag",
        "backup-age",
        "disk-forecast",
        "broken-tenants",
    }
    assert all(rule.explanation and rule.severity for rule in rules)


def test_the_guides_numbers_come_from_the_settings() -> None:
    limits = Thresholds(alert_api_seconds=0.3, alert_errors_per_minute=9, alert_disk_percent=60)
    rules = {rule.id: rule for rule in load_rules(shipped("config", "alerts.yaml"), limits)}
    assert rules["api-latency"].threshold == 0.3
    assert rules["api-latency"].clear == pytest.approx(0.24)
    assert rules["error-rate"].threshold == 9
    assert (rules["disk"].threshold, rules["disk"].clear) == (60, 58.5)


def test_a_containers_place_is_filled_in() -> None:
    path = shipped("config", "alerts.yaml")
    named = {rule.id: rule.series for rule in load_rules(path, Thresholds(), {"api-new": "my-api"})}
    assert named["error-rate"] == "errors:my-api"


def test_a_place_whose_container_the_settings_do_not_have_leaves_the_rule_with_nothing_to_judge() -> None:
    path = shipped("config", "alerts.yaml")
    named = {rule.id: rule.series for rule in load_rules(path, Thresholds(), {"api-old": "my-old-api"})}
    assert named["error-rate"] == "errors:-"


def test_a_place_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, series="errors:{api-newer}")
    assert "{api-new}" in error.remedy


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("statistic", "p98", "p99"),
        ("comparison", "=>", ">="),
        ("severity", "bad", "critical"),
        ("no-data", "ignore", "hold"),
        ("failures", "count", "worst"),
        ("unit", "furlongs", "bytes"),
        ("over", "5 fortnights", "such as 30s"),
        ("over", "30d", "at most 15d"),
        ("over", "0s", "window"),
        ("for", "soon", "such as 30s"),
        ("horizon", "1h", "forecast"),
        ("threshold", "thresholds.nothing", "thresholds.alert_api_seconds"),
        ("clear", "most", "part of the threshold"),
        ("clear", 11.0, "good side"),
        ("id", "Load 1", "small letters"),
        ("fewest", 0, "1 or more"),
    ],
)
def test_a_wrong_value_is_refused_by_rule_key_value_and_remedy(
    tmp_path: Path, key: str, value: Any, remedy: str
) -> None:
    error = refusal(tmp_path, **{key: value})
    rule = value if key == "id" else "load"
    assert error.what == f"rule {rule}: {key} has the value {value!r}"
    assert error.where == f"{tmp_path / 'alerts.yaml'}, rule {rule}, key {key}"
    assert remedy in error.remedy


def test_an_unknown_key_and_a_wrong_type_are_refused_by_name(tmp_path: Path) -> None:
    assert "treshold" in refusal(tmp_path, treshold=1).what
    wrong = refusal(tmp_path, fewest="many")
    assert "fewest" in wrong.where
    assert "'many'" in wrong.what


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="explanation"):
        load_rules(write(tmp_path, {k: v for k, v in GOOD.items() if k != "explanation"}), Thresholds())


def test_two_rules_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rule load: id"):
        load_rules(write(tmp_path, GOOD, GOOD), Thresholds())


@pytest.mark.parametrize("text", ["", "[]", "rules: 3", "rules: []\nmore: 1", "- id: x"])
def test_a_file_that_is_no_list_of_rules_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="no list of rules"):
        load_rules(path, Thresholds())


def test_a_forecast_needs_a_horizon_and_prometheus_its_threshold(tmp_path: Path) -> None:
    assert "looks ahead" in refusal(tmp_path, statistic="forecast").remedy
    assert "{threshold}" in refusal(tmp_path, prometheus={"expr": "up < 1"}).remedy


def test_durations_are_read_in_every_unit(tmp_path: Path) -> None:
    rule = load(tmp_path, over="2h", **{"for": "90s", "clear-for": 30})
    assert (rule.over, rule.raise_for, rule.clear_for) == (7200, 90, 30)


@pytest.mark.parametrize(
    ("unit", "limit", "value", "words"),
    [
        ("percent", 80.0, 80.4, "80.4 % (limit 80 %)"),
        ("percent", 80.0, 80.0004, "80.0004 % (limit 80 %)"),
        ("percent", 80.0, 91.2, "91 % (limit 80 %)"),
        ("seconds", 0.5, 0.5003, "500.3 ms (limit 500 ms)"),
        ("seconds", 93600.0, 93700.0, "26.03 h (limit 26 h)"),
        ("share", 0.9, 0.904, "90.4% (limit 90%)"),
        ("bytes", 67108864.0, 67118864.0, "64.01 MiB (limit 64 MiB)"),
        ("per-minute", 5.0, 5.0000001, "5.0000001 a minute (limit 5 a minute)"),
    ],
)
def test_a_value_beyond_its_limit_never_reads_like_the_limit(
    unit: str, limit: float, value: float, words: str
) -> None:
    assert describe(rule(unit=unit, threshold=limit, clear=limit), "load", value) == f"Load: {words}"
