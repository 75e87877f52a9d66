"""The pageserver's metrics by their real names, types and labels; some counters lack _total, as there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wsdash.demo.service import Histogram, Labels, exposition, family
from wsdash.demo.standins.shared import BYTES_PER_SECOND, INITDB_LSN

QUERIES = ("get_page_at_lsn", "get_rel_exists", "get_rel_size", "get_db_size", "get_slru_segment")
PER_TIMELINE = (
    "last_record_lsn",
    "disk_consistent_lsn",
    "projected_remote_consistent_lsn",
    "resident_physical_size",
    "current_logical_size",
    "pitr_history_size",
)
LOGICAL_BYTES, PHYSICAL_BYTES = 31_457_280, 34_603_008


def pageserver_metrics(
    timelines: Sequence[tuple[str, str, int]], tenant_states: Sequence[str], uptime: float
) -> str:
    """One page. timelines: (tenant id, timeline id, LSN); uptime in seconds since the start."""
    families = [_gauge_per_timeline(name, timelines) for name in PER_TIMELINE]
    families += [
        _plain("resident_physical_size_global", "gauge", PHYSICAL_BYTES * len(timelines)),
        _plain("remote_physical_size_global", "gauge", PHYSICAL_BYTES * len(timelines)),
        _plain("startup_is_loading", "gauge", 0),
        _plain("walreceiver_active_managers", "gauge", len(timelines)),
        _plain("walreceiver_broker_updates_total", "counter", int(uptime)),
        _plain("wal_ingest_bytes_received", "counter", int(uptime * BYTES_PER_SECOND)),
        _plain("wal_ingest_records_received", "counter", int(uptime * 12)),
        _plain("wal_ingest_records_committed", "counter", int(uptime * 12)),
        _states("tenant_states_count", Counter(tenant_states)),
        _states("timeline_states_count", Counter({"Active": len(timelines)})),
    ]
    families += [_upload_calls(name, timelines, uptime) for name in ("started", "finished")]
    families += [_connections(name, uptime) for name in ("started", "finished")]
    families += _histograms(uptime)
    families += [
        family("libmetrics_maxrss_kb", "gauge", "Memory usage (Maximum Resident Set Size)", [({}, 61_440)]),
        family("libmetrics_tracing_event_count", "counter", "Number of events", _levels(uptime)),
    ]
    return exposition(families)


def _plain(name: str, kind: str, value: float) -> str:
    return family(f"pageserver_{name}", kind, name.replace("_", " "), [({}, value)])


def _gauge_per_timeline(name: str, timelines: Sequence[tuple[str, str, int]]) -> str:
    def value(lsn: int) -> float:
        if name.endswith("_lsn"):
            return lsn
        if name == "pitr_history_size":
            return lsn - INITDB_LSN
        return LOGICAL_BYTES if name == "current_logical_size" else PHYSICAL_BYTES

    samples = [(_labels(tenant, timeline), value(lsn)) for tenant, timeline, lsn in timelines]
    return family(f"pageserver_{name}", "gauge", name.replace("_", " "), samples)


def _labels(tenant: str, timeline: str) -> dict[str, str]:
    return {"tenant_id": tenant, "shard_id": "0000", "timeline_id": timeline}


def _states(name: str, states: Counter[str]) -> str:
    samples = [({"state": state}, float(count)) for state, count in sorted(states.items())]
    return family(f"pageserver_{name}", "gauge", name.replace("_", " "), samples)


def _upload_calls(name: str, timelines: Sequence[tuple[str, str, int]], uptime: float) -> str:
    labels = {"file_kind": "layer", "op_kind": "upload"}
    samples = [(_labels(tenant, timeline) | labels, int(uptime / 30)) for tenant, timeline, _ in timelines]
    title = f"remote_timeline_client_calls_{name}"
    return family(f"pageserver_{title}", "counter", "Calls of the remote timeline client", samples)


def _connections(name: str, uptime: float) -> str:
    samples: list[tuple[Labels, float]] = [({"pageserver_connection_kind": "page_service"}, int(uptime / 60))]
    return family(f"pageserver_live_connections_{name}", "counter", "Network connections", samples)


def _levels(uptime: float) -> list[tuple[Labels, float]]:
    counts = {"error": 0, "warn": 0, "info": int(uptime), "debug": 0, "trace": 0}
    return [({"level": level}, count) for level, count in counts.items()]


def _histograms(uptime: float) -> list[str]:
    queries = Histogram("pageserver_smgr_query_seconds_global", "Time spent on smgr query handling")
    basebackup = Histogram("pageserver_basebackup_query_seconds", "Histogram of basebackup queries")
    waits = Histogram("pageserver_wait_lsn_seconds", "Time spent waiting for WAL to arrive")
    redo = Histogram("pageserver_wal_redo_seconds", "Time spent on WAL redo")
    storage = Histogram("pageserver_storage_operations_seconds_global", "Time spent on storage operations")
    times = 1 + int(uptime / 5)
    for query in QUERIES:
        queries.observe(0.002, times, smgr_query_type=query)
    basebackup.observe(0.08, times, result="ok")
    waits.observe(0.004, times)
    redo.observe(0.001, times)
    storage.observe(0.02, times, operation="flush loop")
    return [histogram.family() for histogram in (queries, basebackup, waits, redo, storage)]
