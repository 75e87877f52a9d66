"""Watching containers of a real engine: events, stats, logs, and the engine itself going away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from tests.docker.engine import Engine
from tests.docker.image import IMAGE
from tests.docker.proxy import recording
from tests.support.terminal import Terminal
from tests.watch.support import Recorder, settings_of
from wsdash.config import AppsSettings, Settings, StackSettings, WorkspaceSettings, read_yaml, shipped
from wsdash.model import ContainerReading, Liveness, LogLine, Notice
from wsdash.stack.docker.stack import DockerStack
from wsdash.stack.text import LINE_LIMIT
from wsdash.watch.board import Board
from wsdash.watch.pollers.containers import ContainerWatch
from wsdash.watch.pollers.logs import LogWatch
from wsdash.watch.pollers.poller import Pace, Poller

# one engine, one worker; the first test waits for the engine, its image and the old world
pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(900)]

ONE, TWO = "wsdash-t-one", "wsdash-t-two"
NEVER_BY_ITSELF = 3600.0
COUNT = (
    "run=$(date +%s%N); i=0; while :; do i=$((i+1)); echo $run $i; [ $((i % 2)) = 0 ] && echo $run $i >&2; "
)


@pytest.fixture
def engine(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The session's engine, named by DOCKER_HOST, without containers of ours before and after."""
    monkeypatch.setenv("DOCKER_HOST", docker_engine.environment["DOCKER_HOST"])
    remove(docker_engine)
    yield docker_engine
    remove(docker_engine)


def remove(engine: Engine) -> None:
    engine.docker("rm", "-f", ONE, TWO, check=False)


def run(engine: Engine, name: str, script: str, *options: str) -> None:
    """A container that runs a shell script."""
    engine.docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", script)


def settings_for(tmp_path: Path) -> Settings:
    apps = AppsSettings(str(tmp_path / "none.yml"), ONE, (ONE,))
    stack = StackSettings("docker", apps, WorkspaceSettings(str(tmp_path / "none.yml"), (TWO,)))
    return settings_of(tmp_path, stack=stack)


class Watched:
    """The watch of the containers on a real engine, which reads by itself once and then only when woken."""

    def __init__(self, tmp_path: Path) -> None:
        settings = settings_for(tmp_path)
        self.seen = Recorder()
        self.stack = DockerStack(settings.stack, read_only=True)
        look = ContainerWatch(
            settings,
            self.stack,
            Board(settings),
            self.seen.emit,
            self.seen.on_log,
        )
        pace = Pace(NEVER_BY_ITSELF, 8.0)
        self.poller = Poller("containers", look, self.seen.emit, pace)
        self.logs = LogWatch(self.stack, self.seen.emit, self.seen.on_log, since=0.0)

    @asynccontextmanager
    async def at_work(self, *, logs: bool = False) -> AsyncIterator[Recorder]:
        tasks = [asyncio.create_task(self.poller.run()), asyncio.create_task(self.stack.watch(self.wake))]
        tasks += [asyncio.create_task(self.logs.run())] if logs else []
        try:
            yield self.seen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.stack.close()

    def wake(self) -> None:
        self.poller.nudge()

    def now(self, name: str = ONE) -> ContainerReading | None:
        found = [reading for reading in self.seen.of(ContainerReading) if reading.name == name]
        return found[-1] if found else None

    async def until(self, holds: Callable[[ContainerReading], object], name: str = ONE) -> ContainerReading:
        await self.seen.until(lambda: (now := self.now(name)) is not None and holds(now), 20)
        now = self.now(name)
        assert now is not None
        return now

    def lines(self, name: str = ONE) -> list[LogLine]:
        return [line for line in self.seen.lines if line.container == name]


async def act(engine: Engine, *words: str) -> None:
    """The docker command, beside the event loop."""
    await asyncio.to_thread(engine.docker, *words)


