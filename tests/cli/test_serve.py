"""The read-only screen in a browser: real pages of a real server, and who is not let in."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.tui.support import halfway
from wsdash.cli import main
from wsdash.cli.running.serve import _listening
from wsdash.engine.journal.writer import Journal
from wsdash.errors import InputError
from wsdash.runtime import socket_path

TOKEN = "a-token-of-a-test"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(state: Path, *words: str, **environment: str) -> AsyncIterator[tuple[str, str]]:
    """`wsdash serve` on a run, until it is asked to stop: its address, and what it printed first."""
    journal = Journal.open(state)
    for event in halfway():
        await journal.record(event)
    await journal.close()
    told = ""
    while not told:  # a port that was free may be somebody else's by now
        port = free_port()
        argv = [sys.executable, "-m", "wsdash", "serve", "--state", str(state), "--port", str(port), *words]
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, env=os.environ | environment | {"PYTHONUNBUFFERED": "1"}
        )
        assert process.stdout is not None
        try:
            told = (await asyncio.wait_for(process.stdout.readline(), 90)).decode()
        except BaseException:
            process.kill()
            raise
        assert told or await process.wait() == 2
    try:
        base = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(90), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(base):
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
        yield base, told
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 90)


async def seen_on(
    session: aiohttp.ClientSession, base: str, keys: str = "", wanted: bytes = b"MONITOR"
) -> bytes:
    """What a page is sent until it shows `wanted`."""
    received = b""
    async with session.ws_connect(f"{base}/ws?width=120&height=36") as page:
        async with asyncio.timeout(60):
            while wanted not in re.sub(rb"\x1b\[[0-9;?]*[ -/]*[@-~]", b"", received):
                message = await page.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    received += message.data
                elif message.type is aiohttp.WSMsgType.TEXT:
                    received += message.data.encode()
                else:
                    raise AssertionError(f"the page ended: {message}")
    return received


@pytest.mark.timeout(180)
async def test_a_page_shows_the_run_and_holds_no_way_to_change_it(tmp_path: Path) -> None:
    async with serving(tmp_path / "state") as (base, told), aiohttp.ClientSession() as session:
        assert base in told.replace("localhost", "127.0.0.1")
        assert "token" not in told
        async with session.get(base) as answer:
            assert answer.status == 200
        received = await seen_on(session, base, wanted=b"Migrate data")
        assert b"OPERATOR" not in received
    assert not socket_path(tmp_path / "state", "control").exists()


@pytest.mark.timeout(180)
async def test_another_page_and_a_foreign_name_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "state") as (base, _), aiohttp.ClientSession() as session:
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
            async with session.get(base, headers=headers) as answer:
                assert answer.status == 403, headers
            async with session.get(f"{base}/ws", headers=headers) as answer:
                assert answer.status == 403, headers


@pytest.mark.timeout(180)
async def test_with_a_token_nothing_is_served_without_it(tmp_path: Path) -> None:
    words = ("--token-env", "WSDASH_T")
    async with serving(tmp_path / "state", *words, WSDASH_T=TOKEN) as (base, told):
        assert TOKEN not in told
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            for path in ("/", "/ws", "/static/js/textual.js", "/?token=wrong"):
                async with session.get(base + path) as answer:
                    assert answer.status == 401, path
            async with session.get(f"{base}/?token={TOKEN}") as answer:
                assert answer.status == 200
                assert "token" not in str(answer.url)
                assert TOKEN not in await answer.text()
            await seen_on(session, base)


@pytest.mark.timeout(180)
async def test_any_address_but_loopback_gets_a_token_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path / "state", "--host", "0.0.0.0") as (base, told):  # noqa: S104
        assert re.search(r"\?token=[\w-]{20,}", told)
        async with aiohttp.ClientSession() as session, session.get(base) as answer:
            assert answer.status in (401, 403)


def test_a_port_that_is_taken_is_told_before_anything_is_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--state", str(tmp_path), "--host", "127.0.0.1", "--port", str(port)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"127.0.0.1, port {port}" in said.err
    assert "--port" in said.err


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "127.0.0.1"])  # noqa: S104
def test_every_address_of_the_name_listens(host: str) -> None:
    for one in _listening(host, 0):
        assert one.getsockname()[1] > 0
        one.close()


def test_an_address_of_the_name_that_this_machine_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As localhost's IPv6 address where IPv6 is off, whichever comes first."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    (one,) = _listening("localhost", 0)
    assert one.getsockname()[0] == "127.0.0.1"
    one.close()
    found.pop()
    with pytest.raises(InputError, match="cannot be served there"):
        _listening("localhost", 0)


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(InputError, match="cannot be served there"):
        _listening("no.such.name.invalid", 0)
