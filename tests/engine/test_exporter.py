"""wsdash's own /metrics: names, types and values; only what is fresh; GET of one page and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest

from tests.engine.exported import NOW, SEEN, page, values
from tests.support.servers import free_port
from wsdash.engine.background.exporter import Exporter
from wsdash.engine.background.exposition import Exposition
from wsdash.engine.options import MetricsAddress
from wsdash.errors import InputError
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import (
    AlertChanged,
    Followed,
    ItemChanged,
    ItemState,
    LatencyReading,
    MetricsReading,
    Recorded,
)
from wsdash.plan import load_plan
from wsdash.watch.pollers.prometheus import parse_metrics


def test_what_is_known_is_told_in_base_units(tmp_path: Path) -> None:
    told = values(page(tmp_path))
    wanted = {
        "wsdash_item_state backup pre done": 1,
        "wsdash_item_state backup pre failed": 0,
        "wsdash_item_state go-no-go post pending": 1,
        "wsdash_write_downtime_seconds": 12,
        "wsdash_write_downtime_running": 0,
        "wsdash_alerts_raised warning": 1,
        "wsdash_alerts_raised critical": 0,
        "wsdash_alert_raised disk disk warning": 1,
        "wsdash_probe_up api-new": 0,
        "wsdash_probe_up api-old": 1,
        "wsdash_probe_latency_seconds api-old": 7,
        "wsdash_probe_failures_total api-new": 1,
        "wsdash_probe_duration_seconds_count api-new": 2,
        "wsdash_probe_duration_seconds_bucket 0.1 api-new": 1,
        "wsdash_probe_duration_seconds_bucket 0.2 api-new": 2,
        "wsdash_probe_duration_seconds_bucket +Inf api-old": 1,
        "wsdash_container_state workspace-api running": 1,
        "wsdash_container_healthy workspace-api": 1,
        "wsdash_container_restarts_total workspace-api": 3,
        "wsdash_container_cpu_ratio workspace-api": 1.5,
        "wsdash_container_memory_bytes workspace-api": 5,
        "wsdash_table_rows source workspace.workspace_items": 10_000,
        "wsdash_criterion holds api-latency day-1": 1,
        "wsdash_criterion unknown disk technical": 1,
        "wsdash_table_rows_difference workspace.workspace_categories": 2,
        "wsdash_run_outcome incomplete": 1,
        "wsdash_run_outcome migrated": 0,
        "wsdash_newest_reading_timestamp_seconds probe": NOW - 1,
        "wsdash_newest_reading_timestamp_seconds connections": NOW - 1,
        "wsdash_disk_used_ratio": 0.57,
    }
    assert {name: told.get(name) for name in wanted} == wanted


def test_the_move_that_goes_on_is_told(tmp_path: Path) -> None:
    events = (Followed("target", lag=0.25, log_bytes=4096, overhead=0.000_03),)
    wanted = {
        "wsdash_online_open source": 0,
        "wsdash_online_open target": 1,
        "wsdash_online_lag_seconds": 0.25,
        "wsdash_online_log_bytes": 4096,
        "wsdash_online_capture_seconds": 0.000_03,
    }
    told = values(page(tmp_path, events))
    assert {name: told.get(name) for name in wanted} == wanted
    assert not [name for name in values(page(tmp_path, events, now=NOW + 600)) if "online" in name]
    silent = values(page(tmp_path, (Followed(""),)))
    assert [name for name in silent if "online" in name] == [
        *("wsdash_online_open source", "wsdash_online_open target", "wsdash_online_log_bytes")
    ]


def test_what_is_unknown_is_left_out_and_not_nought(tmp_path: Path) -> None:
    told = values(page(tmp_path))
    for name in (
        "wsdash_probe_latency_seconds api-new",
        "wsdash_container_healthy data-timescale",
        "wsdash_container_memory_bytes data-timescale",
        "wsdash_table_rows target workspace.workspace_items",
        "wsdash_table_rows_difference workspace.workspace_items",
        "wsdash_table_rows_difference workspace.schema_version",
    ):
        assert name not in told
    nothing = values(page(tmp_path, ()))
    assert "wsdash_write_downtime_seconds" not in nothing
    assert nothing["wsdash_item_state backup pre pending"] == 1


def test_what_is_not_read_any_more_is_left_out_but_counters_stay(tmp_path: Path) -> None:
    told = values(page(tmp_path, now=NOW + 600))
    names = {name.split()[0] for name in told}
    assert not names & {
        "wsdash_probe_up",
        "wsdash_probe_latency_seconds",
        "wsdash_container_state",
        "wsdash_table_rows",
        "wsdash_disk_used_ratio",
    }
    assert told["wsdash_probe_failures_total api-new"] == 1
    assert told["wsdash_newest_reading_timestamp_seconds probe"] == NOW - 1


def test_a_raised_alert_stands_but_none_is_told_only_while_somebody_measures(tmp_path: Path) -> None:
    later = values(page(tmp_path, now=NOW + 600))
    assert later["wsdash_alerts_raised warning"] == later["wsdash_alert_raised disk disk warning"] == 1
    assert "wsdash_alerts_raised critical" not in later
    ended = AlertChanged("disk", False, "well again", NOW, "disk", "disk:percent", "warning")
    assert "wsdash_alerts_raised warning" not in values(page(tmp_path, (*SEEN, ended), NOW + 600))
    assert values(page(tmp_path, (*SEEN, ended)))["wsdash_alerts_raised warning"] == 0
    assert "wsdash_alerts_raised warning" not in values(page(tmp_path, (ended,)))
    absence = MetricsReading("absence", {"absent:api-old": 1.0})
    assert "wsdash_alerts_raised warning" not in values(page(tmp_path, (ended, absence)))


def test_what_came_in_is_counted_back_from_now_not_from_the_newest_sample(tmp_path: Path) -> None:
    writer = HistoryWriter.open(tmp_path / FILE)
    for second in range(60):
        writer.add("latency:api-new", NOW - 60 + second, 0.05)
    writer.close()
    rate = "wsdash_history_samples_per_second"
    assert values(page(tmp_path))[rate] == pytest.approx(0.2)
    assert values(page(tmp_path, now=NOW + 1800))[rate] == 0


def test_criteria_are_not_told_while_the_history_they_rest_on_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no history" * 100)
    told = values(page(tmp_path))
    assert not {name.split()[0] for name in told} & {"wsdash_criterion", "wsdash_history_bytes"}
    assert told["wsdash_migrated_timestamp_seconds"] == NOW - 86_400
    assert told["wsdash_probe_up api-old"] == 1


def test_how_the_run_stands_follows_its_items(tmp_path: Path) -> None:
    failed = ItemChanged("verify-data", ItemState.FAILED, "they differ", 1.0)
    told = values(page(tmp_path, (*SEEN, failed)))
    assert (told["wsdash_run_outcome failed"], told["wsdash_run_outcome incomplete"]) == (1, 0)


def test_the_types_are_right(tmp_path: Path) -> None:
    families = parse_metrics(page(tmp_path))
    assert families["wsdash_probe_failures_total"].kind == "counter"
    assert families["wsdash_container_restarts_total"].kind == "counter"
    assert families["wsdash_probe_duration_seconds"].kind == "histogram"
    others = {family.kind for name, family in families.items() if not name.endswith("_total")}
    assert others <= {"gauge", "histogram"}
    assert all(name.startswith("wsdash_") for name in families)


def test_prometheus_own_tool_finds_nothing_to_say(tmp_path: Path) -> None:
    found = shutil.which("promtool")
    if found is None:
        assert not os.environ.get("WSDASH_REQUIRE_PROMETHEUS"), "promtool is required here and is missing"
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    HistoryWriter.open(tmp_path / FILE).close()
    told = subprocess.run(
        [found, "check", "metrics"],
        input=page(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


async def test_one_page_is_served_and_nothing_else(tmp_path: Path) -> None:
    address = MetricsAddress(free_port())
    exposition = Exposition(load_plan())
    exporter = Exporter(exposition, lambda: NOW, tmp_path)
    await exporter.open(address)
    url = f"http://127.0.0.1:{address.port}"
    try:
        exposition.see(Recorded(1, NOW, LatencyReading("api-new", 0.25)))
        async with aiohttp.ClientSession() as session:
            async with session.get(url + "/metrics") as answer:
                assert answer.status == 200
                assert answer.headers["Content-Type"].startswith("text/plain; version=")
                assert 'wsdash_probe_latency_seconds{series="api-new"} 0.25' in await answer.text()
            for method, path, status in (
                ("POST", "/metrics", 405),
                ("DELETE", "/metrics", 405),
                ("HEAD", "/metrics", 405),
                ("GET", "/", 404),
                ("GET", "/metrics/../journal.db", 404),
            ):
                async with session.request(method, url + path) as answer:
                    assert answer.status == status, (method, path)
    finally:
        await exporter.close()


async def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    address = MetricsAddress(free_port())
    first, second = (Exporter(Exposition(load_plan()), lambda: NOW, tmp_path) for _ in range(2))
    await first.open(address)
    try:
        with pytest.raises(InputError, match="cannot be served") as told:
            await second.open(address)
        assert str(address.port) in told.value.where
    finally:
        await first.close()
