"""The service moves while it serves, on a real engine: users on both ports, a relay in its container."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.docker.world import APPS, TREE, DockerWorld, InEngine, endpoint_of
from tests.support.program import read_json
from wsdash.config import read_yaml
from wsdash.demo.traffic import traffic_for
from wsdash.demo.traffic.judge import compare
from wsdash.demo.traffic.ledger import Ledger, read_ledgers, read_tally

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(900)]

OLD, NEW = "http://127.0.0.1:3201", "http://127.0.0.1:3200"
RELAY = "workspace-api-relay"
RELAY_FILES = (TREE / "compose/docker-compose.relay.yml", TREE / "tests/docker/override.relay.yml")
WRITES_PER_SECOND = 20.0
LIMIT = "WSDASH_TEST_RATE_LIMIT"


@pytest.fixture
def online(world: DockerWorld) -> Iterator[DockerWorld]:
    """The old world, whose API takes as many requests a minute as its users make."""
    world.environment[LIMIT] = "1000000"
    world.compose(APPS, "up", "-d", "workspace")
    world.wait_healthy("apps-workspace")
    yield world
    world.engine.docker("rm", "-f", RELAY, check=False)
    del world.environment[LIMIT]
    world.renew_source()


@pytest.fixture
def moves(online: DockerWorld, tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs a wsdash command in mode online on that world."""
    program: InEngine = online.program(tmp_path)
    config = tmp_path / "config"
    shutil.copytree(online.config, config)
    settings = read_yaml(config / "wsdash.yaml")
    workspace = settings["stack"]["workspace"]
    workspace |= {"relay": RELAY, "overrides": [*workspace["overrides"], *map(str, RELAY_FILES)]}
    # how fast a busy machine switches is not what is asked here
    settings["cutover"] = {"max_write_downtime_seconds": 30}
    (config / "wsdash.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = program.run(*words, "--config", str(config), timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    yield run
    program.sweep()


@contextmanager
def users(world: DockerWorld, directory: Path) -> Iterator[None]:
    """Users at work on both ports, the old one first, for the length of a block."""
    words = [*world.engine.inside(), *traffic_for([OLD, NEW], WRITES_PER_SECOND, 7, directory)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as crowd:
        try:
            world.wait_for(lambda: acknowledged(directory) > 20, "users are at work")
            yield
            before = acknowledged(directory)
            world.wait_for(lambda: acknowledged(directory) > before + 20, "users go on")
        finally:
            crowd.send_signal(signal.SIGTERM)
            crowd.wait(60)


def acknowledged(directory: Path) -> int:
    """How many writes were acknowledged so far."""
    tally = read_tally(directory)
    return 0 if tally is None else tally.acknowledged


def ledger_of(directory: Path) -> Ledger:
    """What the users' answers were, when they have gone."""
    (ledger,) = read_ledgers(directory)
    return ledger


def require_clean(world: DockerWorld, side: str, directory: Path) -> None:
    """Hold the ledger against a side, row by row."""
    ledger = ledger_of(directory)
    endpoint = endpoint_of(world, side)
    judged = world.engine.call(lambda: asyncio.run(compare(ledger, endpoint)))
    assert judged.clean, judged.findings
    assert ledger.tally.faults == []
    # Docker's proxy takes connections for a published port a moment longer than its container listens, and
    # ends them without an answer; on a busy machine that moment is long
    assert ledger.tally.unknown < ledger.tally.acknowledged / 4, ledger.tally.notes


def test_a_service_in_containers_moves_under_its_users_and_comes_back(
    online: DockerWorld, moves: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    with users(online, tmp_path / "there"):
        moves("migrate", "--mode", "online", "--yes", "--report", str(report))
        online.wait_healthy(RELAY)
        clients = online.get(f"{OLD}/relay/clients")[1]
        assert sum(client["requests"] for client in clients["clients"]) > 0, clients
    assert read_json(report)["outcome"] == "migrated"
    assert read_json(report)["write_downtime_seconds"] > 0
    assert online.state("apps-workspace")[0] == "exited"
    require_clean(online, "target", tmp_path / "there")
    online.engine.docker("kill", "-s", "KILL", RELAY)
    online.engine.docker("start", RELAY)
    online.wait_healthy(RELAY)
    assert online.get(f"{OLD}/api/items")[0] == 200

    with users(online, tmp_path / "back"):
        moves("rollback", "--yes", "--report", str(report))
    assert read_json(report)["outcome"] == "rolled_back"
    assert online.state("apps-workspace") == ("running", "healthy")
    assert online.state(RELAY)[0] == "exited"
    require_clean(online, "source", tmp_path / "there")
    require_clean(online, "source", tmp_path / "back")
    assert "exactly those of before" in moves("finish", "--remove-traces", "--yes").stdout
