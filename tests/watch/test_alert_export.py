"""The rules as Prometheus has them: the shipped file is the generated one, and its own tool agrees.

That they fire as the engine's own judge does is tests/engine/test_three_ways.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.promtool import play, run_promtool
from tests.watch.alert_support import rule
from wsdash.config import Thresholds, shipped
from wsdash.errors import InputError
from wsdash.watch.alerting.export import alert_name, expression, prometheus_rules, untold
from wsdash.watch.alerting.rules import AlertRule, load_rules


def rules() -> tuple[AlertRule, ...]:
    return load_rules(shipped("config", "alerts.yaml"), Thresholds())


def exported(one: AlertRule) -> dict[str, Any]:
    entry = yaml.safe_load(prometheus_rules([one]))["groups"][0]["rules"][0]
    assert isinstance(entry, dict)
    return entry


def test_the_shipped_file_is_the_generated_one() -> None:
    file = shipped("config", "monitoring", "prometheus-rules.yml")
    assert file.read_text(encoding="utf-8") == prometheus_rules(rules(), template=True)


def test_every_rule_is_exported_and_some_are_judged_without_wsdash_too() -> None:
    groups = {g["name"]: g["rules"] for g in yaml.safe_load(prometheus_rules(rules()))["groups"]}
    assert [entry["labels"]["rule"] for entry in groups["workspace-stack"]] == [one.id for one in rules()]
    without = [entry["labels"]["rule"] for entry in groups["workspace-stack-without-wsdash"]]
    assert without == ["api-pool", "target-down", "wal-kept", "wal-lag", "broken-tenants"]
    assert {*untold(rules())} == {one.id for one in rules()} - {*without}


def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(prometheus_rules(rules()))
    wanted = len(rules()) + 5 + 2  # those judged without wsdash too, and two about wsdash
    assert f"SUCCESS: {wanted} rules found" in run_promtool("check", "rules", str(file))


def test_limits_and_durations_are_the_rules_own() -> None:
    entry = exported(rule(threshold=10.0, clear=8.0, raise_for=60.0, clear_for=90.0))
    assert (entry["for"], entry["keep_firing_for"]) == ("1m", "90s")
    assert '(wsdash_alert_value{rule="load"}) > 10 or' in entry["expr"]
    assert '(wsdash_alert_value{rule="load"}) > 8 and' in entry["expr"]
    below = expression(rule(comparison="<=", threshold=1.0, clear=2.0))
    assert "<= 1 or" in below
    assert "< 2 and" in below
    assert "> 8" not in expression(rule(clear=10.0))


def test_without_samples_an_alert_stands_ends_or_begins_as_its_rule_says() -> None:
    unmeasured = 'max by (alert, world) (wsdash_alert_measured{rule="load"}) == 0'
    held, raised, cleared = (expression(rule(no_data=word)) for word in ("hold", "raise", "clear"))
    assert f'alertstate="firing"}}) and {unmeasured})' in held
    assert f" or {unmeasured} or " in raised
    assert unmeasured not in cleared


@pytest.mark.parametrize("key", ["raise_for", "clear_for"])
def test_a_duration_that_prometheus_cannot_see_is_refused(key: str) -> None:
    with pytest.raises(InputError) as refused:
        prometheus_rules([rule(**{key: 2.0})])
    assert "Prometheus looks every 5 s" in refused.value.what
    assert "use 0 or 5s and more" in refused.value.remedy


def test_a_limit_of_wsdash_yaml_stays_a_placeholder_in_the_template_and_so_does_its_end() -> None:
    limited = rule(threshold=0.5, clear=0.4, limit_name="alert_api_seconds")
    told = expression(limited, template=True)
    assert "> ${ALERT_API_SECONDS} or" in told
    assert "> 0.8 * ${ALERT_API_SECONDS} and" in told


API = '{job="workspace-api", instance="a"}'
OWN = '{job="wsdash", instance="w"}'
PROBED = 'wsdash_newest_reading_timestamp_seconds{job="wsdash", instance="w", kind="probe"}'
LSN = 'tenant_id="t", timeline_id="l"'
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "api-pool": (
        {f"db_pool_connections{API}": "19x40", f"db_pool_idle{API}": "0x40", f"db_pool_max{API}": "20x40"},
        {f"db_pool_connections{API}": "19x40", f"db_pool_idle{API}": "9x40", f"db_pool_max{API}": "20x40"},
    ),
    "target-down": (
        {'up{job="pageserver", instance="p"}': "1x10 0x30"},
        {'up{job="pageserver", instance="p"}': "1x40"},
    ),
    "wal-kept": (
        {f"safekeeper_commit_lsn{{{LSN}}}": "3e9x40", f"safekeeper_remote_consistent_lsn{{{LSN}}}": "1x40"},
        {f"safekeeper_commit_lsn{{{LSN}}}": "3e9x40", f"safekeeper_remote_consistent_lsn{{{LSN}}}": "0x40"},
    ),
    "wal-lag": (
        {f"safekeeper_commit_lsn{{{LSN}}}": "70000000x40", f"pageserver_last_record_lsn{{{LSN}}}": "0x40"},
        {f"safekeeper_commit_lsn{{{LSN}}}": "60000000x40", f"pageserver_last_record_lsn{{{LSN}}}": "0x40"},
    ),
    "wsdash-down": ({f"up{OWN}": "1x10 0x30"}, {f"up{OWN}": "1x40"}),
    "wsdash-blind": (
        {f"up{OWN}": "1x40", PROBED: "0+60x20 1200x20"},
        {f"up{OWN}": "1x40", PROBED: "0+60x40"},
    ),
}


def firing(name: str, count: int, series: dict[str, str], at: str = "30m") -> dict[str, Any]:
    """A test of promtool's: how many alerts of that rule fire at that time."""
    alert = alert_name(name) + ("" if name.startswith("wsdash") else "WithoutWsdash")
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": count}],
            }
        ],
    }


