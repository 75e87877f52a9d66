"""Compose files are what the compose command says they are: on every real one here, and on recorded words."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from wsdash.errors import InputError
from wsdash.stack.compose import built_image, described_services

CASES = Path(__file__).parent / "compose_cases"
RECORDED = Path(__file__).parent / "recorded"
OLDER = "docker-compose 1.29"
PLUGIN = "docker compose"

REPLAY = f"""#!/bin/sh
# A stand-in for the compose plugin 2.26.1: it prints what that one printed ({RECORDED.name}/README).
for word; do case $word in *.yml) list=$list${{list:+ }}${{word##*/}} ;; esac; done
say() {{ cat "{RECORDED}/$1" >&2; exit 1; }}
if [ "$list" != included.yml ]; then
  [ -n "$SECRET" ] || say missing-1.txt
  [ -n "$PORT" ] || say missing-2.txt
fi
cat "{RECORDED}/$(echo $list | tr ' ' +).txt"
"""


def real_commands() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        found |= {PLUGIN: ["docker", "compose"]} if asked.returncode == 0 else {}
    if shutil.which("docker-compose"):
        said = subprocess.run(
            ["docker-compose", "version", "--short"], capture_output=True, check=False
        ).stdout
        found[OLDER if said.startswith(b"1.") else f"{PLUGIN} by itself"] = ["docker-compose"]
    return found


@pytest.fixture(params=[*real_commands(), "recorded"])
def compose(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, list[str]]:
    """Which compose it is, and its argv."""
    for name in ("SECRET", "PORT", "IMAGE", "NAME", "COMPOSE_PROJECT_NAME", "COMPOSE_FILE"):
        monkeypatch.delenv(name, raising=False)
    name = str(request.param)
    if name != "recorded":
        return name, real_commands()[name]
    program = tmp_path / "standin-plugin"
    program.write_text(REPLAY)
    program.chmod(0o700)
    return PLUGIN, [str(program)]


def files(*names: str) -> list[str]:
    return [str(CASES / name) for name in names]


async def test_secrets_quotes_comments_extends_profiles_and_namespaces(
    compose: tuple[str, list[str]],
) -> None:
    found = await described_services(compose[1], files("base.yml"), ["shop-db", "api", "shop-page-1"])
    assert {name: one.service for name, one in found.items()} == {
        "api": "api",
        "shop-db": "db",
        "worker": "worker",
        "shop-page-1": "page",
    }
    assert {name: one.needs for name, one in found.items()} == {
        "api": ("shop-db",),
        "shop-db": (),
        "worker": ("api",),
        "shop-page-1": ("shop-db",),
    }
    assert {name: one.container for name, one in found.items() if one.container} == {"shop-db": "shop-db"}
    assert found["api"].image == "shop/api # not a comment"
    assert found["worker"].image == "busybox"
    page = found["shop-page-1"]
    assert (page.image, page.builds, page.directory) == ("", True, str(CASES))
    middle = "_" if compose[0] == OLDER else "-"
    assert built_image(page) == f"compose_cases{middle}page"


async def test_a_variable_that_is_set_and_empty_needs_no_value_to_be_read(
    compose: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "")
    assert "shop-db" in await described_services(compose[1], files("base.yml"), [])


@pytest.mark.parametrize("command", real_commands().values(), ids=real_commands())
async def test_a_variable_that_is_a_mounted_directory_needs_no_value_to_be_read(
    command: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "compose.yml"
    mounts = ["${CONFIG:?the directory}:/config:ro", "${DATA:?where}/rows:/data"]
    body = {"services": {"s": {"image": "x", "volumes": mounts, "ports": ["${PORT:?a port}:80"]}}}
    path.write_text(yaml.safe_dump(body))
    assert (await described_services(command, [str(path)], ()))["s"].ports == (("", 1),)


async def test_files_laid_over_others(compose: tuple[str, list[str]]) -> None:
    found = await described_services(compose[1], files("base.yml", "over.yml"), [])
    assert found["the-api"].service == "api"
    assert set(found["the-api"].needs) == {"shop-db", "page"}


async def test_what_one_version_knows_the_other_refuses_in_its_own_words(
    compose: tuple[str, list[str]],
) -> None:
    if compose[0] == OLDER:
        with pytest.raises(
            InputError, match="could not determine a constructor for the tag '!reset'"
        ) as caught:
            await described_services(compose[1], files("base.yml", "tags.yml"), [])
        assert caught.value.where.endswith("tags.yml, line 3")
        with pytest.raises(InputError, match="'include' does not match"):
            await described_services(compose[1], files("included.yml"), [])
        return
    found = await described_services(compose[1], files("base.yml", "tags.yml"), [])
    assert (found["db"].container, found["api"].needs) == ("", ("page",))
    assert set(await described_services(compose[1], files("included.yml"), [])) == {"common", "own"}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'yaml: line 3: did not find' >&2; exit 15", "line 3: did not find"),
        ("exit 7", "compose ended with exit code 7"),
        ("echo 'required variable A is missing a value: a' >&2; exit 1", "required variable A is missing"),
        ("echo '{'", "printed something that is not YAML"),
    ],
)
async def test_a_compose_that_cannot_read_is_quoted(script: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        await described_services(["sh", "-c", script], ["/nowhere/c.yml"], [])
    assert caught.value.where.startswith("/nowhere/c.yml")


async def test_a_compose_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(InputError, match="cannot be started: No such file"):
        await described_services(["/nowhere/compose"], ["c.yml"], [])
