"""What the stack's services tell of themselves on /metrics, as the few numbers that matter.

Names, types and labels of the storage nodes' metrics are those of Neon's sources (pageserver/src/metrics.rs,
safekeeper/src/metrics.rs, compute_tools). There is no metric of the WAL lag: it is how far the safekeeper's
commit LSN is ahead of the pageserver's last record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from wsdash.api.allowance import allowance_of
from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import MetricsReading
from wsdash.watch.board import Board
from wsdash.watch.limits import PAGE_TIMEOUT
from wsdash.watch.pollers.http import timed_get
from wsdash.watch.pollers.poller import Pace
from wsdash.watch.pollers.prometheus import Counters, Family, Growth, buckets, parse_metrics, quantile
from wsdash.watch.sources import Emit, NotStartedError

PACE = Pace(interval=5.0, timeout=8.0, longest_pause=15.0)
GETPAGE = "pageserver_smgr_query_seconds_global"
REDO = "pageserver_wal_redo_seconds"
WAITS = "pageserver_wait_lsn_seconds"
CALLS = "pageserver_remote_timeline_client_calls"
LIVE = "pageserver_live_connections"
FAMILIES = (
    GETPAGE,
    REDO,
    WAITS,
    CALLS,
    LIVE,
    "pageserver_tenant_states_count",
    "pageserver_broken_tenants_count",
    "pageserver_last_record_lsn",
    "pageserver_resident_physical_size_global",
    "pageserver_current_logical_size",
    "safekeeper_commit_lsn",
    "safekeeper_remote_consistent_lsn",
    "safekeeper_disk_usage_bytes",
    "compute_ctl_up",
    "compute_pg_current_downtime_ms",
    "db_pool_",
    "http_requests_total",
)
"""All that is read of the pages: names, or what names begin with."""
NOTHING_ASKED = "nothing was asked in the last minute"

Families = dict[str, Family]


class AbsentError(Exception):
    """A page does not tell this; the message says why, for people."""


@dataclass(frozen=True)
class Page:
    """One service's metrics, just read, with what its histograms grew by. seconds: over which they grew."""

    families: Families
    seconds: float
    grown: Counters

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series that carry these labels. Raises AbsentError."""
        family = self.families.get(name)
        found = [
            sample.value
            for sample in (family.samples if family is not None else ())
            if all(sample.labels.get(label) == value for label, value in labels.items())
        ]
        if not found:
            raise AbsentError(f"{name} is not reported")
        return sum(found)

    def p99(self, name: str) -> float:
        """The 99th percentile of a histogram's growth; seconds. Raises AbsentError."""
        if name not in self.families:
            raise AbsentError(f"{name} is not reported")
        found = quantile(0.99, {key[1]: value for key, value in self.grown.items() if key[0] == name})
        if found is None:
            raise AbsentError(NOTHING_ASKED if self.seconds else "a second look is needed")
        return found


Pages = Mapping[str, Page | str]
"""Service -> its page, or why there is none."""
Read = Callable[[Pages], float]


def _page(pages: Pages, service: str) -> Page:
    page = pages.get(service, "its address is not set")
    if isinstance(page, str):
        raise AbsentError(f"{service}: {page}")
    return page


def _of(service: str, read: Callable[[Page], float]) -> Read:
    return lambda pages: read(_page(pages, service))


def _broken(page: Page) -> float:
    # the gauge is only there when a tenant is broken; that tenants are listed shows that the page is whole
    page.total("pageserver_tenant_states_count")
    family = page.families.get("pageserver_broken_tenants_count")
    return sum(sample.value for sample in family.samples) if family is not None else 0.0


def _wal_lag(pages: Pages) -> float:
    """Bytes that the safekeeper committed and the pageserver has not taken in, of the slowest timeline."""
    safe = _lsn_by_timeline(_page(pages, "safekeeper"), "safekeeper_commit_lsn")
    page = _lsn_by_timeline(_page(pages, "pageserver"), "pageserver_last_record_lsn")
    both = safe.keys() & page.keys()
    if not both:
        raise AbsentError("no timeline is known to both storage nodes")
    # read at slightly different times: a pageserver that seems ahead is level
    return max(max(0.0, safe[timeline] - page[timeline]) for timeline in both)


def wal_kept(families: Families) -> float:
    """Bytes of WAL that the safekeeper may not remove yet: committed, and not stored by the pageserver.

    Of the timeline with most of it (safekeeper/src/remove_wal.rs, calc_horizon_lsn). A backup of WAL, where
    one is kept, comes on top, and no metric counts it. Raises AbsentError.
    """
    page = Page(families, 0.0, {})
    committed = _lsn_by_timeline(page, "safekeeper_commit_lsn")
    stored = _lsn_by_timeline(page, "safekeeper_remote_consistent_lsn")
    # 0: the pageserver has reported nothing yet, since this safekeeper or this timeline began
    found = [lsn - stored[timeline] for timeline, lsn in committed.items() if stored.get(timeline)]
    if not found:
        raise AbsentError("the pageserver has not reported yet what it stored")
    return max(0.0, *found)


def _lsn_by_timeline(page: Page, name: str) -> dict[tuple[str, str], float]:
    page.total(name)
    return {
        (sample.labels.get("tenant_id", ""), sample.labels.get("timeline_id", "")): sample.value
        for sample in page.families[name].samples
    }


