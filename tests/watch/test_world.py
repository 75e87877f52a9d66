"""The whole watch: every source of a world at once, on real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.support.servers import Server, free_port
from tests.watch.support import EPOCH, FakeStack, Recorder, answer, http_server, polling, running, settings_of
from wsdash.config import ApiSettings, EndpointSettings, Settings
from wsdash.errors import InputError, UnreachableError
from wsdash.model import (
    AlertChanged,
    ContainerReading,
    HostReading,
    LatencyReading,
    Liveness,
    LogLine,
    Notice,
    PortReading,
    RowsReading,
    SourceState,
)
from wsdash.watch.sources import Connections
from wsdash.watch.world import watch_world


async def no_rows() -> list[RowsReading]:
    return [RowsReading("workspace.workspace_items", 10, None)]


def world(tmp_path: Path, pg: int, api: str) -> Settings:
    dead = f"127.0.0.1:{free_port()}"
    shipped = settings_of(tmp_path)
    return settings_of(
        tmp_path,
        api=ApiSettings(old=api, new=f"http://{dead}", dashboard="http://localhost"),
        endpoints=EndpointSettings(f"127.0.0.1:{pg}", api, dead, f"http://{dead}"),
        source=msgspec.structs.replace(shipped.source, host="127.0.0.1", port=pg),
        target=msgspec.structs.replace(shipped.target, host="127.0.0.1", port=int(dead.rpartition(":")[2])),
        ports=(pg,),
    )


async def test_every_source_of_a_world_is_read(tmp_path: Path, pg16: Server) -> None:
    seen, stop = Recorder(), asyncio.Event()
    stack = FakeStack([running("apps-workspace"), running("workspace-api", state="created", health="none")])
    stack.history = [LogLine("apps-workspace", EPOCH, "stdout", "hello")]
    routes = {
        "/health": answer(),
        "/api/items": answer(),
        "/v1/status": answer(),
        "/metrics": answer(text="up 1\n"),
    }
    async with http_server(free_port(), routes) as url:
        watch = watch_world(
            world(tmp_path, pg16.port, url),
            stack,
            seen.emit,
            seen.on_log,
            count_rows=no_rows,
            stop=stop,
            logs_since=EPOCH,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(watch)
            await seen.until(lambda: len({state.source for state in seen.of(SourceState)}) == 12)
            await seen.until(lambda: len(seen.of(ContainerReading)) >= 12)
            stop.set()
    live = {state.source for state in seen.of(SourceState) if state.liveness is Liveness.LIVE}
    assert live == {
        "containers",
        "host",
        "rows",
        "logs",
        "ports",
        "latency:api-old",
        "latency:pageserver",
        "latency:source-db",
        "metrics",
    }
    assert {reading.series for reading in seen.of(LatencyReading) if reading.seconds} == {
        "api-old",
        "pageserver",
        "source-db",
    }
    assert [line.text for line in seen.lines] == ["hello"]
    assert "postgres" in seen.of(PortReading)[0].holder
    assert seen.of(HostReading)
    assert seen.of(RowsReading)
    not_started = [state for state in seen.of(SourceState) if state.source == "latency:api-new"]
    assert not_started[-1].detail == "not started: workspace-api is created"


async def test_without_a_stop_it_runs_until_it_is_cancelled(tmp_path: Path) -> None:
    seen, stack = Recorder(), FakeStack([running("workspace-api")])
    settings = settings_of(tmp_path)

    async def run() -> None:
        await watch_world(settings, stack, seen.emit, seen.on_log, count_rows=no_rows)

    async with polling(run):
        await seen.until(lambda: seen.of(HostReading))
    async with asyncio.timeout(90):  # a client library may need a turn of the loop to close its sockets
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - there is no event for a task's end
            await asyncio.sleep(0.01)


async def test_one_source_that_fails_does_not_disturb_the_others(tmp_path: Path) -> None:
    seen, stack = Recorder(), FakeStack()
    stack.error = UnreachableError("the Docker engine does not answer")
    settings = settings_of(tmp_path)

    async def run() -> None:
        await watch_world(settings, stack, seen.emit, seen.on_log, count_rows=no_rows)

    async with polling(run):
        await seen.until(lambda: seen.states("containers") and len(seen.of(HostReading)) >= 2)
        stack.error = None
        await seen.until(lambda: Liveness.LIVE in seen.states("containers"))
    assert seen.states("containers")[0] is Liveness.RECONNECTING


async def test_a_restart_reaches_notices_logs_and_the_alert(tmp_path: Path) -> None:
    seen, stack = Recorder(), FakeStack([running("workspace-api", restarts=0)])
    settings = settings_of(tmp_path)

    async def run() -> None:
        await watch_world(settings, stack, seen.emit, seen.on_log, count_rows=no_rows)

    def alerted() -> bool:
        changes = seen.of(AlertChanged)
        return any(change.rule == "container-restarts" and change.raised for change in changes)

    async with polling(run):
        await seen.until(lambda: seen.of(ContainerReading))
        stack.now = [running("workspace-api", restarts=1)]
        await seen.until(alerted)
    assert [notice.text for notice in seen.of(Notice)] == ["workspace-api restarted (restart 1)"]
    assert [line.text for line in seen.lines] == ["-- restarted (restart 1) --"]


async def test_the_pool_alert_asks_what_it_is_given(tmp_path: Path) -> None:
    seen, asked = Recorder(), asyncio.Event()
    (tmp_path / "alerts.yaml").write_text(
        "rules: [{id: pool, title: Pool, series: pool:used, share-of: pool:limit, threshold: 0.02, "
        "explanation: few}]"
    )

    async def connections() -> Connections:
        asked.set()
        return Connections(3, 100, {"idle": 3})

    async def run() -> None:
        await watch_world(
            settings_of(tmp_path, directory=str(tmp_path)),
            FakeStack(),
            seen.emit,
            seen.on_log,
            count_rows=no_rows,
            connections=connections,
        )

    async with polling(run):
        await seen.until(lambda: any(change.rule == "pool" for change in seen.of(AlertChanged)))
    assert asked.is_set()


async def test_an_address_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    nodes = EndpointSettings("nowhere", "http://localhost", "localhost:1", "http://localhost")
    seen = Recorder()
    with pytest.raises(InputError, match="'nowhere' is no address"):
        await watch_world(
            settings_of(tmp_path, endpoints=nodes), FakeStack(), seen.emit, seen.on_log, count_rows=no_rows
        )
