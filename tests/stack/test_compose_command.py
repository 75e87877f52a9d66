"""A compose or build command: its words come as they are said; late or cancelled, its children go too."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from tests.support.processes import FAMILY, family, is_gone, until
from wsdash.config import (
    AppsSettings,
    ExternalService,
    StackSettings,
    WorkspaceSettings,
    load_settings,
    secret_variables,
)
from wsdash.errors import WsdashError
from wsdash.stack.compose import described_services, run_command
from wsdash.stack.compose.description import without_unnamed
from wsdash.stack.docker.stack import DockerStack
from wsdash.stack.external import ExternalStack


async def test_its_lines_come_after_the_command_itself_and_both_outputs_are_one() -> None:
    said: list[str] = []
    await run_command(["sh", "-c", "echo one; echo two >&2"], said.append, 60.0, where="here", env=os.environ)
    assert said == ["$ sh -c 'echo one; echo two >&2'", "one", "two"]


async def test_a_late_one_is_told_with_its_last_words_and_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WsdashError, match=r"did not end within 3 s: pulling"):
        await run_command(
            ["sh", "-c", FAMILY + "echo pulling; wait"], lambda line: None, 3.0, where="here", env=os.environ
        )
    child, shell = await family(tmp_path)
    assert is_gone(shell)
    await until(lambda: is_gone(child))


async def test_a_cancelled_one_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = run_command(
        ["sh", "-c", FAMILY + "wait"], lambda line: None, 60.0, where="here", env=os.environ
    )
    running = asyncio.create_task(command)
    child, shell = await family(tmp_path)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert is_gone(shell)
    await until(lambda: is_gone(child))


async def test_one_that_is_missing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(WsdashError, match="cannot be started: No such file"):
        await run_command([str(tmp_path / "nothing")], lambda line: None, 60.0, where="here", env=os.environ)


SECRETS = frozenset({"SOURCE_PW", "TARGET_PW", "TOKEN"})


@pytest.mark.parametrize(
    ("files", "handed_on"),
    [
        ({"c.yml": "services: {a: {environment: {P: '${SOURCE_PW:?set it}'}}}"}, {"SOURCE_PW"}),
        ({"c.yml": "services: {a: {environment: [TARGET_PW]}}"}, {"TARGET_PW"}),
        ({"c.yml": "services: {a: {image: $TOKEN}}"}, {"TOKEN"}),
        ({"c.yml": "services: {a: {image: x}}"}, set()),
        ({"c.yml": "x: SOURCE_PW2"}, set()),
        ({"c.yml": "include:\n  - sub/d.yml\n", "sub/d.yml": "x: ${TARGET_PW}"}, {"TARGET_PW"}),
        ({"c.yml": "include: [{path: sub/d.yml}]", "sub/d.yml": "x: ${TARGET_PW}"}, {"TARGET_PW"}),
        ({"c.yml": "services: {a: {extends: {file: d.yml}}}", "d.yml": "x: ${TOKEN-none}"}, {"TOKEN"}),
        ({"c.yml": "services: {a: {env_file: a.conf}}", "a.conf": "P=${SOURCE_PW}"}, {"SOURCE_PW"}),
        ({"c.yml": "x: 1", ".env": "P=${SOURCE_PW}"}, {"SOURCE_PW"}),
        ({"c.yml": "include:\n  - ${WHERE}/d.yml\n"}, SECRETS),
        ({"c.yml": "include:\n  - path: https://example.org/a.git\n"}, SECRETS),
        ({"c.yml": "include:\n  - https://example.org/a.git\n"}, SECRETS),
        ({"c.yml": "x" * (2 << 20)}, SECRETS),
        ({"c.yml": "x: ${TOKEN}\ny: " + "z" * 300}, {"TOKEN"}),
        ({"c.yml": "x: " + "é" * 200}, set()),
        ({"c.yml": "services: {a: {entrypoint: [./run]}}", "run": "\0TOKEN " + "é" * 200}, set()),
        ({"c.yml": "services: {a: {entrypoint: [./run]}}", "run": "\0" * (2 << 20)}, set()),
    ],
)
def test_compose_gets_those_of_our_secrets_that_its_files_name(
    files: dict[str, str], handed_on: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*SECRETS, "THEIR_OWN"):
        monkeypatch.setenv(name, "x")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    given = without_unnamed(SECRETS, [str(tmp_path / "c.yml")])
    assert SECRETS & set(given) == handed_on
    assert {"PATH", "THEIR_OWN"} <= set(given)


async def test_a_compose_command_is_run_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.yml").write_text("services: {a: {environment: [TARGET_PW]}}")
    for name in SECRETS:
        monkeypatch.setenv(name, f"value-of-{name}")
    script = "env >&2; echo 'services: {a: {image: x}}'; env >" + str(tmp_path / "env")
    found = await described_services(["sh", "-c", script], [str(tmp_path / "c.yml")], [], SECRETS)
    assert found["a"].secrets == SECRETS
    given = (tmp_path / "env").read_text()
    assert "value-of-TARGET_PW" in given
    assert "value-of-SOURCE_PW" not in given
    assert "value-of-TOKEN" not in given


@pytest.mark.parametrize("engine", ["docker", "external"])
async def test_the_build_command_gets_what_it_is_configured_to_get(
    engine: Literal["docker", "external"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGPASSWORD", "NPM_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    workspace = WorkspaceSettings("", (), build_command=("env",), build_environment=("NPM_TOKEN",))
    settings = StackSettings(engine, AppsSettings("", "old", ()), workspace)
    stack = DockerStack(settings) if engine == "docker" else ExternalStack(settings)
    said: list[str] = []
    await stack.fetch_images(said.append)
    text = "\n".join(said)
    assert "value-of-NPM_TOKEN" in text
    assert "PATH=" in text
    assert "value-of-PGPASSWORD" not in text
    assert "value-of-AWS" not in text


async def test_commands_of_external_services_get_what_they_are_configured_to_get(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGPASSWORD", "UNIT"):
        monkeypatch.setenv(name, f"value-of-{name}")
    runs, asked = tmp_path / "runs", tmp_path / "asked"
    service = ExternalService(
        start=("sh", "-c", f"env; touch {runs}"),
        status=("sh", "-c", f"env >{asked}; test -e {runs} || exit 3"),
        environment=("UNIT",),
    )
    apps, workspace = AppsSettings("", "old", ()), WorkspaceSettings("", ("new",))
    stack = ExternalStack(StackSettings("external", apps, workspace, "", {"new": service}))
    said: list[str] = []
    await stack.start(["new"], said.append)
    assert "UNIT=value-of-UNIT" in said
    assert "UNIT=value-of-UNIT" in asked.read_text()
    assert not any("value-of-PGPASSWORD" in text for text in (*said, asked.read_text()))


def test_every_secret_that_the_settings_name_is_kept_back() -> None:
    """A new key that ends in _env must be one of them."""
    settings = load_settings(None)
    keys = ("source.password_env", "target.password_env", "api.token_env", "notify.webhook_env")
    named: Any = msgspec.to_builtins(settings)
    found = []
    for section, values in named.items():
        for key in values if isinstance(values, dict) else ():
            if key.endswith("_env"):
                found.append(f"{section}.{key}")
                name = f"NAME_OF_{section}_{key}"
                values[key] = name if isinstance(values[key], str) else [name]
    assert set(keys) < set(found)
    read = msgspec.convert(named, type(settings))
    assert secret_variables(read) >= {f"NAME_OF_{one.replace('.', '_')}" for one in found}
