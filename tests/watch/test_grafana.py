"""The dashboard: of the shape that Grafana publishes, limits drawn, what is down red, jobs in queries."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.watch.support import settings_of
from wsdash.config import Thresholds, shipped
from wsdash.watch.monitoring import render_monitoring

SCHEMA, COMPILER = "@grafana/schema@13.2.3", "typescript@7.0.2"
VERSION = 42
"""Of the dashboards' schema, as SCHEMA's defaultDashboard has it; the test below reads it there."""
TYPES = """
import type { Dashboard, Panel, RowPanel, GraphFieldConfig } from '@grafana/schema';
import type { Options as TimeSeries } from 'PANELS/timeseries/panelcfg/x/types.gen';
import type { Options as Stat } from 'PANELS/stat/panelcfg/x/types.gen';
// JSON has an enum's words, not the enum; and a threshold's first step has null for minus infinity
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: K extends 'value' ? Plain<T[K]> | null : Plain<T[K]> } : T;
type Source = { type: string; uid: string };
type Target = { refId: string; expr: string; legendFormat: string; datasource: Source };
type Of<O> = Omit<Plain<Panel>, 'options' | 'targets'> & { options: Plain<O>; targets: Target[] };
""".replace("PANELS", "./node_modules/@grafana/schema/dist/types/raw/composable")
KINDS = {"timeseries": "Of<TimeSeries>", "stat": "Of<Stat>", "row": "Plain<RowPanel>"}


@pytest.fixture
def dashboard(tmp_path: Path) -> dict[str, Any]:
    render_monitoring(settings_of(tmp_path), shipped("config", "monitoring"), tmp_path / "out")
    told = json.loads((tmp_path / "out" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    assert isinstance(told, dict)
    return told


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grafana's published schema and a compiler that reads it, by npm."""
    npm = shutil.which("npm")
    required = bool(os.environ.get("WSDASH_REQUIRE_GRAFANA"))
    if npm is None:
        assert not required, "npm is required here and is missing"
        pytest.skip("npm is not installed")
    place = tmp_path_factory.mktemp("grafana")
    (place / "package.json").write_text('{"private": true}')
    argv = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", SCHEMA, COMPILER]
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        assert not required, done.stderr
        pytest.skip("npm reaches no registry")
    return place


def compiled(published: Path, dashboard: dict[str, Any]) -> str:
    """What the compiler has to say of it, '' for nothing."""
    panels = dashboard["panels"]
    whole = {name: value for name, value in dashboard.items() if name != "panels"}
    lines = [TYPES, f"const dashboard: Plain<Dashboard> = {json.dumps(whole)};"]
    lines += [
        f"const panel{n}: {KINDS[panel['type']]} = {json.dumps(panel)};" for n, panel in enumerate(panels)
    ]
    drawn = [one["fieldConfig"]["defaults"]["custom"] for one in panels if one["type"] == "timeseries"]
    lines += [f"const custom{n}: Plain<GraphFieldConfig> = {json.dumps(one)};" for n, one in enumerate(drawn)]
    (published / "check.ts").write_text("\n".join(lines))
    argv = [str(published / "node_modules" / ".bin" / "tsc"), "--noEmit", "--strict", "--skipLibCheck"]
    argv += ["--module", "esnext", "--moduleResolution", "bundler", "check.ts"]
    done = subprocess.run(argv, cwd=published, capture_output=True, text=True, timeout=240, check=False)
    return done.stdout + done.stderr


def test_it_is_of_the_published_shape_and_a_wrong_key_is_seen(
    published: Path, dashboard: dict[str, Any]
) -> None:
    assert compiled(published, dashboard) == ""
    worse = json.loads(json.dumps(dashboard))
    worse["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["mode"] = "absolut"
    worse["panels"][1]["options"]["legend"]["wherever"] = True
    worse["schemaVersions"] = 1
    told = compiled(published, worse)
    for wrong in ("absolut", "wherever", "schemaVersions"):
        assert wrong in told
    defaults = (published / "node_modules/@grafana/schema/dist/esm/raw/dashboard/x/types.gen.mjs").read_text()
    assert f"schemaVersion: {VERSION}," in defaults


def test_it_has_the_current_version_of_the_schema(dashboard: dict[str, Any]) -> None:
    assert dashboard["schemaVersion"] == VERSION


def panel(dashboard: dict[str, Any], title: str) -> dict[str, Any]:
    return next(one for one in dashboard["panels"] if one["title"] == title)


def steps(one: dict[str, Any]) -> list[tuple[str, float | None]]:
    return [(step["color"], step["value"]) for step in one["fieldConfig"]["defaults"]["thresholds"]["steps"]]


@pytest.mark.parametrize("title", ["Up", "wsdash watches"])
def test_what_is_down_is_red(dashboard: dict[str, Any], title: str) -> None:
    one = panel(dashboard, title)
    assert steps(one) == [("red", None), ("green", 1)]
    words = one["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert (words["0"]["text"], words["0"]["color"]) == ("down", "red")


def test_the_limits_of_wsdash_yaml_are_drawn(dashboard: dict[str, Any]) -> None:
    limits = Thresholds()
    drawn = {
        "GET /api/items": [limits.get_seconds, limits.alert_api_seconds],
        "Probes: time to answer": [limits.get_seconds, limits.alert_api_seconds],
        "Failed requests a minute": [limits.alert_errors_per_minute],
        "The fullest watched disk": [limits.alert_disk_percent],
        "Memory": [limits.stack_memory_bytes],
    }
    for title, wanted in drawn.items():
        one = panel(dashboard, title)
        assert [value for _, value in steps(one)[1:]] == wanted
        assert one["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "dashed"}


def test_every_series_of_every_query_names_its_job(dashboard: dict[str, Any]) -> None:
    asked = [target["expr"] for one in dashboard["panels"] for target in one.get("targets", ())]
    assert len(asked) > 30
    for expression in asked:
        series = re.findall(
            r"\b((?:http|db_pool|process|pageserver|safekeeper|libmetrics|wsdash)_\w+|up)\b(\{job=~?\")?",
            expression,
        )
        assert series, expression
        assert all(job for _, job in series), expression
