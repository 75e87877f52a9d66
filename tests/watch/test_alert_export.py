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


def test_only_the_backup_has_no_metric_in_the_stack() -> None:
    assert untold(rules()) == ["backup-age"]
    assert prometheus_rules([rule()]).count("alert:") == 0


def test_prometheus_accepts_the_rules(promtool: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(prometheus_rules(rules()))
    assert "SUCCESS: 10 rules found" in run(promtool, "check", "rules", str(file))


API = '{job="workspace-api", instance="a"}'
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
    "connection-pool": (
        {f"db_pool_connections{API}": "19x40", f"db_pool_idle{API}": "0x40", f"db_pool_max{API}": "20x40"},
        {f"db_pool_connections{API}": "19x40", f"db_pool_idle{API}": "9x40", f"db_pool_max{API}": "20x40"},
    ),
    "target-down": (
        {'up{job="pageserver", instance="p"}': "1x10 0x30"},
        {'up{job="pageserver", instance="p"}': "1x40"},
    ),
    "wal-lag": (
        {f"safekeeper_commit_lsn{{{LSN}}}": "70000000x40", f"pageserver_last_record_lsn{{{LSN}}}": "0x40"},
        {f"safekeeper_commit_lsn{{{LSN}}}": "60000000x40", f"pageserver_last_record_lsn{{{LSN}}}": "0x40"},
    ),
}


@pytest.mark.parametrize("broken", [True, False], ids=["beyond the limit", "within it"])
def test_prometheus_fires_beyond_each_limit_and_keeps_still_within(
    promtool: str, tmp_path: Path, broken: bool
) -> None:
    (tmp_path / "rules.yml").write_text(prometheus_rules(rules()))
    tests: list[dict[str, Any]] = []
    for name, (beyond, within) in CASES.items():
        series = [{"series": key, "values": value} for key, value in (beyond if broken else within).items()]
        count = f'count(ALERTS{{alertname="{alert_name(name)}", alertstate="firing"}}) or vector(0)'
        expected = {
            "expr": count,
            "eval_time": "30m",
            "exp_samples": [{"labels": "{}", "value": int(broken)}],
        }
        tests.append({"name": name, "interval": "1m", "input_series": series, "promql_expr_test": [expected]})
    file = tmp_path / "tests.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})
    )
    assert "SUCCESS" in run(promtool, "test", "rules", str(file))
