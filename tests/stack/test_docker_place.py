"""Which engine is meant, and the way to one behind ssh."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from aiohttp import web

from tests.stack.engine import Engine, inspected, serving
from tests.support.servers import free_port
from tests.watch.support import http_server
from wsdash.errors import InputError, UnreachableError
from wsdash.stack.docker.client import DockerClient, negotiated
from wsdash.stack.docker.place import find_engine, listening_ports, ssh_command


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose current context is `far`, an engine behind TLS."""
    docker = tmp_path / ".docker"
    digest = hashlib.sha256(b"far").hexdigest()
    meta = docker / "contexts/meta" / digest
    meta.mkdir(parents=True)
    (docker / "contexts/tls" / digest / "docker").mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "tcp://far:2376"}}}))
    (docker / "config.json").write_text(json.dumps({"currentContext": "far"}))
    return tmp_path


def test_docker_host_comes_before_every_context(home: Path) -> None:
    place = find_engine({"DOCKER_HOST": "unix:///run/d.sock", "DOCKER_CONTEXT": "far"}, home)
    assert (place.url, place.here, str(place)) == (
        "unix:///run/d.sock",
        True,
        "unix:///run/d.sock (DOCKER_HOST)",
    )


def test_the_current_context_names_the_engine_and_its_certificates(home: Path) -> None:
    place = find_engine({}, home)
    assert (place.url, place.named_by, place.here) == ("https://far:2376", "Docker context far", False)
    assert place.certificates is not None


def test_tls_is_asked_for_by_the_environment(tmp_path: Path) -> None:
    asked = {"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    place = find_engine(asked, tmp_path)
    assert (place.url, place.certificates) == ("https://far:2376", tmp_path)
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(InputError, match="certificates"):
        place.tls()
    assert find_engine({"DOCKER_HOST": "tcp://far:2375"}, tmp_path).url == "http://far:2375"


@pytest.mark.parametrize("host", ["nonsense", "ftp://far", "unix://", "tcp://"])
def test_an_address_that_is_none_is_named_with_what_told_it(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no address of a Docker engine") as caught:
        find_engine({"DOCKER_HOST": host}, tmp_path)
    assert caught.value.where == "DOCKER_HOST"


def test_a_context_that_does_not_exist_is_named(home: Path) -> None:
    with pytest.raises(InputError, match="no Docker context 'ghost'") as caught:
        find_engine({"DOCKER_CONTEXT": "ghost"}, home)
    assert "docker context ls" in caught.value.remedy


@pytest.mark.parametrize(
    ("told", "spoken"),
    [
        ({"ApiVersion": "1.41", "MinAPIVersion": "1.12"}, "v1.41"),
        ({"ApiVersion": "1.99", "MinAPIVersion": "1.24"}, "v1.50"),
        ({"ApiVersion": "1.99", "MinAPIVersion": "1.60"}, "v1.60"),
        ({}, "v1.50"),
    ],
)
def test_the_newest_version_that_both_sides_know_is_spoken(told: dict[str, str], spoken: str) -> None:
    assert negotiated(told) == spoken


def test_ssh_is_told_what_the_address_says() -> None:
    words = ssh_command("ssh://me@far:2222/run/d.sock")
    assert words[-7:] == ["--", "far", "docker", "--host", "unix:///run/d.sock", "system", "dial-stdio"]
    assert words[words.index("-l") + 1] == "me"
    assert words[words.index("-p") + 1] == "2222"


@pytest.mark.parametrize("url", ["ssh://", "ssh://-oProxyCommand=x", "ssh://me:secret@far", "ssh://far:port"])
def test_an_ssh_address_that_could_do_harm_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        ssh_command(url)
    assert "secret" not in str(caught.value)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which `ssh` may be put, first in PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@far")
    return directory


def standin_ssh(directory: Path, script: str) -> None:
    """A stand-in for ssh: there is no second machine. It runs Python."""
    (directory / "ssh").write_text(f"#!{sys.executable}\n{script}\n")
    (directory / "ssh").chmod(0o700)


CARRY = """
import os, socket, sys, threading
far = socket.socket(socket.AF_UNIX)
far.connect({socket!r})
def up():
    while piece := os.read(0, 65536):
        far.sendall(piece)
    far.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while piece := far.recv(65536):
    os.write(1, piece)
"""


# a head line, a listener on 127.0.0.1:5432, a connection, a listener on [::]:6400: /proc/net/tcp and tcp6
PROC = """import sys
assert sys.argv[-3:] == ["cat", "/proc/net/tcp", "/proc/net/tcp6"]
print("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode")
print("   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   0   0 1 1 0 100 0")
print("   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   0   0 2 1 0 100 0")
print("   0: 00000000000000000000000000000000:1900 00000000000000000000000000000000:0000 0A 0 0 0 0")
"""


async def test_an_engine_behind_ssh_is_asked_through_dial_stdio(programs: Path) -> None:
    with tempfile.TemporaryDirectory() as short:
        path = Path(short) / "d.sock"
        standin_ssh(programs, CARRY.format(socket=str(path)))
        async with serving(Engine({"one": inspected()}), path):
            client = DockerClient(read_only=True)
            found = await client.get("containers/one/json")
            assert found["State"]["Status"] == "running"
            assert not await client.here()
            assert client._bridge is not None
            directory = client._bridge._directory
            assert os.stat(directory).st_mode & 0o077 == 0
            await client.close()
            assert not os.path.exists(directory)  # noqa: ASYNC240


async def test_what_ssh_says_when_it_fails_is_told(programs: Path) -> None:
    standin_ssh(programs, "import sys; sys.exit('me@far: Permission denied (publickey).')")
    client = DockerClient(read_only=True)
    said = []
    for _ in range(3):  # the reason is known once the first connection has ended
        with pytest.raises(UnreachableError) as caught:
            await client.get("containers/one/json")
        said.append(caught.value.what)
    assert "Permission denied (publickey)" in said[-1]
    await client.close()


async def test_a_machine_behind_ssh_tells_who_listens_there(programs: Path) -> None:
    standin_ssh(programs, PROC)
    assert await listening_ports("ssh://me@far") == frozenset({5432, 6400})


async def test_a_machine_behind_ssh_that_does_not_tell_is_not_taken_for_free(programs: Path) -> None:
    standin_ssh(programs, "import sys; sys.exit('Permission denied')")
    assert await listening_ports("ssh://me@far") is None


@pytest.mark.parametrize(("name", "here"), [(socket.gethostname(), True), ("elsewhere", False)])
async def test_a_loopback_address_is_here_when_its_engine_says_so(
    name: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def info(request: web.Request) -> web.Response:
        return web.json_response({"Name": name, "ApiVersion": "1.41"})

    port = free_port()
    async with http_server(port, {"/version": info, "/v1.41/info": info}):
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        client = DockerClient(read_only=True)
        assert await client.here() is here
        await client.close()