async def test_what_happens_to_a_container_is_read_because_an_event_says_so(
    engine: Engine, tmp_path: Path
) -> None:
    run(engine, ONE, "exec sleep 600", "--init")
    watched = Watched(tmp_path)
    async with watched.at_work():
        first = await watched.until(lambda reading: reading.state == "running")
        await act(engine, "kill", ONE)
        dead = await watched.until(lambda reading: reading.state == "exited")
        assert (dead.exit_code, dead.oom_killed) == (137, False)
        await act(engine, "start", ONE)
        await watched.until(lambda reading: reading.state == "running")
        await act(engine, "pause", ONE)
        await watched.until(lambda reading: reading.state == "paused")
        await act(engine, "rm", "-f", ONE)
        await watched.until(lambda reading: reading.state == "missing")
        await asyncio.to_thread(run, engine, ONE, "exec sleep 600")
        again = await watched.until(lambda reading: reading.state == "running")
        assert again.instance != first.instance


async def test_restarts_and_health_are_told_with_count_and_last_output(
    engine: Engine, tmp_path: Path
) -> None:
    check = ("--health-cmd", "echo the disk is on fire; false", "--health-interval", "0.2s")
    run(engine, ONE, "exec sleep 600", *check, "--health-retries", "1")
    run(engine, TWO, "sleep 0.3; exit 3", "--restart", "on-failure:2")
    watched = Watched(tmp_path)
    async with watched.at_work():
        sick = await watched.until(lambda reading: reading.health == "unhealthy")
        assert sick.detail == "the disk is on fire"
        ended = await watched.until(lambda r: r.state == "exited" and r.restarts == 2, TWO)
        assert ended.exit_code == 3
    told = [notice.text for notice in watched.seen.of(Notice) if "two restarted" in notice.text]
    assert told
    assert all("restart 1" in text or "restart 2" in text or "2 restarts" in text for text in told)
    assert len(told) <= 2


async def test_a_container_killed_for_its_memory_says_so(engine: Engine, tmp_path: Path) -> None:
    eat = "import time; time.sleep(1); x = bytearray(256 * 2**20)"
    engine.docker("run", "-d", "--name", ONE, "-m", "48m", IMAGE, "python3", "-c", eat)
    watched = Watched(tmp_path)
    async with watched.at_work():
        dead = await watched.until(lambda reading: reading.state == "exited")
    assert (dead.oom_killed, dead.memory_limit_bytes) == (True, 48 * 2**20)


async def test_cpu_memory_and_network_are_those_of_docker_stats(engine: Engine, tmp_path: Path) -> None:
    run(engine, ONE, "while :; do :; done", "-m", "64m")
    watched = Watched(tmp_path)
    async with watched.at_work():
        await watched.until(lambda reading: reading.state == "running")

        def measured(reading: ContainerReading) -> bool:
            watched.wake()
            return reading.cpu_percent is not None

        found = await watched.until(measured)
        told = await asyncio.to_thread(
            engine.docker, "stats", "--no-stream", "--format", "{{json .}}", ONE, timeout=30
        )
    stats = json.loads(told.stdout)
    assert found.cpu_percent is not None
    # its share depends on what else the machine does: more than none is all that always holds
    assert found.cpu_percent > 0
    assert found.memory_bytes is not None
    assert stats["MemUsage"].endswith("/ 64MiB")
    assert found.memory_bytes < 64 * 2**20
    assert found.received_bytes is not None


async def test_every_line_is_read_once_across_restart_and_re_creation(engine: Engine, tmp_path: Path) -> None:
    count = COUNT + "sleep 0.002; done"
    run(engine, ONE, count)
    watched = Watched(tmp_path)
    async with watched.at_work(logs=True) as seen:
        await seen.until(lambda: len(watched.lines()) > 100, 20)
        await act(engine, "restart", "-t", "0", ONE)
        at = len(watched.lines())
        await seen.until(lambda: len(watched.lines()) > at + 100, 20)
        await act(engine, "stop", "-t", "0", ONE)
        logged = (await asyncio.to_thread(engine.docker, "logs", ONE)).stdout.splitlines()
        await seen.until(lambda: len(of("stdout", watched)) >= len(logged), 20)
        assert of("stdout", watched) == logged
        await act(engine, "rm", ONE)
        await asyncio.to_thread(run, engine, ONE, count)
        await seen.until(lambda: len(of("stdout", watched)) > len(logged) + 50, 20)
    stdout, stderr = of("stdout", watched), of("stderr", watched)
    assert stdout[: len(logged)] == logged
    assert len(set(stdout)) == len(stdout)
    assert stderr
    assert all(int(line.split()[1]) % 2 == 0 for line in stderr)
    assert of("wsdash", watched) == ["-- restarted (started anew, exit code 137) --", "-- re-created --"]


