"""The real compose files, as the compose command reads them: the guide's names, ports, networks, limits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.engine import unavailable
from tests.docker.world import SECRETS, TREE
from wsdash.stack.compose import described_services

APPS = TREE / "compose/docker-compose.apps.yml"
WORKSPACE = TREE / "compose/docker-compose.workspace-stack.yml"
RELAY = TREE / "compose/docker-compose.relay.yml"
BACKEND = "tradingsystem_backend"
HERE = "${WSDASH_PUBLISH:-127.0.0.1}"


def accepted(file: Path, command: list[str]) -> dict[str, Any]:
    """What the compose command makes of a file."""
    done = subprocess.run(
        [*command, "-f", str(file), "config"],
        capture_output=True,
        text=True,
        env=os.environ | SECRETS,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = yaml.safe_load(done.stdout)
    return content


def commands() -> list[list[str]]:
    """The compose commands of this machine: the plugin, the older program, or both."""
    found = []
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        found += [["docker", "compose"]] if asked.returncode == 0 else []
    return found + ([["docker-compose"]] if shutil.which("docker-compose") else [])


@pytest.fixture(params=commands() or [[]], ids=" ".join)
def command(request: pytest.FixtureRequest) -> list[str]:
    """Each compose command of this machine in turn; CI has one at least."""
    words: list[str] = request.param
    if not words:
        unavailable("there is no compose command on this machine")
    return words


def described(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    return content


def ports(service: dict[str, Any]) -> set[str]:
    return set(service.get("ports", ()))


def mebibytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)m", text)
    assert match is not None, text
    return int(match[1])


@pytest.mark.parametrize("file", [APPS, WORKSPACE, RELAY], ids=("apps", "workspace", "relay"))
def test_the_compose_command_accepts_the_file(file: Path, command: list[str]) -> None:
    assert set(accepted(file, command)["services"]) == set(described(file)["services"])


def test_the_new_stack_is_the_guides_four_containers_and_ports() -> None:
    services = described(WORKSPACE)["services"]
    assert {body["container_name"]: ports(body) for body in services.values()} == {
        "workspace-db-pageserver": {f"{HERE}:6400:6400", f"{HERE}:9898:9898"},
        "workspace-db-safekeeper": {f"{HERE}:5454:5454", f"{HERE}:7676:7676"},
        "workspace-db-compute": {f"{HERE}:5433:55432"},
        "workspace-api": {"3200:3200"},
    }


def test_the_old_service_is_the_guides() -> None:
    workspace = described(APPS)["services"]["workspace"]
    assert workspace["container_name"] == "apps-workspace"
    assert ports(workspace) == {"3201:3200"}
    assert "LIBRARY_DB_STRATEGY=timescaledb" in workspace["environment"]
    assert "TIMESCALEDB_HOST=data-timescale" in workspace["environment"]
    assert workspace["networks"] == [BACKEND]


def test_the_new_service_is_the_guides() -> None:
    api = described(WORKSPACE)["services"]["workspace-api"]
    assert "LIBRARY_DB_STRATEGY=neon" in api["environment"]
    assert "NEON_HOST=workspace-db-compute" in api["environment"]
    assert api["networks"] == ["workspace_network", BACKEND]
    assert api["depends_on"] == {"workspace-db-compute": {"condition": "service_healthy"}}


def test_the_storage_nodes_are_in_the_stacks_own_network_only() -> None:
    services = described(WORKSPACE)["services"]
    for name, body in services.items():
        assert name == "workspace-api" or body["networks"] == ["workspace_network"]


def test_everything_is_healthy_before_what_needs_it_starts() -> None:
    services = described(WORKSPACE)["services"]
    assert all(body["healthcheck"]["test"] for body in services.values())
    needs = {name: set(body.get("depends_on", {})) for name, body in services.items()}
    assert needs["workspace-db-safekeeper"] == {"workspace-db-pageserver"}
    assert needs["workspace-db-compute"] == {"workspace-db-pageserver", "workspace-db-safekeeper"}
    for body in services.values():
        conditions = {need["condition"] for need in body.get("depends_on", {}).values()}
        assert conditions <= {"service_healthy"}


def test_the_memory_limits_sum_to_less_than_the_guides_two_gigabytes() -> None:
    services = described(WORKSPACE)["services"].values()
    assert sum(mebibytes(body["mem_limit"]) for body in services) * 1024**2 < 2_000_000_000


def test_the_compute_keeps_nothing_and_the_storage_nodes_keep_all() -> None:
    content = described(WORKSPACE)
    kept = {
        name: [v for v in body.get("volumes", ()) if not v.startswith("./")]
        for name, body in content["services"].items()
    }
    assert kept["workspace-db-compute"] == []
    assert kept["workspace-db-pageserver"] == ["workspace-db-pageserver:/data/.neon"]
    assert kept["workspace-db-safekeeper"] == ["workspace-db-safekeeper:/data/.neon"]
    assert set(content["volumes"]) == {"workspace-db-pageserver", "workspace-db-safekeeper"}


def test_the_pageserver_has_time_to_end() -> None:
    assert described(WORKSPACE)["services"]["workspace-db-pageserver"]["stop_grace_period"] == "60s"


@pytest.mark.parametrize("file", [APPS, WORKSPACE], ids=("apps", "workspace"))
def test_every_service_reaps_what_its_checks_leave_and_has_a_bounded_log(file: Path) -> None:
    for name, body in described(file)["services"].items():
        assert body["init"] is True, name
        assert body["logging"]["options"] == {"max-size": "20m", "max-file": "5"}, name


def test_only_the_apis_are_published_beyond_this_machine() -> None:
    published = {
        (name, port)
        for file in (APPS, WORKSPACE)
        for name, body in described(file)["services"].items()
        for port in ports(body)
        if not port.startswith(f"{HERE}:")
    }
    assert published == {("workspace", "3201:3200"), ("workspace-api", "3200:3200")}


def test_the_compute_may_set_its_core_limit() -> None:
    assert described(WORKSPACE)["services"]["workspace-db-compute"]["ulimits"] == {"core": -1}


def test_ports_that_the_kernel_gives_to_outgoing_connections_are_kept_for_their_servers() -> None:
    services = described(WORKSPACE)["services"]
    reserved = {
        name: body["sysctls"]["net.ipv4.ip_local_reserved_ports"]
        for name, body in services.items()
        if "sysctls" in body
    }
    # compute.sh and branch.sh; pageserver.sh, which starts the broker too
    assert reserved == {"workspace-db-compute": "55432-55433", "workspace-db-pageserver": "50051"}


async def test_the_images_are_pinned_and_may_be_replaced(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await described_services(command, [str(WORKSPACE)], [])
    assert there["workspace-db-pageserver"].image == "neondatabase/neon:release-9129"
    assert there["workspace-db-compute"].image == "neondatabase/compute-node-v17:release-compute-9073"
    monkeypatch.setenv("NEON_IMAGE", "our/neon@sha256:ab")
    own = await described_services(command, [str(WORKSPACE)], [])
    assert own["workspace-db-safekeeper"].image == "our/neon@sha256:ab"


@pytest.mark.parametrize("file", [APPS, WORKSPACE], ids=("apps", "workspace"))
def test_no_password_stands_in_a_file(file: Path) -> None:
    for line in file.read_text().splitlines():
        if "PASSWORD" in line and not line.lstrip().startswith("#"):
            assert re.search(r"PASSWORD\s*[=:]\s*\$\{WSDASH_(SOURCE|TARGET)_PASSWORD:\?", line), line


@pytest.mark.parametrize("file", [APPS, WORKSPACE], ids=("apps", "workspace"))
def test_a_password_that_is_not_set_stops_compose(file: Path, command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    done = subprocess.run(
        [*command, "-f", str(file), "config"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode != 0
    assert "PASSWORD" in done.stderr


@pytest.mark.parametrize("script", sorted((TREE / "compose/neon").glob("*.sh")), ids=lambda path: path.name)
def test_every_script_is_one_that_its_shell_can_read(script: Path) -> None:
    shell = script.read_text().splitlines()[0].removeprefix("#!")
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_relays_one_file_runs_by_itself() -> None:
    """Outside of the package, without what that has installed: as in a plain Python image."""
    (mounted,) = described(RELAY)["services"]["workspace-api-relay"]["volumes"]
    file = RELAY.parent / mounted.split(":")[0]
    words = [sys.executable, "-I", "-S", str(file.resolve()), "--listen", "nothing", "--to", "nothing"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "relay: 'nothing' is no HOST:PORT\n")