@pytest.mark.parametrize("broken", [True, False], ids=["beyond the limit", "within it"])
def test_without_wsdash_prometheus_judges_the_stacks_own_metrics(tmp_path: Path, broken: bool) -> None:
    tests: list[dict[str, Any]] = []
    for name, (beyond, within) in CASES.items():
        tests.append(firing(name, int(broken), beyond if broken else within))
    play(tmp_path, prometheus_rules(rules()), tests)


def test_while_wsdash_runs_only_its_own_measurements_are_judged(tmp_path: Path) -> None:
    runs = {f"up{OWN}": "1x40"}
    stack = [name for name in CASES if not name.startswith("wsdash")]
    play(tmp_path, prometheus_rules(rules()), [firing(name, 0, CASES[name][0] | runs) for name in stack])


def test_prometheus_says_when_wsdash_does_not_watch(tmp_path: Path) -> None:
    never = {'up{job="pageserver", instance="p"}': "1x40"}
    gone = {f"up{OWN}": "1x10 0x30", PROBED: "0+60x10 stale"}
    tests = [
        firing("wsdash-down", 1, never),
        # a target that is down is told once: of its readings nothing is known
        firing("wsdash-down", 1, gone),
        firing("wsdash-blind", 0, gone),
        # a restart is no absence
        firing("wsdash-down", 0, {f"up{OWN}": "1x10 0x3 1x27"}, "14m"),
        # it answers, and never measured anything
        firing("wsdash-blind", 1, {f"up{OWN}": "1x40"}),
        firing("wsdash-down", 0, {f"up{OWN}": "1x40"}),
    ]
    play(tmp_path, prometheus_rules(rules()), tests)


def test_what_stands_stands_while_wsdash_does_not_run(tmp_path: Path) -> None:
    value = 'wsdash_alert_value{alert="disk", rule="disk", job="wsdash", instance="w"}'
    gone = {f"up{OWN}": "1x10 0x30", value: "95x10 stale"}
    ends = {f"up{OWN}": "1x10 0x5 1x25", value: "95x10 stale _x5 50x25"}
    tests = [firing("disk", 1, gone), firing("disk", 0, ends)]
    for test in tests:
        expr = test["promql_expr_test"][0]
        expr["expr"] = expr["expr"].replace("WithoutWsdash", "")
    play(tmp_path, prometheus_rules(rules()), tests)
