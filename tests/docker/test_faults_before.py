"""What stands in a migration's way before it begins is told with its name and the way out."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.docker import image
from tests.docker.world import CONTENT, WORKSPACE, DockerWorld, InEngine
from wsdash.engine.journal.writer import JournalReader
from wsdash.model import Notice

# one engine, one worker; the first test waits for the engine, its image and the old world
pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(900)]

NOWHERE = "wsdash-nowhere:1"


def line_of(output: str, item: str) -> str:
    """The last line that the run printed about an item."""
    found = [line for line in output.splitlines() if line[:1] in "✓✗" and line[2:].startswith(item + " ")]
    assert found, output
    return found[-1]


def notices(state: Path) -> list[str]:
    """What the run told beside its items, as the logs pane shows it."""
    reader = JournalReader(state)
    try:
        events = [recorded.event for recorded in reader.events(0, 100_000)]
    finally:
        reader.close()
    return [event.text for event in events if isinstance(event, Notice)]


def test_a_missing_image_is_pulled_and_the_refusal_is_told(world: DockerWorld, wsdash: InEngine) -> None:
    wsdash.environment["WSDASH_TEST_IMAGE"] = NOWHERE
    done = wsdash.run("migrate", "--yes", "--until", "neon-image", "--config", str(world.config))
    assert done.returncode == 1, done.stdout + done.stderr
    told = line_of(done.stdout, "neon-image")
    assert told.startswith("✗")
    assert NOWHERE in told
    assert "pull workspace-db-pageserver" in told
    assert "Traceback" not in done.stdout + done.stderr
    assert world.state("apps-workspace") == ("running", "healthy")


def test_a_missing_image_is_made_by_the_operators_command(world: DockerWorld, wsdash: InEngine) -> None:
    wsdash.environment["WSDASH_TEST_IMAGE"] = NOWHERE
    build = ["sh", "-c", f"echo step 1 of 1; docker tag {image.IMAGE} {NOWHERE}"]
    wsdash.environment["WSDASH__STACK__WORKSPACE__BUILD_COMMAND"] = str(build)
    try:
        done = wsdash.run("migrate", "--yes", "--until", "neon-image", "--config", str(world.config))
    finally:
        world.engine.docker("rmi", NOWHERE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert NOWHERE in line_of(done.stdout, "neon-image")
    told = notices(wsdash.state)
    assert f"$ {shlex.join(build)}" in told
    assert "step 1 of 1" in told


def test_a_build_command_that_fails_is_told_with_its_last_words(world: DockerWorld, wsdash: InEngine) -> None:
    wsdash.environment["WSDASH_TEST_IMAGE"] = NOWHERE
    wsdash.environment["WSDASH__STACK__WORKSPACE__BUILD_COMMAND"] = "[sh, -c, echo no compiler here; exit 3]"
    done = wsdash.run("migrate", "--yes", "--until", "neon-image", "--config", str(world.config))
    assert done.returncode == 1
    told = line_of(done.stdout, "neon-image")
    assert "exit code 3" in told
    assert "no compiler here" in told


def test_a_port_that_a_foreign_container_has_is_told_with_its_name(
    world: DockerWorld, wsdash: InEngine
) -> None:
    run = ("run", "-d", "--init", "--name", "somebody-elses", "-p", "9898:1", image.IMAGE, "sleep", "600")
    world.engine.docker(*run)
    words = ("migrate", "--yes", "--until", "ports-free", "--config", str(world.config))
    try:
        done = wsdash.run(*words)
        assert done.returncode == 1
        told = line_of(done.stdout, "ports-free")
        assert "9898" in told
        assert "somebody-elses" in told
        assert world.state("apps-workspace") == ("running", "healthy")
    finally:
        world.engine.docker("rm", "-f", "somebody-elses")
    assert wsdash.run(*words).returncode == 0


def test_a_foreign_container_of_our_name_is_not_taken_for_ours(world: DockerWorld, wsdash: InEngine) -> None:
    run = ("run", "-d", "--init", "--name", "workspace-db-pageserver", image.IMAGE, "sleep", "600")
    world.engine.docker(*run)
    before = world.source(CONTENT)
    try:
        done = wsdash.run("migrate", "--yes", "--config", str(world.config))
        assert done.returncode == 1
        told = line_of(done.stdout, "start-stack")
        assert told.startswith("✗")
        assert "workspace-db-pageserver" in told
        assert "docker rename" in told or "docker rm" in told
    finally:
        world.engine.docker("rm", "-f", "workspace-db-pageserver")
    assert world.source(CONTENT) == before


def broken(wsdash: InEngine, tmp_path: Path, text: str) -> Path:
    """wsdash with one more compose file of this content laid over the new stack's."""
    file = tmp_path / "mine.yml"
    file.write_text(text)
    overrides = f"[{WORKSPACE[1]}, {file}]"
    wsdash.environment["WSDASH__STACK__WORKSPACE__OVERRIDES"] = overrides
    return file


def test_a_compose_file_that_is_no_yaml_is_told_with_file_and_line(
    world: DockerWorld, wsdash: InEngine, tmp_path: Path
) -> None:
    file = broken(wsdash, tmp_path, "services:\n  workspace-api:\n    image: [\n")
    done = wsdash.run("migrate", "--yes", "--until", "neon-image", "--config", str(world.config))
    assert done.returncode in (1, 2)
    assert f"{file}, line 4" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert world.state("apps-workspace") == ("running", "healthy")


def test_what_compose_refuses_is_told_in_its_own_words_before_the_old_service_is_stopped(
    world: DockerWorld, wsdash: InEngine, tmp_path: Path
) -> None:
    broken(wsdash, tmp_path, "services:\n  workspace-db-pageserver:\n    prots: []\n")
    done = wsdash.run("migrate", "--yes", "--config", str(world.config))
    assert done.returncode == 1
    assert "prots" in line_of(done.stdout, "neon-image")
    assert "stop-old" not in done.stdout
    assert world.state("apps-workspace") == ("running", "healthy")
