"""The relay: it waits for its port, passes bytes as they are, and tells who still comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.processes import until
from tests.support.servers import free_port
from wsdash.api import relay as module
from wsdash.api.client import read_relayed
from wsdash.api.relay import Relay, address_of
from wsdash.cli import main

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LARGE = bytes(range(256)) * 40_000


async def _echo(request: web.Request) -> web.StreamResponse:
    if request.path == "/busy":
        return web.json_response({"message": "busy"}, status=503, headers={"Retry-After": "7"})
    if request.path == "/who":
        return web.Response(text=request.remote)
    return web.Response(body=await request.read())


async def _slow(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.5)
    return web.Response(text="late")


@asynccontextmanager
async def service(handler: Handler = _echo) -> AsyncIterator[int]:
    """A service and its port."""
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(application, host="127.0.0.1") as server:
        assert server.port is not None
        yield server.port


@asynccontextmanager
async def relaying(to: int, port: int | None = None) -> AsyncIterator[tuple[Relay, str]]:
    """A relay, and its address as a URL; it may still wait for a port that is given."""
    relay = Relay(("127.0.0.1", port or free_port()), ("127.0.0.1", to))
    stop, listening = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(stop, listening.set))
        if port is None:
            await asyncio.wait_for(listening.wait(), 10)
        try:
            yield relay, f"http://127.0.0.1:{relay.listen[1]}"
        finally:
            stop.set()


async def test_bodies_pass_as_they_are_in_both_directions() -> None:
    async with service() as port, relaying(port) as (_, url), aiohttp.ClientSession() as client:
        for body in (b"", b"small", LARGE):
            async with client.post(url + "/x", data=body) as answer:
                assert await answer.read() == body


async def test_a_refusal_by_the_service_passes_with_its_headers() -> None:
    async with (
        service() as port,
        relaying(port) as (_, url),
        aiohttp.ClientSession() as client,
        client.post(url + "/busy", json={}) as answer,
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "7")


async def test_where_the_service_is_away_it_says_503_to_a_whole_request() -> None:
    async with (
        relaying(free_port()) as (_, url),
        aiohttp.ClientSession() as client,
        client.post(url + "/x", data=LARGE[:100_000]) as answer,
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_it_waits_for_a_port_that_is_held_and_takes_it_when_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        async with service() as to, relaying(to, port) as (relay, url), aiohttp.ClientSession() as client:
            await asyncio.sleep(0.1)
            assert relay.since == 0
            held.close()
            await until(lambda: relay.since > 0)
            async with client.get(url + "/x") as answer:
                assert answer.status == 200


async def test_it_tells_who_asked_how_often_and_when() -> None:
    async with service() as port, relaying(port) as (_, url), aiohttp.ClientSession() as client:
        for _ in range(3):
            async with client.get(url + "/x") as answer:
                await answer.read()
        seen = await read_relayed(url)
    assert seen is not None
    (only,) = seen.clients
    assert (only.address, only.requests) == ("127.0.0.1", 3)
    assert seen.since <= only.last_seen


async def test_where_no_relay_answers_nobody_is_told() -> None:
    assert await read_relayed(f"http://127.0.0.1:{free_port()}") is None
    async with service() as port:
        assert await read_relayed(f"http://127.0.0.1:{port}") is None


async def test_the_service_sees_the_clients_own_address_on_this_machine() -> None:
    connector = aiohttp.TCPConnector(local_addr=("127.3.2.1", 0))
    async with service() as port, relaying(port) as (relay, url):
        async with aiohttp.ClientSession(connector=connector) as client, client.get(url + "/who") as answer:
            assert await answer.text() == "127.3.2.1"
        assert list(relay.clients) == ["127.3.2.1"]


async def test_its_list_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CLIENTS", 2)
    async with service() as port, relaying(port) as (relay, url):
        for last in range(1, 6):
            connector = aiohttp.TCPConnector(local_addr=(f"127.0.1.{last}", 0))
            async with aiohttp.ClientSession(connector=connector) as client, client.get(url + "/x") as answer:
                await answer.read()
        assert len(relay.clients) == 3
        assert relay.clients[module.OTHERS].requests == 3


async def test_an_answer_that_is_under_way_is_finished_when_it_ends() -> None:
    async with service(_slow) as port, aiohttp.ClientSession() as client:
        async with relaying(port) as (_, url):
            asked = asyncio.create_task(_text(client, url + "/x"))
            await asyncio.sleep(0.2)
        assert await asked == "late"
        with pytest.raises(aiohttp.ClientConnectorError):
            await _text(client, url + "/x")


async def _text(client: aiohttp.ClientSession, url: str) -> str:
    async with client.get(url) as answer:
        return await answer.text()


async def test_an_answer_that_breaks_off_does_not_look_whole() -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(broken, "127.0.0.1", 0)
    to = server.sockets[0].getsockname()[1]
    async with server, relaying(to) as (_, url), aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            await _text(client, url + "/x")


@pytest.mark.parametrize("text", ["", "3201", "localhost", "https://a:1", "http://a:99999", "http://a:1/b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|[Pp]ort"):
        address_of(text)


def test_the_command_refuses_an_address_that_is_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "--listen", "192.0.2.1:3201", "--to", "http://127.0.0.1:1"]) == 2
    assert "--listen 192.0.2.1:3201" in capsys.readouterr().err


async def test_a_connection_that_waits_to_be_accepted_is_served_when_it_ends() -> None:
    """Closing a listening socket resets what is in its queue; the clients' answers would be lost."""
    async with service() as port:
        async with relaying(port) as (relay, _):
            # nothing runs between this and the relay's end that could accept it
            client = socket.create_connection(relay.listen)
            client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.settimeout(30)
        with client:
            assert await asyncio.to_thread(client.recv, 12) == b"HTTP/1.1 200"


async def test_a_connection_with_a_request_that_is_not_read_yet_is_not_closed_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing it would reset it: the client could not know whether its request was served."""
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.01)
    async with service() as port, aiohttp.ClientSession() as client:
        async with relaying(port) as (relay, url):
            assert await _text(client, url + "/x") == ""
            (talk,) = relay._talks
            transport = talk.writer.transport
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()  # a busy machine: what comes is not seen for a while
            asked = asyncio.create_task(_text(client, url + "/x"))
            await until(lambda: module._unread(talk.writer))
            asyncio.get_running_loop().call_later(0.3, transport.resume_reading)
        assert await asked == ""
