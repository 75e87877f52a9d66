"""The numbers that matter, read off the services' own pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from tests.support.servers import free_port
from tests.watch.support import FakeClock, Recorder, http_server, running, settings_of
from wsdash.config import ApiSettings, EndpointSettings, Settings
from wsdash.demo.standins.storage import create_app
from wsdash.errors import UnreachableError
from wsdash.model import MetricsReading
from wsdash.watch.board import Board
from wsdash.watch.pollers import metrics
from wsdash.watch.pollers.http import probe_session
from wsdash.watch.pollers.metrics import FAMILIES, NOTHING_ASKED, READERS, MetricsWatch
from wsdash.watch.sources import NotStartedError

COMPUTE = """# TYPE compute_ctl_up gauge
compute_ctl_up{build_tag="x",status="running"} 1
# TYPE compute_pg_current_downtime_ms gauge
compute_pg_current_downtime_ms 1500
"""
API = """# TYPE http_requests_total counter
http_requests_total{{method="GET",route="/api/items",status="200"}} {good}
http_requests_total{{method="GET",route="/api/items",status="500"}} {bad}
"""
PAGESERVER = """# TYPE pageserver_last_record_lsn gauge
pageserver_last_record_lsn{{tenant_id="t",shard_id="0000",timeline_id="a"}} {lsn}
pageserver_last_record_lsn{{tenant_id="t",shard_id="0000",timeline_id="b"}} 500
# TYPE pageserver_tenant_states_count gauge
pageserver_tenant_states_count{{state="Active"}} 1
# TYPE pageserver_wait_lsn_seconds histogram
pageserver_wait_lsn_seconds_bucket{{le="0.1"}} {few}
pageserver_wait_lsn_seconds_bucket{{le="1"}} {all}
pageserver_wait_lsn_seconds_bucket{{le="+Inf"}} {all}
pageserver_wait_lsn_seconds_sum 1
pageserver_wait_lsn_seconds_count {all}
"""
SAFEKEEPER = """# TYPE safekeeper_commit_lsn gauge
safekeeper_commit_lsn{tenant_id="t",timeline_id="a"} 1500
safekeeper_commit_lsn{tenant_id="t",timeline_id="b"} 400
safekeeper_commit_lsn{tenant_id="t",timeline_id="gone"} 9000
"""


class Pages:
    """Pages that a test may change, each under its service's address."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {}

    def route(self, service: str) -> object:
        async def page(_: aiohttp.web.Request) -> aiohttp.web.Response:
            if service not in self.text:
                return aiohttp.web.Response(status=500)
            return aiohttp.web.Response(text=self.text[service])

        return page


