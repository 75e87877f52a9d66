"""The rules as Prometheus has them: the shipped file is the generated one, and its own tool agrees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.watch.alert_support import rule
from wsdash.config import Thresholds, shipped
from wsdash.watch.alerting.export import alert_name, prometheus_rules, untold
from wsdash.watch.alerting.rules import AlertRule, load_rules


def rules() -> tuple[AlertRule, ...]:
    return load_rules(shipped("config", "alerts.yaml"), Thresholds())


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        assert not os.environ.get("WSDASH_REQUIRE_PROMETHEUS"), "promtool is required here and is missing"
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_shipped_file_is_the_generated_one() -> None:
    file = shipped("config", "monitoring", "prometheus-rules.yml")
    assert file.read_text(encoding="utf-8") == prometheus_rules(rules(), template=True)


def test_only_the_backup_the_servers_sessions_and_the_old_service_have_no_metric_in_the_stack() -> None:
    assert untold(rules()) == ["connection-pool", "old-service", "backup-age"]
    groups = yaml.safe_load(prometheus_rules([rule()]))["groups"]
    assert {group["name"]: len(group["rules"]) for group in groups} == {"workspace-stack": 0, "wsdash": 2}


def test_prometheus_accepts_the_rules(promtool: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(prometheus_rules(rules()))
    assert "SUCCESS: 13 rules found" in run(promtool, "check", "rules", str(file))


API = '{job="workspace-api", instance="a"}'
OWN = '{job="wsdash", instance="w"}'
PROBED = 'wsdash_newest_reading_timestamp_seconds{job="wsdash", instance="w", kind="probe"}'
DISK = 'job="node", instance="a", mountpoint="/", fstype="ext4"'
LSN = 'tenant_id="t", timeline_id="l"'
BUCKETS = (
    'http_request_duration_seconds_bucket{job="workspace-api", instance="a", route="/api/items", method="GET"'
)
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "api-latency": (
        {
            f'{BUCKETS}, le="0.5"}}': "0+1x40",
            f'{BUCKETS}, le="1"}}': "0+9x40",
            f'{BUCKETS}, le="+Inf"}}': "0+9x40",
        },
        {
            f'{BUCKETS}, le="0.1"}}': "0+9x40",
            f'{BUCKETS}, le="1"}}': "0+9x40",
            f'{BUCKETS}, le="+Inf"}}': "0+9x40",
        },
    ),
    "error-rate": (
        {'http_requests_total{job="workspace-api", status="500"}': "0+6x40"},
        {'http_requests_total{job="workspace-api", status="500"}': "0+4x40"},
    ),
    "container-restarts": (
        {f"http_requests_total{API}": "100+1x25 0+1x14"},
        {f"http_requests_total{API}": "100+1x40"},
    ),
    "disk": (
        {
            f"node_filesystem_avail_bytes{{{DISK}}}": "19x40",
            f"node_filesystem_size_bytes{{{DISK}}}": "100x40",
        },
        {
            f"node_filesystem_avail_bytes{{{DISK}}}": "21x40",
            f"node_filesystem_size_bytes{{{DISK}}}": "100x40",
        },
    ),
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
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert_name(name)}", alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": count}],
            }
        ],
    }


def judge(promtool: str, directory: Path, tests: list[dict[str, Any]]) -> None:
    """Have promtool try the shipped rules on these."""
    (directory / "rules.yml").write_text(prometheus_rules(rules()))
    file = directory / "tests.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})
    )
    assert "SUCCESS" in run(promtool, "test", "rules", str(file))


@pytest.mark.parametrize("broken", [True, False], ids=["beyond the limit", "within it"])
def test_prometheus_fires_beyond_each_limit_and_keeps_still_within(
    promtool: str, tmp_path: Path, broken: bool
) -> None:
    tests: list[dict[str, Any]] = []
    for name, (beyond, within) in CASES.items():
        tests.append(firing(name, int(broken), beyond if broken else within))
    judge(promtool, tmp_path, tests)


def test_prometheus_says_when_wsdash_does_not_watch(promtool: str, tmp_path: Path) -> None:
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
    judge(promtool, tmp_path, tests)
