"""A page of wsdash's own /metrics, made of events that hold something of everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from wsdash.engine.background.exporter import _Page
from wsdash.engine.background.exposition import Exposition
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
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
    MetricsReading,
    Recorded,
    RowsReading,
    TimelineJudged,
)
from wsdash.plan import load_plan
from wsdash.watch.pollers.prometheus import parse_metrics

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
    RowsReading("workspace.workspace_categories", 6, 8),
    RowsReading("workspace.schema_version", 1, 2, note="they cannot be compared"),
    HostReading(57.0, 10**9, 1.0, 60 << 20, 0.001),
    MetricsReading("connections", {"pool:used": 3.0}),
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
