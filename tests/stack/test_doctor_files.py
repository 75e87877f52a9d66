"""Doctor says which compose files, images and command are missing or cannot be read, and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from tests.stack.conftest import STACK
from tests.stack.engine import Engine
from wsdash.config import Settings, StackSettings, load_settings
from wsdash.review.doctor.compose_files import COMMAND, IMAGES, compose_files, images
from wsdash.review.doctor.finding import Finding
from wsdash.stack.docker.stack import DockerStack

APPS, WORKSPACE = "compose file stack.apps.file", "compose file stack.workspace.file"


def whole(stack: StackSettings) -> Settings:
    return msgspec.structs.replace(load_settings(), stack=stack)


def write(file: str, text: str) -> None:
    Path(file).write_text(text)


def remove(file: str) -> None:
    Path(file).unlink()


async def found(settings: StackSettings) -> dict[str, Finding]:
    return {finding.name: finding for finding in await compose_files(whole(settings))}


async def test_where_all_is_there_all_is_well(settings: StackSettings) -> None:
    seen = await found(settings)
    assert {name: one.well for name, one in seen.items()} == {COMMAND: True, APPS: True, WORKSPACE: True}
    assert seen[WORKSPACE].seen == f"{settings.workspace.file}: 2 services"


async def test_a_missing_file_of_the_new_stack_is_unwell_and_one_of_the_old_only_absent(
    settings: StackSettings,
) -> None:
    for group in (settings.apps, settings.workspace):
        remove(group.file)
    seen = await found(settings)
    assert (seen[APPS].well, seen[WORKSPACE].well) == (None, False)
    assert seen[WORKSPACE].seen == f"there is no file {settings.workspace.file}"
    assert "stack.workspace.file" in seen[WORKSPACE].remedy


async def test_a_missing_override_is_named_with_its_key(settings: StackSettings, tmp_path: Path) -> None:
    lost = str(tmp_path / "ours.yml")
    workspace = msgspec.structs.replace(settings.workspace, overrides=(lost,))
    seen = await found(msgspec.structs.replace(settings, workspace=workspace))
    name = "compose file stack.workspace.overrides"
    assert (seen[name].well, seen[name].seen) == (False, f"there is no file {lost}")
    assert "take it out of stack.workspace.overrides" in seen[name].remedy


async def test_a_file_that_only_the_working_directory_has_is_named(
    settings: StackSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.yml").write_text(STACK)
    monkeypatch.chdir(tmp_path / "here")
    workspace = msgspec.structs.replace(settings.workspace, file=str(tmp_path / "config" / "mine.yml"))
    named = whole(msgspec.structs.replace(settings, workspace=workspace))
    named = msgspec.structs.replace(named, directory=str(tmp_path / "config"))
    (seen,) = [one for one in await compose_files(named) if one.name == WORKSPACE]
    assert f"but {tmp_path / 'here' / 'mine.yml'}" in seen.seen


@pytest.mark.parametrize("place", ["", "directory"])
async def test_a_directory_or_no_name_is_no_file(settings: StackSettings, tmp_path: Path, place: str) -> None:
    file = str(tmp_path) if place else ""
    workspace = msgspec.structs.replace(settings.workspace, file=file)
    seen = await found(msgspec.structs.replace(settings, workspace=workspace))
    assert seen[WORKSPACE].well is False


async def test_a_container_that_no_file_describes_is_named(settings: StackSettings) -> None:
    write(settings.workspace.file, STACK.replace("workspace-db-pageserver", "another"))
    seen = (await found(settings))[WORKSPACE]
    assert seen.well is False
    assert seen.seen.endswith("none of them workspace-db-pageserver")


async def test_without_a_compose_command_that_is_said_and_files_are_still_looked_for(
    settings: StackSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    remove(settings.workspace.file)
    seen = await found(settings)
    assert seen[COMMAND].well is False
    assert "install the Docker Compose plugin" in seen[COMMAND].remedy
    assert seen[WORKSPACE].well is False


REAL = shutil.which("docker-compose")


@pytest.mark.skipif(not REAL, reason="there is no docker-compose here")
@pytest.mark.parametrize("text", ["services: [", "services: {compute: {imagine: neon}}", "", "\0"])
async def test_what_the_real_compose_command_cannot_read_is_told_in_its_words(
    settings: StackSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert REAL is not None
    programs = tmp_path / "real"
    programs.mkdir()
    (programs / "docker-compose").symlink_to(REAL)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    write(settings.workspace.file, text)
    seen = await found(settings)
    assert seen[APPS].well is True, seen[APPS]
    assert seen[WORKSPACE].well is False
    assert settings.workspace.file in seen[WORKSPACE].seen + seen[WORKSPACE].more
    assert seen[WORKSPACE].more.endswith(f"-f {settings.workspace.file} config")


async def test_missing_images_are_named_with_what_makes_them(
    engine: Engine, stack: DockerStack, settings: StackSettings
) -> None:
    (lacking,) = await images(whole(settings), stack)
    assert (lacking.name, lacking.well, lacking.seen) == (IMAGES, None, "missing: neon")
    assert "the rest is pulled" in lacking.remedy
    workspace = msgspec.structs.replace(settings.workspace, build_command=("make", "neon image"))
    (built,) = await images(whole(msgspec.structs.replace(settings, workspace=workspace)), stack)
    assert "stack.workspace.build_command (make 'neon image')" in built.remedy
    engine.images.add("neon")
    (present,) = await images(whole(settings), stack)
    assert (present.well, present.seen) == (True, "present: neon")


async def test_images_that_cannot_be_known_are_unknown(
    engine: Engine, stack: DockerStack, settings: StackSettings
) -> None:
    write(settings.workspace.file, "not: [yaml")
    (unknown,) = await images(whole(settings), stack)
    assert unknown.well is None
    assert unknown.seen.startswith("unknown: ")


async def test_without_docker_there_is_nothing_to_look_for(settings: StackSettings) -> None:
    assert await found(msgspec.structs.replace(settings, engine="external")) == {}
