"""Lines as long as the engine splits them, on every log driver that can be read: none lost, none glued."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.docker.engine import Engine, unavailable
from tests.docker.image import IMAGE
from wsdash.config import AppsSettings, StackSettings, WorkspaceSettings
from wsdash.model import LogLine
from wsdash.stack.docker.stack import DockerStack
from wsdash.stack.text import LINE_LIMIT
from wsdash.watch.pollers.logs import ErrorCounter

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(300)]

JOURNAL = Path("/run/systemd/journal")
JOURNALD = Path("/lib/systemd/systemd-journald")
NAME = "wsdash-t-lines"
SIZES = (10, 16_383, 16_384, 16_385, 20_000, 32_768, 3, 50_000, 5)
CLEAR_OF_THE_PARTS = (10, 16_300, 16_400, 20_000, 32_700, 25_000, 3, 50_000, 5)
"""No line ends where one of Docker's parts of 16 384 bytes does."""


def printing(sizes: Sequence[int]) -> str:
    """A program that prints a line of each size, each of another letter; long ones end with ` error`."""
    return f"""
for number, size in enumerate({sizes}):
    print(chr(97 + number) * (size - 6) + ' error' if size > 10 else chr(97 + number) * size, flush=True)
"""


@pytest.fixture
def stack(docker_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerStack]:
    monkeypatch.setenv("DOCKER_HOST", docker_engine.environment["DOCKER_HOST"])
    apps = AppsSettings(str(tmp_path / "none.yml"), NAME, (NAME,))
    yield DockerStack(StackSettings("docker", apps, WorkspaceSettings(str(tmp_path / "none.yml"), ())))
    docker_engine.docker("rm", "-f", NAME, check=False)


@pytest.fixture
def journal() -> Iterator[None]:
    """A journal service: the machine's, or one for the test where the machine was booted without."""
    if (JOURNAL / "socket").exists():
        yield
        return
    if not JOURNALD.exists():
        unavailable("these tests need systemd, which brings the journal service")
    JOURNAL.mkdir(parents=True, exist_ok=True)
    try:
        with subprocess.Popen([JOURNALD], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
            deadline = time.monotonic() + 60
            while not (JOURNAL / "socket").exists():
                assert service.poll() is None, "the journal service ended"
                assert time.monotonic() < deadline, "the journal service did not start"
                time.sleep(0.05)
            yield
            service.terminate()
    finally:
        shutil.rmtree(JOURNAL, ignore_errors=True)


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "tty"])
@pytest.mark.parametrize("driver", ["json-file", "local", "journald"])
async def test_every_line_comes_once_and_whole(
    driver: str,
    terminal: bool,
    stack: DockerStack,
    docker_engine: Engine,
    request: pytest.FixtureRequest,
) -> None:
    if driver == "journald":
        request.getfixturevalue("journal")
    sizes = CLEAR_OF_THE_PARTS if driver == "journald" and terminal else SIZES
    found = await logged(stack, docker_engine, driver, sizes, terminal=terminal)
    assert [line.text[0] for line in found] == [chr(97 + number) for number in range(len(sizes))]
    whole = [line for line, size in zip(found, sizes, strict=True) if size <= LINE_LIMIT]
    assert [len(line.text) for line in whole] == [size for size in sizes if size <= LINE_LIMIT]
    assert found[7].text.endswith("… (17,232 more bytes, with an error among them)")
    counter = ErrorCounter(NAME)
    for line in found:
        counter.see(line)
    assert counter.count(time.time()) == sum(size > 10 for size in sizes)


@pytest.mark.usefixtures("journal")
async def test_on_a_terminal_the_journal_joins_a_line_that_ends_with_a_part_to_the_next(
    stack: DockerStack, docker_engine: Engine
) -> None:
    # Docker's reader leaves out the empty part that would tell the end; a terminal's line has a \r as well
    found = await logged(stack, docker_engine, "journald", (10, 16_383, 7, 5), terminal=True)
    joined = "b" * 16_377 + " error" + "c" * 7
    assert [line.text.replace("\r", "") for line in found] == ["a" * 10, joined, "d" * 5]


async def logged(
    stack: DockerStack, engine: Engine, driver: str, sizes: Sequence[int], *, terminal: bool = False
) -> list[LogLine]:
    """What is read of a container that prints lines of these sizes, until the last one."""
    words = ["-t"] if terminal else []
    engine.docker(
        *("run", "-d", "--name", NAME, "--log-driver", driver),
        *(*words, IMAGE, "python3", "-c", printing(sizes)),
    )
    found: list[LogLine] = []
    try:
        async with asyncio.timeout(90), aclosing(stack.follow_logs(0.0)) as lines:
            async for line in lines:
                found.append(line)
                if line.text == chr(96 + len(sizes)) * sizes[-1]:
                    break
    finally:
        await stack.close()
    return found