class Scene:
    """A MetricsWatch on real HTTP, with a clock moved by hand."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession, pages: Pages) -> None:
        self.pages = pages.text
        self.clock = FakeClock()
        self.board = Board(settings, self.clock)
        self._seen = Recorder()
        self.look = MetricsWatch(settings, session, self.board, self._seen.emit, self.clock)

    @property
    def reading(self) -> MetricsReading:
        return self._seen.of(MetricsReading)[-1]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    pages = Pages()
    routes = {
        f"/{name}/metrics": pages.route(name) for name in ("pageserver", "safekeeper", "compute", "api")
    }
    async with http_server(free_port(), routes) as url, probe_session() as session:  # type: ignore[arg-type]
        nodes = EndpointSettings("h:1", f"{url}/pageserver", "h:2", f"{url}/safekeeper", f"{url}/compute")
        api = ApiSettings(old=url, new=f"{url}/api", dashboard=url)
        yield Scene(settings_of(tmp_path, endpoints=nodes, api=api), session, pages)


async def test_the_wal_lag_is_that_of_the_slowest_timeline_both_nodes_know(scene: Scene) -> None:
    scene.pages |= {"pageserver": PAGESERVER.format(lsn=1000, few=0, all=0), "safekeeper": SAFEKEEPER}
    await scene.look()
    assert scene.reading.values["wal-lag"] == 500


async def test_a_percentile_is_of_what_came_since_the_last_minute_only(scene: Scene) -> None:
    scene.pages["pageserver"] = PAGESERVER.format(lsn=1, few=1000, all=1000)
    await scene.look()
    assert scene.reading.missing["neon:wait-lsn-p99"] == "a second look is needed"
    await scene.clock.advance(5)
    scene.pages["pageserver"] = PAGESERVER.format(lsn=1, few=1000, all=1100)
    await scene.look()
    assert scene.reading.values["neon:wait-lsn-p99"] == pytest.approx(0.1 + 0.9 * 0.99)
    for _ in range(14):
        await scene.clock.advance(5)
        await scene.look()
    assert scene.reading.missing["neon:wait-lsn-p99"] == NOTHING_ASKED


async def test_a_restarted_node_begins_anew_instead_of_telling_negative_growth(scene: Scene) -> None:
    scene.pages["api"] = API.format(good=1000, bad=50)
    await scene.look()
    await scene.clock.advance(10)
    scene.pages["api"] = API.format(good=20, bad=0)
    await scene.look()
    assert "api:errors" not in scene.reading.values
    await scene.clock.advance(10)
    scene.pages["api"] = API.format(good=40, bad=10)
    await scene.look()
    assert scene.reading.values["api:requests"] == 3
    assert scene.reading.values["api:errors"] == 60


async def test_no_broken_tenant_is_nought_only_where_tenants_are_told(scene: Scene) -> None:
    scene.pages |= {"pageserver": PAGESERVER.format(lsn=1, few=0, all=0), "safekeeper": SAFEKEEPER}
    await scene.look()
    assert scene.reading.values["neon:broken-tenants"] == 0
    scene.pages["pageserver"] = "# TYPE something gauge\nsomething 1\n"
    await scene.look()
    assert scene.reading.missing["neon:broken-tenants"] == "pageserver_tenant_states_count is not reported"


async def test_the_computes_numbers_are_read_where_it_is_reached(scene: Scene) -> None:
    scene.pages["compute"] = COMPUTE
    await scene.look()
    assert scene.reading.values["neon:compute-up"] == 1
    assert scene.reading.values["neon:compute-downtime"] == 1.5


async def test_what_cannot_be_read_is_missing_with_its_reason_and_the_rest_is_told(scene: Scene) -> None:
    scene.pages |= {"safekeeper": "<html>", "api": API.format(good=1, bad=0), "compute": COMPUTE}
    await scene.look()
    assert scene.reading.missing["neon:resident-size"] == "pageserver: /metrics answered 500"
    assert "is not in Prometheus" in scene.reading.missing["neon:safekeeper-disk"]
    assert scene.reading.values.keys() == {"neon:compute-up", "neon:compute-downtime"}
    assert scene.reading.values.keys() | scene.reading.missing.keys() == READERS.keys()


async def test_no_page_at_all_is_a_failure_unless_nothing_is_meant_to_run(scene: Scene) -> None:
    with pytest.raises(UnreachableError):
        await scene.look()
    for name in (
        "workspace-db-pageserver",
        "workspace-db-safekeeper",
        "workspace-db-compute",
        "workspace-api",
    ):
        scene.board.put(running(name, state="exited", exit_code=0))
    with pytest.raises(NotStartedError, match="workspace-db-pageserver is exited"):
        await scene.look()


async def test_the_storage_stand_ins_tell_all_that_the_real_nodes_would(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        urls = {}
        for node in ("pageserver", "safekeeper"):
            server = TestServer(create_app(node, "127.0.0.1", free_port(), tmp_path / node))
            await stack.enter_async_context(server)
            urls[node] = str(server.make_url("/"))
        session = await stack.enter_async_context(probe_session())
        dead = f"http://127.0.0.1:{free_port()}"
        settings = settings_of(
            tmp_path,
            endpoints=EndpointSettings("h:1", urls["pageserver"], "h:2", urls["safekeeper"]),
            api=ApiSettings(old=dead, new=dead, dashboard=dead),
        )
        scene = Scene(settings, session, Pages())
        await scene.look()
    told = scene.reading.values
    assert {"wal-lag", "neon:resident-size", "neon:logical-size", "neon:safekeeper-disk"} <= told.keys()
    assert told["neon:broken-tenants"] == 0
    assert scene.reading.missing["neon:compute-up"] == "compute: its address is not set"


def test_nothing_that_is_read_of_a_page_is_passed_over() -> None:
    source = inspect.getsource(metrics)
    named = set(re.findall(r'"((?:pageserver|safekeeper|compute|db_pool|http)_[a-z_]+)"', source))
    assert len(named) > 10
    assert [name for name in named if not name.startswith(FAMILIES)] == []
