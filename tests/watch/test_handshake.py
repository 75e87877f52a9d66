"""A probe leaves every server's log quiet: real PostgreSQL with and without TLS, and Neon's nodes."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from tests.support.servers import Server, free_port, running_server
from tests.watch.support import Recorder, answer, http_server, settings_of
from wsdash.demo.standins.storage import create_app
from wsdash.errors import UnreachableError
from wsdash.model import LatencyReading
from wsdash.watch.board import Board
from wsdash.watch.pollers.http import probe_session
from wsdash.watch.pollers.storage import SSL_REQUEST, StorageProbe, ask_database, ask_storage

DEBIAN = Path("/usr/lib/postgresql/15/bin")


def log_of(server: Server) -> str:
    return (server.data.parent / f"{server.data.name}.log").read_text(errors="replace")


async def hang_up(port: int) -> None:
    """What a probe must not do to Neon: leave after the answer to the SSLRequest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(SSL_REQUEST)
    await reader.read(1)
    writer.close()
    await writer.wait_closed()


async def test_postgresql_logs_nothing_of_a_probe(pg16: Server, pg18: Server) -> None:
    for server in (pg16, pg18):
        before = log_of(server)
        for _ in range(3):
            assert (await ask_database("127.0.0.1", server.port)).seconds > 0
        await server.execute("select 1")
        assert log_of(server)[len(before) :] == ""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
@pytest.mark.skipif(not DEBIAN.exists(), reason="needs a PostgreSQL that was built with TLS")
async def test_postgresql_with_tls_logs_nothing_of_a_probe(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_server(15, tmp_path_factory.mktemp("tls"), DEBIAN) as server:
        make_certificate(server.data)
        await server.execute("alter system set ssl = on")
        server.stop()
        server.start()
        before = log_of(server)
        for _ in range(3):
            assert (await ask_database("127.0.0.1", server.port)).seconds > 0
        await server.execute("select 1")
        assert "SSL" not in log_of(server)[len(before) :]
        await hang_up(server.port)
        await asyncio.sleep(0.2)
        assert "could not accept SSL connection" in log_of(server)[len(before) :]


@pytest.mark.parametrize("node", ["pageserver", "safekeeper"])
async def test_a_storage_node_logs_who_leaves_early_and_not_our_probe(
    node: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    async with TestServer(create_app(node, "127.0.0.1", port, tmp_path)):
        capsys.readouterr()
        assert (await ask_storage("127.0.0.1", port)).quiet
        await asyncio.sleep(0.05)
        assert capsys.readouterr().out == ""
        await hang_up(port)
        await asyncio.sleep(0.05)
        told = capsys.readouterr().out
    span = r"page_service_conn_main\{peer_addr=127\.0\.0\.1:\d+\}" if node == "pageserver" else r"\{cid=2\}"
    words = r"Disconnected \(Protocol error: EOF during handshake\)"
    assert re.fullmatch(rf"\S+Z  INFO {span}: {words}\n", told)
    assert (tmp_path / f"{node}.pid").exists()


async def test_a_node_that_wants_a_token_is_left_alone_after_the_first_time(tmp_path: Path) -> None:
    connections = 0

    async def wants_a_token(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readexactly(8)
        writer.write(b"N")
        await reader.read(100)
        writer.write(b"R\0\0\0\x08\0\0\0\x03")
        await reader.read()
        writer.close()

    seen, port = Recorder(), free_port()
    async with (
        await asyncio.start_server(wants_a_token, "127.0.0.1", 0) as server,
        http_server(port, {"/v1/status": answer(200, '{"id": 1}')}) as url,
        probe_session() as session,
    ):
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        probe = StorageProbe("pageserver", address, url, session, Board(settings_of(tmp_path)), seen.emit)
        for _ in range(3):
            await probe()
    assert connections == 1
    assert all(reading.seconds is not None for reading in seen.of(LatencyReading))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"E\0\0\0\x1aSFATAL\0Mmust connect\0\0", "it refuses a startup packet: must connect"),
        (b"R\0\0", "port .* hung up in the middle of its answer"),
        (b"Z\x7f\xff\xff\xff", "does not end its answer"),
        (b"S\0\0\0\x05x" * 200, "does not end its answer"),
    ],
)
async def test_a_strange_answer_to_a_startup_packet_is_described(said: bytes, told: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await reader.read(100)
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        with pytest.raises(UnreachableError, match=told):
            await ask_storage("127.0.0.1", server.sockets[0].getsockname()[1])


def make_certificate(data: Path) -> None:
    key, certificate = data / "server.key", data / "server.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*argv, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    owner = data.stat()
    for path in (key, certificate):
        path.chmod(0o600)
        shutil.chown(path, owner.st_uid, owner.st_gid)