def of(stream: str, watched: Watched) -> list[str]:
    return [line.text for line in watched.lines() if line.stream == stream]


async def test_huge_lines_and_binary_noise_are_harmless(engine: Engine, tmp_path: Path) -> None:
    noise = "head -c 200000 /dev/urandom; echo; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo done"
    run(engine, ONE, noise)
    watched = Watched(tmp_path)
    async with watched.at_work(logs=True) as seen:
        await seen.until(lambda: any(line.text == "done" for line in watched.lines()), 30)
    texts = of("stdout", watched)
    (huge,) = [text for text in texts if text.startswith("xxxx")]
    assert huge.endswith("more bytes)")
    assert huge.startswith("x" * LINE_LIMIT)
    assert max(map(len, texts)) <= LINE_LIMIT + 100  # the note about what was dropped
    assert not {c for text in texts for c in text if c != "\t" and unicodedata.category(c) == "Cc"}


async def test_an_engine_that_restarts_is_a_state_and_everything_comes_back(
    engine: Engine, tmp_path: Path
) -> None:
    run(engine, ONE, COUNT + "sleep 0.01; done", "--restart", "always")
    watched = Watched(tmp_path)
    async with watched.at_work(logs=True) as seen:
        await watched.until(lambda reading: reading.state == "running")
        await seen.until(lambda: len(watched.lines()) > 20, 20)
        engine.stop(signal.SIGKILL)
        await seen.until(lambda: Liveness.RECONNECTING in seen.states("containers"), 20)
        await seen.until(lambda: Liveness.RECONNECTING in seen.states("logs"), 20)
        runs = {text.split()[0] for text in of("stdout", watched)}
        engine.start()  # not on a thread: it would end with the thread that started it
        await seen.until(lambda: seen.states("containers")[-1] is Liveness.LIVE, 30)
        await watched.until(lambda reading: reading.state == "running")
        await seen.until(lambda: {text.split()[0] for text in of("stdout", watched)} - runs, 30)
        await act(engine, "stop", "-t", "0", ONE)
        logged = (await asyncio.to_thread(engine.docker, "logs", ONE)).stdout.splitlines()
        await seen.until(lambda: len(of("stdout", watched)) >= len(logged), 20)
    assert of("stdout", watched) == logged


async def test_the_monitor_sends_nothing_but_get(engine: Engine, tmp_path: Path) -> None:
    run(engine, ONE, COUNT + "sleep 0.1; done")
    run(engine, TWO, "exec sleep 600")
    config = tmp_path / "config"
    config.mkdir()
    content = read_yaml(shipped("config", "wsdash.yaml"))
    content["stack"]["apps"] |= {"old_service": ONE, "containers": [ONE]}
    content["stack"]["workspace"] |= {"containers": [TWO]}
    (config / "wsdash.yaml").write_text(yaml.safe_dump(content))
    (config / "plan.yaml").write_bytes(shipped("config", "plan.yaml").read_bytes())
    with tempfile.TemporaryDirectory() as short:
        listen = Path(short) / "docker.sock"
        async with asyncio.timeout(60), recording(engine.directory / "docker.sock", listen) as seen:
            home = {"DOCKER_HOST": f"unix://{listen}", "XDG_STATE_HOME": str(tmp_path)}
            argv = [sys.executable, "-m", "wsdash", "monitor", "--config", str(config)]
            monitor = Terminal(argv, os.environ | home)
            try:
                await asyncio.to_thread(monitor.wait_for, ONE, 20)
                for kind in ("/events", "/stats", "/logs"):
                    while not seen.asked(kind):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                await act(engine, "kill", TWO)
                await asyncio.to_thread(monitor.wait_for, "exited", 20)
                for key in "raRc123sdzq?":  # the operator's keys, and the monitor's own
                    monitor.press(key)
                    await asyncio.sleep(0.1)
            finally:
                await asyncio.to_thread(monitor.end)
    assert {method for method, _ in seen.requests} == {"GET"}