READERS: dict[str, Read] = {
    "neon:getpage-p99": _of("pageserver", lambda page: page.p99(GETPAGE)),
    "wal-lag": _wal_lag,
    "neon:wait-lsn-p99": _of("pageserver", lambda page: page.p99(WAITS)),
    "neon:wal-redo-p99": _of("pageserver", lambda page: page.p99(REDO)),
    "neon:upload-queue": _of(
        "pageserver",
        lambda page: max(
            0.0,
            page.total(f"{CALLS}_started", op_kind="upload")
            - page.total(f"{CALLS}_finished", op_kind="upload"),
        ),
    ),
    "neon:broken-tenants": _of("pageserver", _broken),
    "neon:resident-size": _of(
        "pageserver", lambda page: page.total("pageserver_resident_physical_size_global")
    ),
    "neon:logical-size": _of("pageserver", lambda page: page.total("pageserver_current_logical_size")),
    "neon:live-connections": _of(
        "pageserver", lambda page: max(0.0, page.total(f"{LIVE}_started") - page.total(f"{LIVE}_finished"))
    ),
    "neon:safekeeper-disk": _of("safekeeper", lambda page: page.total("safekeeper_disk_usage_bytes")),
    "neon:wal-kept": _of("safekeeper", lambda page: wal_kept(page.families)),
    "neon:compute-up": _of("compute", lambda page: page.total("compute_ctl_up")),
    "neon:compute-downtime": _of(
        "compute", lambda page: page.total("compute_pg_current_downtime_ms") / 1000.0
    ),
    "api:requests": _of("api", lambda page: _rate(page, lambda status: True)),
    "api-pool:used": _of(
        "api", lambda page: max(0.0, page.total("db_pool_connections") - page.total("db_pool_idle"))
    ),
    "api-pool:limit": _of("api", lambda page: page.total("db_pool_max")),
    "api:errors": _of("api", lambda page: 60 * _rate(page, lambda status: status.startswith("5"))),
}
"""Series -> how it is read off the pages. Sizes are bytes, times seconds, api:requests a second, api:errors a
minute."""


def _rate(page: Page, counts: Callable[[str], bool]) -> float:
    if "http_requests_total" not in page.families:
        raise AbsentError("http_requests_total is not reported")
    if not page.seconds:
        raise AbsentError("a second look is needed")
    grown = sum(
        value for key, value in page.grown.items() if key[0] == "http_requests_total" and counts(str(key[1]))
    )
    return max(0.0, grown) / page.seconds


def read_all(pages: Pages) -> tuple[dict[str, float], dict[str, str]]:
    """Every number the pages tell, and why each of the others is missing."""
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    for series, read in READERS.items():
        try:
            values[series] = read(pages)
        except AbsentError as absent:
            missing[series] = str(absent)
    return values, missing


def counters_of(families: Families) -> Counters:
    """What grows and is needed: the buckets of three histograms, and the API's requests by status."""
    found: Counters = {}
    for name, labels in ((GETPAGE, {"smgr_query_type": "get_page_at_lsn"}), (REDO, {}), (WAITS, {})):
        if name in families:
            own = buckets(families[name], **labels)
            found |= {(name, bound): count for bound, count in own.items()}
    if "http_requests_total" in families:
        for sample in families["http_requests_total"].samples:
            key = ("http_requests_total", sample.labels.get("status", ""))
            found[key] = found.get(key, 0.0) + sample.value
    return found


class MetricsWatch:
    """The probe of the source `metrics`: reads every service's page and emits one MetricsReading.

    A service that is not meant to run, or whose address is not set, leaves its numbers out with the reason.
    """

    def __init__(
        self,
        settings: Settings,
        session: aiohttp.ClientSession,
        board: Board,
        emit: Emit,
        clock: Clock | None = None,
    ) -> None:
        nodes = settings.endpoints
        bases = {
            "pageserver": nodes.pageserver_http,
            "safekeeper": nodes.safekeeper_http,
            "compute": nodes.compute_http,
            "api": settings.api.new,
        }
        self._urls = {service: base.rstrip("/") + "/metrics" for service, base in bases.items() if base}
        self._session = session
        self._board = board
        self._emit = emit
        self._clock = clock or SystemClock()
        self._api = allowance_of(settings.api.new, settings.api.max_requests_per_minute)
        self._growth: dict[str, Growth] = {service: Growth() for service in self._urls}

    async def __call__(self) -> None:
        """Read all pages once; what cannot be read is missing, with its reason.

        Raises UnreachableError when no page could be read, NotStartedError when none is meant to be.
        """
        read = await asyncio.gather(*(self._read(service) for service in self._urls))
        values, missing = read_all(dict(zip(self._urls, read, strict=True)))
        self._emit(MetricsReading("metrics", values, missing))
        reasons = [page for page in read if isinstance(page, str)]
        if len(reasons) == len(read):
            not_started = all(reason.startswith("not started") for reason in reasons)
            raise NotStartedError(reasons[0]) if not_started else UnreachableError(reasons[0])

    async def _read(self, service: str) -> Page | str:
        allowance = self._api if service == "api" else None
        if allowance is not None:
            if allowance.refused:
                return "not asked for a while: the API answered 429 (too many requests from here)"
            allowance.count()
        timing = await timed_get(self._session, self._urls[service], timeout=PAGE_TIMEOUT)
        if allowance is not None:
            allowance.answered(timing.status, timing.headers)
        if timing.status != 200:
            series = {"api": "api-new", "compute": "target-db"}.get(service, service)
            absence = self._board.absence(series)
            return absence or timing.error or f"/metrics answered {timing.status}"
        try:
            text = timing.body.decode("utf-8", "replace")
            families = await asyncio.to_thread(parse_metrics, text, FAMILIES)
        except WsdashError as error:
            return error.what
        growth = self._growth[service]
        growth.put(self._clock.monotonic(), counters_of(families))
        return Page(families, *growth.growth())
