"""Containers whose labels, environment, health output, errors and log drivers are somebody's attack."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docker.engine import Engine
from tests.docker.image import IMAGE
from wsdash.config import AppsSettings, StackSettings, WorkspaceSettings
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading, LogLine
from wsdash.outside import HARMFUL
from wsdash.stack.docker.stack import DockerStack
from wsdash.stack.text import LINE_LIMIT

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(300)]

HOSTILE, GOOD = "wsdash-t-hostile", "wsdash-t-good"
EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[31m[bold red]x[/]\r\x00\u202e\u2028\ud7ff" + '{"a":' * 5_000
FOREVER = ["sleep", "600"]
Create = Callable[..., None]


class _Socket(http.client.HTTPConnection):
    """HTTP on the engine's socket: its API takes what the docker command cannot say."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@pytest.fixture
def create(docker_engine: Engine) -> Iterator[Create]:
    """Creates and starts a container out of the engine's own JSON; all are removed afterwards."""
    made = []

    def post(path: str, body: Any = None) -> tuple[int, str]:
        connection = _Socket(docker_engine.environment["DOCKER_HOST"].removeprefix("unix://"))
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.status, answer.read().decode()
        connection.close()
        return said

    def one(name: str, *, start: bool = True, **config: Any) -> None:
        made.append(name)
        status, said = post(f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": FOREVER} | config)
        assert status == 201, said
        if start:
            post(f"/containers/{name}/start")

    yield one
    docker_engine.docker("rm", "-f", *made, check=False)


@asynccontextmanager
async def stack_of(engine: Engine, nowhere: Path, *names: str) -> AsyncIterator[DockerStack]:
    apps = AppsSettings(str(nowhere / "none.yml"), names[0], names)
    stack = DockerStack(StackSettings("docker", apps, WorkspaceSettings(str(nowhere / "none.yml"), ())))
    try:
        yield stack
    finally:
        await stack.close()


@pytest.fixture(autouse=True)
def at_the_engine(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_engine.environment["DOCKER_HOST"])


def harmless(reading: ContainerReading, longest: int = 600) -> bool:
    texts = [reading.name, reading.state, reading.health, reading.image, reading.detail, reading.instance]
    return not any(HARMFUL.search(text) or len(text) > longest for text in texts)


async def readings(stack: DockerStack) -> dict[str, ContainerReading]:
    return {reading.name: reading for reading in await stack.readings()}


@pytest.mark.parametrize("size", [100_000, 9_000_000], ids=["large", "larger than an answer may be"])
async def test_labels_and_environment_of_one_container_hide_no_other(
    docker_engine: Engine, create: Create, tmp_path: Path, size: int
) -> None:
    create(GOOD)
    create(
        HOSTILE,
        Labels={
            EVIL: EVIL,
            "com.docker.compose.container-number": "9" * 5_000,
            "exitCode": "x",
            "n": "x" * size,
        },
        Env=[f"EVIL={EVIL.replace(chr(0), '')}"],
    )
    async with stack_of(docker_engine, tmp_path, HOSTILE, GOOD) as stack:
        found = await readings(stack)
    assert found[GOOD].state == "running"
    assert found[HOSTILE].state in ("running", "unknown")
    assert all(map(harmless, found.values()))


async def test_what_a_health_check_says_is_one_bounded_clean_line(
    docker_engine: Engine, create: Create, tmp_path: Path
) -> None:
    evil = r"printf '\033]0;owned\007\033[2J\377\376 \342\200\256last [red]\r\n'"
    says = evil + r"; printf 'at last \033[2J\342\200\256'; head -c 1000000 /dev/zero | tr '\0' x; exit 1"
    check = {"Test": ["CMD-SHELL", says], "Interval": 10**9, "Timeout": 5 * 10**9, "Retries": 1}
    create(HOSTILE, Healthcheck=check)
    async with stack_of(docker_engine, tmp_path, HOSTILE) as stack:
        for _ in range(400):
            if (found := (await readings(stack))[HOSTILE]).health == "unhealthy":
                break
            await asyncio.sleep(0.2)
    assert found.health == "unhealthy"
    assert found.detail.startswith("at last ")
    assert harmless(found)


async def test_why_a_container_did_not_start_is_one_bounded_clean_line(
    docker_engine: Engine, create: Create, tmp_path: Path
) -> None:
    create(HOSTILE, Cmd=[EVIL.replace("\x00", "")[:3_000]])
    async with stack_of(docker_engine, tmp_path, HOSTILE) as stack:
        found = (await readings(stack))[HOSTILE]
        assert found.detail
        assert harmless(found)
        with pytest.raises(WsdashError) as told:
            await stack.start([HOSTILE], lambda line: None)
    assert not HARMFUL.search(str(told.value))
    assert len(str(told.value)) < 2_000


@pytest.mark.parametrize("driver", ["none", "syslog", "json-file", "local"])
async def test_a_log_that_cannot_be_read_is_told_once_and_the_others_go_on(
    docker_engine: Engine, create: Create, tmp_path: Path, driver: str
) -> None:
    says = r"while :; do printf 'line \033[2J%s\n' \"$HOSTNAME\"; sleep 0.1; done"
    options = {"syslog-address": "udp://127.0.0.1:9"} if driver == "syslog" else {}
    create(HOSTILE, Cmd=["sh", "-c", says], HostConfig={"LogConfig": {"Type": driver, "Config": options}})
    create(GOOD, Cmd=["sh", "-c", says])
    found: list[LogLine] = []
    heard: Counter[str] = Counter()
    async with (
        stack_of(docker_engine, tmp_path, HOSTILE, GOOD) as stack,
        asyncio.timeout(90),
        aclosing(stack.follow_logs(0.0)) as lines,
    ):
        async for line in lines:
            found.append(line)
            heard[line.container] += 1
            if heard[GOOD] > 30 and heard[HOSTILE]:
                break
    told = [line for line in found if line.stream == "wsdash"]
    assert all(len(line.text) <= LINE_LIMIT and not HARMFUL.search(line.text) for line in found)
    assert [line.text.partition(":")[0] for line in told] == (
        ["its log cannot be read (log driver none)"] if driver == "none" else []
    )
