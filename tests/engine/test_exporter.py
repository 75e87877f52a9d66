"""wsdash's own /metrics: names, types and values; only what is fresh; GET of one page and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.support.servers import free_port
from wsdash.engine.exporter import Exporter, _Page
from wsdash.engine.exposition import Exposition
from wsdash.engine.options import MetricsAddress
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerReading,
    CriterionFound,
    DayFound,
    Downtime,
    HostReading,
    ItemChanged,
    ItemState,
    LatencyReading,
    Recorded,
    RowsReading,
    TimelineJudged,
)
from wsdash.plan import load_plan
from wsdash.watch.prometheus import parse_metrics

NOW = 1_800_000_000.0
FINE = CriterionFound("api-latency", True, "57 ms", "≤ 200 ms")
UNSEEN = CriterionFound("disk", None, "nothing measured", "≤ 80 %")
SEEN: tuple[AnyEvent, ...] = (
    ItemChanged("backup", ItemState.DONE, "it holds", 1.0),
    Downtime(False, NOW - 900, NOW - 888),
    AlertChanged("disk", True, 'Disk "filling"\n81 %', NOW - 60, "disk", "disk:percent", "warning", 81.0),
    LatencyReading("api-new", 0.15),
    LatencyReading("api-new", 0.03),
    LatencyReading("api-new", None, "refused"),
    LatencyReading("api-old", 7.0),
    ContainerReading(
        "workspace-api", "running", "healthy", "workspace", cpu_percent=150.0, memory_bytes=5, restarts=3
    ),
    ContainerReading("data-timescale", "exited", "none"),
    RowsReading("workspace.workspace_items", 10_000, None, estimated=True),
    HostReading(57.0, 10**9, 1.0, 60 << 20, 0.001),
    TimelineJudged(NOW - 86_400, (DayFound(1, "Monitoring", "-", "go", (FINE,)),), {"technical": (UNSEEN,)}),
)


def page(state: Path, events: Sequence[AnyEvent] = SEEN, now: float = NOW) -> str:
    exposition = Exposition(load_plan())
    for number, event in enumerate(events, 1):
        exposition.see(Recorded(number, NOW - 1, event))
    registry = CollectorRegistry(auto_describe=False)
    reader = HistoryReader(state / FILE)
    registry.register(_Page(exposition, lambda: now, reader))
    text = generate_latest(registry).decode()
    reader.close()
    return text


def values(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f" {sample.labels[key]}" for key in sorted(sample.labels)): sample.value
        for family in parse_metrics(text).values()
        for sample in family.samples
    }


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
        "wsdash_disk_used_ratio": 0.57,
    }
    assert {name: told.get(name) for name in wanted} == wanted


def test_what_is_unknown_is_left_out_and_not_nought(tmp_path: Path) -> None:
    told = values(page(tmp_path))
    for name in (
        "wsdash_probe_latency_seconds api-new",
        "wsdash_container_healthy data-timescale",
        "wsdash_container_memory_bytes data-timescale",
        "wsdash_table_rows target workspace.workspace_items",
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
    assert told["wsdash_alerts_raised warning"] == 1


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
