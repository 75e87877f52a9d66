"""Lines as long as the engine splits them, on every log driver that can be read: none lost, none glued."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.docker.engine import Engine, unavailable
from tests.docker.image import IMAGE
from wsdash.config import AppsSettings, StackSettings, WorkspaceSettings
from wsdash.model import LogLine
from wsdash.stack.docker.stack import DockerStack
from wsdash.watch.pollers.logs import ErrorCounter

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(300)]

JOURNAL = Path("/run/systemd/journal")
JOURNALD = Path("/lib/systemd/systemd-journald")
NAME = "wsdash-t-lines"
SIZES = (10, 16_383, 16_384, 16_385, 20_000, 32_768, 3, 50_000, 5)
SCRIPT = f"""
import sys
for number, size in enumerate({SIZES}):
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
    words = ["-t"] if terminal else []
    docker_engine.docker(
        *("run", "-d", "--name", NAME, "--log-driver", driver, *words, IMAGE, "python3", "-c", SCRIPT)
    )
    found: list[LogLine] = []
    try:
        async with asyncio.timeout(90), aclosing(stack.follow_logs(0.0)) as lines:
            async for line in lines:
                found.append(line)
                if line.text == chr(96 + len(SIZES)) * SIZES[-1]:
                    break
    finally:
        await stack.close()
    assert [line.text[0] for line in found] == [chr(97 + number) for number in range(len(SIZES))]
    whole = [line for line, size in zip(found, SIZES, strict=True) if size <= 32_768]
    assert [len(line.text) for line in whole] == [size for size in SIZES if size <= 32_768]
    assert found[7].text.endswith("… (17,232 more bytes, with an error among them)")
    counter = ErrorCounter(NAME)
    for line in found:
        counter.see(line)
    assert counter.count(time.time()) == sum(size > 10 for size in SIZES)
