"""The monitoring files: filled in for a world, valid, and about metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from tests.engine import exported
from tests.support.servers import free_port
from tests.watch.support import settings_of
from wsdash.config import EndpointSettings, MetricsSettings, shipped
from wsdash.demo.api.server import Database, create_app
from wsdash.errors import InputError
from wsdash.history.store import FILE, HistoryWriter
from wsdash.watch.monitoring import ScrapeTarget, placeholders, render_monitoring
from wsdash.watch.pollers.prometheus import metric_names
from wsdash.watch.world import rules_of

SHIPPED = shipped("config", "monitoring")
GUIDES_ALERTS = {
    "API response time > 500ms",
    "Error rate > 5/minute",
    "Container restarts",
    "Disk usage > 80%",
    "Connection pool exhaustion",
}
NEON = frozenset(
    re.findall(
        r"\w+",
        """
    pageserver_smgr_query_seconds_global pageserver_basebackup_query_seconds pageserver_wait_lsn_seconds
    pageserver_last_record_lsn pageserver_disk_consistent_lsn pageserver_projected_remote_consistent_lsn
    pageserver_resident_physical_size pageserver_current_logical_size pageserver_pitr_history_size
    pageserver_resident_physical_size_global pageserver_remote_physical_size_global
    pageserver_tenant_states_count pageserver_timeline_states_count pageserver_broken_tenants_count
    pageserver_remote_timeline_client_calls_started pageserver_remote_timeline_client_calls_finished
    pageserver_wal_ingest_bytes_received pageserver_wal_redo_seconds pageserver_walreceiver_active_managers
    pageserver_walreceiver_broker_updates_total pageserver_live_connections_started
    pageserver_storage_operations_seconds_global libmetrics_maxrss_kb libmetrics_tracing_event_count
    safekeeper_commit_lsn safekeeper_flush_lsn safekeeper_backup_lsn safekeeper_remote_consistent_lsn
    safekeeper_timeline_active safekeeper_connected_computes safekeeper_disk_usage_bytes safekeeper_timelines
    safekeeper_write_wal_seconds safekeeper_flush_wal_seconds safekeeper_backup_errors_total
    safekeeper_broker_pushed_updates_total safekeeper_broker_pulled_updates_total
    """,
    )
)
"""Metrics that Neon's sources define."""
STANDARD = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
"""Prometheus' own, and node_exporter's: Neon and the API do not tell how large their disk is."""
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    histogram_quantile sum by le rate absent resets or on max vector job instance route method status
    tenant_id timeline_id smgr_query_type state fstype predict_linear time unless series kind place answer
    and alert world rule alertname alertstate ALERTS
    """,
    )
)
"""Functions, operators and labels of PromQL that the files use."""


def expressions(rendered: Path) -> Iterator[str]:
    for group in yaml.safe_load((rendered / "prometheus-rules.yml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads((rendered / "grafana-dashboard.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def names_in(expression: str) -> set[str]:
    """Every name of an expression that is neither a label's value nor a duration nor PromQL's own."""
    bare = re.sub(r'"[^"]*"|\[\w+\]', "", expression)
    return set(re.findall(r"\b[a-zA-Z_]\w*", bare)) - WORDS


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    render_monitoring(settings_of(tmp_path), SHIPPED, tmp_path / "out")
    return tmp_path / "out"


def write(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_the_rules_are_the_operators_own(tmp_path: Path) -> None:
    mine = tmp_path / "config"
    mine.mkdir()
    shipped_rules = shipped("config", "alerts.yaml").read_text()
    (mine / "alerts.yaml").write_text(shipped_rules.replace("id: api-latency", "id: our-own-latency"))
    settings = msgspec.structs.replace(settings_of(tmp_path), directory=str(mine))
    render_monitoring(settings, SHIPPED, tmp_path / "out", rules_of(settings))
    told = (tmp_path / "out" / "prometheus-rules.yml").read_text()
    assert "WorkspaceOurOwnLatency" in told
    assert "WorkspaceApiLatency" not in told
    assert (tmp_path / "out" / "prometheus-scrape.yml").exists()


def test_every_url_that_the_files_name_is_listed_once(tmp_path: Path) -> None:
    endpoints = render_monitoring(settings_of(tmp_path), SHIPPED, tmp_path / "out")
    assert sorted(endpoint.url for endpoint in endpoints) == [
        "http://localhost:3103/#/workspace",
        "http://localhost:3200/metrics",
        "http://localhost:3280/metrics",
        "http://localhost:7676/metrics",
        "http://localhost:9898/metrics",
    ]
    assert [end.url for end in endpoints if end.itself] == ["http://localhost:3280/metrics"]


def test_no_placeholder_is_left(rendered: Path) -> None:
    files = [path for path in rendered.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        assert "${" not in path.read_text()


def test_the_scrape_config_asks_this_worlds_addresses(tmp_path: Path) -> None:
    nodes = EndpointSettings("h:1", "https://ps.example:7001/base/", "h:2", "http://sk.example:7002")
    render_monitoring(settings_of(tmp_path, endpoints=nodes, world="demo"), SHIPPED, tmp_path / "out")
    config = yaml.safe_load((tmp_path / "out" / "prometheus-scrape.yml").read_text())
    pageserver = next(job for job in config["scrape_configs"] if job["job_name"] == "pageserver")
    assert (pageserver["scheme"], pageserver["metrics_path"]) == ("https", "/base/metrics")
    assert pageserver["static_configs"] == [{"targets": ["ps.example:7001"], "labels": {"world": "demo"}}]


def test_wsdash_itself_is_asked_where_the_settings_say(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, metrics=MetricsSettings("https://me:hunter2@watch.example:9443/wsdash/"))
    endpoints = render_monitoring(settings, SHIPPED, tmp_path / "out")
    text = (tmp_path / "out" / "prometheus-scrape.yml").read_text()
    job = next(job for job in yaml.safe_load(text)["scrape_configs"] if job["job_name"] == "wsdash")
    assert (job["scheme"], job["metrics_path"]) == ("https", "/wsdash/metrics")
    assert job["static_configs"][0]["targets"] == ["watch.example:9443"]
    assert [end.url for end in endpoints if end.itself] == ["https://watch.example:9443/wsdash/metrics"]
    assert "hunter2" not in text


def test_the_guides_five_alerts_are_there_with_its_numbers(rendered: Path) -> None:
    rules = yaml.safe_load((rendered / "prometheus-rules.yml").read_text())["groups"][0]["rules"]
    expr = {rule["alert"]: rule["expr"] for rule in rules}
    assert {rule["labels"].get("guide") for rule in rules} - {None} == GUIDES_ALERTS
    assert '{rule="api-latency"}) > 0.5 or' in expr["WorkspaceApiLatency"]
    assert '{rule="error-rate"}) > 5 or' in expr["WorkspaceErrorRate"]
    assert '{rule="disk"}) > 80 or' in expr["WorkspaceDisk"]


async def test_every_metric_named_exists(rendered: Path, tmp_path: Path) -> None:
    database = Database("127.0.0.1", free_port(), "none", "none", "none")
    runner = aiohttp.web.AppRunner(create_app("new", database))
    await runner.setup()
    port = free_port()
    try:
        await aiohttp.web.TCPSite(runner, "127.0.0.1", port).start()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as page,
        ):
            api = metric_names(await page.text())
    finally:
        await runner.cleanup()
    HistoryWriter.open(tmp_path / FILE).close()
    known = NEON | STANDARD | api | metric_names(exported.page(tmp_path))
    known |= {f"{name}_bucket" for name in NEON if "_seconds" in name}
    used = {name for expression in expressions(rendered) for name in names_in(expression)}
    assert used - known == set()
    assert {"db_pool_max", "safekeeper_commit_lsn", "http_request_duration_seconds_bucket"} <= used
    assert {"wsdash_run_outcome", "wsdash_probe_duration_seconds_bucket"} <= used


def test_each_panel_has_a_place_of_its_own(rendered: Path) -> None:
    panels: list[Any] = json.loads((rendered / "grafana-dashboard.json").read_text())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels) == len({panel["id"] for panel in panels})


def test_an_unknown_placeholder_is_refused_by_file_and_line_and_nothing_is_written(tmp_path: Path) -> None:
    templates = write(tmp_path / "t", "a.yml", "ok: 1\nbad: ${NO_SUCH}\n")
    with pytest.raises(InputError) as caught:
        render_monitoring(settings_of(tmp_path), templates, tmp_path / "out")
    assert caught.value.what == "unknown placeholder ${NO_SUCH}"
    assert caught.value.where.endswith("a.yml, line 2")
    assert "API_TARGET" in caught.value.remedy
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "text"), [("a.yml", "a: [1\n"), ("a.json", "{,}")])
def test_a_result_that_is_not_valid_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"{name} is not valid"):
        render_monitoring(settings_of(tmp_path), write(tmp_path / "t", name, text), tmp_path / "out")


def test_a_directory_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no monitoring templates"):
        render_monitoring(settings_of(tmp_path), tmp_path / "none", tmp_path / "out")


def test_values_with_quotes_stay_one_value(tmp_path: Path) -> None:
    templates = write(tmp_path / "t", "a.yml", 'name: "${WORLD}"\n')
    write(templates, "b.json", '{"name": "${WORLD}"}')
    world = 'the "new" \\ one: #1'
    render_monitoring(settings_of(tmp_path, world=world), templates, tmp_path / "out")
    assert yaml.safe_load((tmp_path / "out" / "a.yml").read_text()) == {"name": world}
    assert json.loads((tmp_path / "out" / "b.json").read_text()) == {"name": world}


def test_a_password_in_a_url_does_not_reach_the_files(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    api = msgspec.structs.replace(settings.api, new="http://me:hunter2@localhost:3200")
    values = placeholders(settings_of(tmp_path, api=api))
    assert "hunter2" not in " ".join(values.values())
    assert values["API_TARGET"] == "localhost:3200"


def test_rendering_twice_gives_the_same_files(tmp_path: Path, rendered: Path) -> None:
    before = {path.name: path.read_bytes() for path in rendered.iterdir()}
    first = render_monitoring(settings_of(tmp_path), SHIPPED, rendered)
    assert {path.name: path.read_bytes() for path in rendered.iterdir()} == before
    assert ScrapeTarget("http://localhost:3200/metrics", "prometheus-scrape.yml") in first
