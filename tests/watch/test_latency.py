"""Latency probes on real sockets: the API, PostgreSQL's port, the storage nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.support.servers import Server, free_port
from tests.watch.support import FakeClock, Recorder, answer, hang, http_server, polling, running, settings_of
from wsdash.errors import InputError, UnreachableError
from wsdash.model import LatencyReading, Liveness
from wsdash.watch.board import Board
from wsdash.watch.pollers import api
from wsdash.watch.pollers.api import ApiProbe
from wsdash.watch.pollers.http import probe_session, timed_get
from wsdash.watch.pollers.poller import Pace, Poller
from wsdash.watch.pollers.storage import DatabaseProbe, StorageProbe, ask_database, split_address
from wsdash.watch.sources import NotStartedError, SilentError

QUICK = Pace(interval=0.05, timeout=5.0, overlap=100, longest_pause=0.1)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with probe_session() as opened:
        yield opened


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(settings_of(tmp_path), FakeClock())


@asynccontextmanager
async def tcp_server(said: bytes | None) -> AsyncIterator[int]:
    """Answers whatever it is sent with `said` (None: with silence); its port."""
    let_go = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        if said is None:
            await let_go.wait()
        else:
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        let_go.set()
        server.close()


@asynccontextmanager
async def trusting_server() -> AsyncIterator[int]:
    """Lets every client of PostgreSQL's protocol in, as storage nodes without authentication do; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await reader.read(1000)
        writer.write(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_request_is_taken_apart(session: aiohttp.ClientSession) -> None:
    async def slow(request: aiohttp.web.Request) -> aiohttp.web.Response:
        await asyncio.sleep(0.1)
        return aiohttp.web.Response(text="hello")

    port = free_port()
    async with http_server(port, {"/": slow}):
        timing = await timed_get(session, f"http://localhost:{port}/")
    assert (timing.status, timing.error, timing.body) == (200, "", b"hello")
    assert set(timing.parts) == {"name_lookup", "connect", "first_byte", "body"}
    assert timing.parts["first_byte"] >= 0.1
    assert timing.seconds is not None
    assert sum(timing.parts.values()) <= timing.seconds + 0.001


async def test_every_request_pays_for_its_own_connection(session: aiohttp.ClientSession) -> None:
    async with http_server(free_port(), {"/": answer()}) as url:
        timings = [await timed_get(session, url + "/") for _ in range(2)]
    assert all("connect" in timing.parts for timing in timings)


async def test_a_plain_session_measures_the_total_without_parts() -> None:
    async with http_server(free_port(), {"/": answer(404)}) as url, aiohttp.ClientSession() as plain:
        timing = await timed_get(plain, url + "/")
    assert timing.status == 404
    assert timing.seconds is not None
    assert timing.parts == {}


async def test_a_server_that_hangs_is_told_as_no_answer(session: aiohttp.ClientSession) -> None:
    async with http_server(free_port(), {"/": hang}) as url:
        timing = await timed_get(session, url + "/", timeout=0.1)
    assert (timing.seconds, timing.status, timing.error) == (None, 0, "no answer within 0.1 s")


async def test_a_closed_port_is_told_as_refused(session: aiohttp.ClientSession) -> None:
    timing = await timed_get(session, f"http://127.0.0.1:{free_port()}/")
    assert timing.error == "connection refused"


async def test_a_url_that_is_none_is_told_and_not_raised(session: aiohttp.ClientSession) -> None:
    assert (await timed_get(session, "http://")).error


async def test_the_api_is_measured_by_the_guides_metric(session: aiohttp.ClientSession, board: Board) -> None:
    seen, asked = Recorder(), list[str]()

    async def items(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.append(request.path_qs)
        return aiohttp.web.json_response({"success": True, "count": 0, "data": []})

    async with http_server(free_port(), {"/health": answer(), "/api/items": items}) as url:
        await ApiProbe("api-new", url, session, board, seen.emit)()
    (reading,) = seen.of(LatencyReading)
    assert asked == ["/api/items"]
    assert reading.series == "api-new"
    assert reading.seconds is not None
    assert reading.seconds > 0


async def test_a_failing_api_leaves_a_gap_with_its_error(
    session: aiohttp.ClientSession, board: Board
) -> None:
    seen = Recorder()
    routes = {"/health": answer(), "/api/items": answer(500)}
    async with http_server(free_port(), routes) as url:
        with pytest.raises(UnreachableError):
            await ApiProbe("api-new", url, session, board, seen.emit)()
    assert seen.events == [LatencyReading("api-new", None, "GET /api/items answered 500")]


async def test_an_api_that_takes_the_question_and_is_silent_is_told_from_one_that_refuses(
    session: aiohttp.ClientSession, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "timed_get", partial(timed_get, timeout=0.2))
    seen = Recorder()
    async with http_server(free_port(), {"/health": hang}) as url:
        with pytest.raises(SilentError, match="no answer within"):
            await ApiProbe("api-new", url, session, board, seen.emit)()
    with pytest.raises(UnreachableError) as refused:
        await ApiProbe("api-new", f"http://127.0.0.1:{free_port()}", session, board, seen.emit)()
    assert not isinstance(refused.value, SilentError)


async def test_an_api_that_waits_for_its_schema_is_not_asked_for_items(
    session: aiohttp.ClientSession, board: Board
) -> None:
    seen, asked = Recorder(), list[str]()

    async def items(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.append(request.path)
        return aiohttp.web.Response(status=503)

    routes = {"/health": answer(200, '{"status": "healthy", "schema": "missing"}'), "/api/items": items}
    async with http_server(free_port(), routes) as url:
        with pytest.raises(NotStartedError, match="waits for its tables"):
            await ApiProbe("api-new", url, session, board, seen.emit)()
    assert asked == []
    assert seen.events == []


async def test_an_api_that_was_not_started_is_no_failure(
    session: aiohttp.ClientSession, board: Board
) -> None:
    seen = Recorder()
    board.put(running("workspace-api", state="created", health="none"))
    probe = ApiProbe("api-new", f"http://127.0.0.1:{free_port()}", session, board, seen.emit)
    with pytest.raises(NotStartedError, match="workspace-api is created"):
        await probe()
    assert seen.events == []


async def test_an_api_that_dies_and_returns_is_found_again_by_itself(
    session: aiohttp.ClientSession, board: Board
) -> None:
    seen, port = Recorder(), free_port()
    routes = {"/health": answer(), "/api/items": answer()}
    probe = ApiProbe("api-new", f"http://127.0.0.1:{port}", session, board, seen.emit)

    def answered() -> int:
        return sum(reading.seconds is not None for reading in seen.of(LatencyReading))

    poller = Poller("latency:api-new", probe, seen.emit, QUICK)
    async with AsyncExitStack() as first_life:
        await first_life.enter_async_context(http_server(port, routes))
        async with polling(poller.run):
            await seen.until(lambda: answered() >= 2)
            await first_life.aclose()
            await seen.until(lambda: seen.states("latency:api-new")[-1] is Liveness.DOWN)
            before = answered()
            async with http_server(port, routes):
                await seen.until(lambda: answered() >= before + 2)
    assert seen.states("latency:api-new")[0] is Liveness.LIVE
    assert seen.states("latency:api-new")[-1] is Liveness.LIVE
    errors = {reading.error for reading in seen.of(LatencyReading)} - {""}
    assert errors <= {
        "connection refused",
        "connection reset by peer",
        "ServerDisconnectedError: Server disconnected",
    }


async def test_a_slow_api_is_still_asked_on_schedule(session: aiohttp.ClientSession, board: Board) -> None:
    seen, times = Recorder(), list[float]()

    async def slow(request: aiohttp.web.Request) -> aiohttp.web.Response:
        times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.5)
        return aiohttp.web.Response()

    async with http_server(free_port(), {"/health": answer(), "/api/items": slow}) as url:
        probe = ApiProbe("api-new", url, session, board, seen.emit)
        async with polling(Poller("latency:api-new", probe, seen.emit, QUICK).run):
            await seen.until(lambda: len(seen.of(LatencyReading)) >= 1)
    assert len(times) >= 5


async def test_a_real_postgresql_answers_an_ssl_request(pg16: Server, pg18: Server) -> None:
    for server in (pg16, pg18):
        assert (await ask_database("127.0.0.1", server.port)).seconds > 0


async def test_a_port_without_a_server_is_told_as_refused() -> None:
    with pytest.raises(UnreachableError, match="connection refused"):
        await ask_database("localhost", free_port())


@pytest.mark.parametrize(
    ("said", "told"), [(b"HTTP/1.1 400", "does not speak PostgreSQL's protocol"), (b"", "hung up")]
)
async def test_a_server_of_another_kind_is_told_apart(said: bytes, told: str) -> None:
    async with tcp_server(said) as port:
        with pytest.raises(UnreachableError, match=told):
            await ask_database("127.0.0.1", port)


async def test_a_database_that_accepts_and_hangs_is_given_up() -> None:
    async with tcp_server(None) as port:
        with pytest.raises(UnreachableError, match=r"no answer within 0\.1 s"):
            await ask_database("127.0.0.1", port, timeout=0.1)


async def test_a_database_that_stops_leaves_gaps_and_returns(board: Board) -> None:
    seen, port = Recorder(), free_port()
    probe = DatabaseProbe("target-db", "127.0.0.1", port, board, seen.emit)
    async with polling(Poller("latency:target-db", probe, seen.emit, QUICK).run):
        await seen.until(lambda: seen.of(LatencyReading))

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(8)
            writer.write(b"N")
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", port):
            await seen.until(lambda: seen.of(LatencyReading)[-1].seconds is not None)
    assert seen.of(LatencyReading)[0] == LatencyReading("target-db", None, "connection refused")
    assert seen.states("latency:target-db")[-1] is Liveness.LIVE


@pytest.mark.parametrize(
    ("status", "told"),
    [(200, ""), (503, "GET /v1/status: answered 503"), (0, "GET /v1/status: connection refused")],
)
async def test_a_storage_node_must_be_well_on_both_ports(
    session: aiohttp.ClientSession, board: Board, status: int, told: str
) -> None:
    seen, port = Recorder(), free_port()
    routes = {"/v1/status": answer(status, '{"id": 1}')} if status else {}
    async with trusting_server() as pg, http_server(port if status else free_port(), routes):
        address, http = f"127.0.0.1:{pg}", f"http://127.0.0.1:{port}/"
        probe = StorageProbe("pageserver", address, http, session, board, seen.emit)
        if told:
            with pytest.raises(UnreachableError):
                await probe()
        else:
            await probe()
    (reading,) = seen.of(LatencyReading)
    assert reading.error == told
    assert (reading.seconds is None) is bool(told)


def test_addresses_are_hosts_with_a_port() -> None:
    assert split_address("localhost:6400") == ("localhost", 6400)
    assert split_address("[::1]:6400") == ("::1", 6400)
    for wrong in ("localhost", "localhost:", ":1", "localhost:99999"):
        with pytest.raises(InputError):
            split_address(wrong)
