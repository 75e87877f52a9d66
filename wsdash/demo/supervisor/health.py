"""Health checks of services: one probe, and what a row of probes makes of a service's health.

With the local counterpart of images: is a service's program there, and does it answer?
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from wsdash.demo.limits import PROGRAM_SECONDS
from wsdash.demo.supervisor.service_spec import CommandHealth, HttpHealth, ServiceSpec, TcpHealth
from wsdash.outside.http import client_session
from wsdash.stack.text import clean
from wsdash.subprocesses import CannotStartError, OverdueError, ProgramError, run_program

RETRIES = 3
"""Failures in a row that make a healthy service unhealthy."""

_OUTPUT_BYTES = 2_000


@dataclass(frozen=True)
class Probe:
    """What one check said."""

    ok: bool
    output: str


async def probe(spec: ServiceSpec, environment: dict[str, str], session: aiohttp.ClientSession) -> Probe:
    """Check once, within spec.health_timeout seconds. Failures are answers, not exceptions."""
    try:
        async with asyncio.timeout(spec.health_timeout):
            if isinstance(spec.health, HttpHealth):
                return await _http(spec.health, session)
            if isinstance(spec.health, TcpHealth):
                return await _tcp(spec.health)
            if isinstance(spec.health, CommandHealth):
                return await _command(spec.health, environment, spec.health_timeout)
    except (TimeoutError, OverdueError):
        return Probe(False, f"no answer within {spec.health_timeout:g} s")
    except (OSError, aiohttp.ClientError, ValueError, CannotStartError) as error:
        return Probe(False, str(error) or type(error).__name__)
    return Probe(True, "")


async def _http(health: HttpHealth, shared: aiohttp.ClientSession) -> Probe:
    async with _from(health.source, shared) as session, session.get(health.url) as answer:
        body = clean(await answer.content.read(200)).strip()
        said = f"GET {health.url}: {answer.status}"
        return Probe(answer.status < 400, said if answer.status < 400 else f"{said} {body}".strip())


@asynccontextmanager
async def _from(source: str, shared: aiohttp.ClientSession) -> AsyncIterator[aiohttp.ClientSession]:
    """The session that asks from this address; the shared one where it does not matter."""
    if not source:
        yield shared
        return
    connector = aiohttp.TCPConnector(local_addr=(source, 0), force_close=True)
    async with client_session(connector=connector, timeout=shared.timeout) as own:
        yield own


async def _tcp(health: TcpHealth) -> Probe:
    _, writer = await asyncio.open_connection(health.host, health.port)
    writer.close()
    return Probe(True, f"{health.host}:{health.port} accepts connections")


async def _command(health: CommandHealth, environment: dict[str, str], timeout: float) -> Probe:
    done = await run_program(health.argv, seconds=timeout, keep=_OUTPUT_BYTES, env=environment, merged=True)
    lines = [line for raw in done.stdout.splitlines() if (line := clean(raw).strip())]
    return Probe(done.code == 0, lines[-1] if lines else f"exit code {done.code}")


class HealthState:
    """starting, healthy, unhealthy or none (no check), as Docker counts it."""

    def __init__(self, spec: ServiceSpec) -> None:
        self._spec = spec
        self._began = time.monotonic()
        self._failures = 0
        self.status = "none" if spec.health is None else "starting"
        self.output = ""

    def take(self, result: Probe) -> bool:
        """Count one probe; True when the status changed.

        Failures within the start period are forgiven as long as the service has not been healthy.
        """
        before = self.status
        self.output = result.output
        if result.ok:
            self._failures, self.status = 0, "healthy"
        elif self.status != "starting" or time.monotonic() - self._began >= self._spec.start_period:
            self._failures += 1
            if self._failures >= RETRIES:
                self.status = "unhealthy"
        return self.status != before

    @property
    def pause(self) -> float:
        """Seconds until the next probe."""
        interval = self._spec.health_interval
        return min(interval, self._spec.health_start_interval) if self.status == "starting" else interval


async def programs_present(specs: list[ServiceSpec]) -> dict[str, bool]:
    """Image -> whether the programs of all services of that image exist and answer --version."""
    answers = await asyncio.gather(*(_answers(spec) for spec in specs))
    present: dict[str, bool] = {}
    for spec, answer in zip(specs, answers, strict=True):
        present[spec.image] = present.get(spec.image, True) and answer
    return present


def find_program(word: str, path: str | None = None) -> str | None:
    """Where a program is, or None. path: a PATH to look along, ours when left out.

    A path is looked up as it is: whether we may run it only running it tells (shutil.which asks for the
    real user and forgets capabilities).
    """
    if "/" in word:
        return word if Path(word).exists() else None
    return shutil.which(word, path=path)


def _program(argv: tuple[str, ...]) -> tuple[str, ...]:
    """argv without the setpriv in front of it."""
    if Path(argv[0]).name == "setpriv" and "--" in argv:
        return argv[argv.index("--") + 1 :]
    return argv


async def _answers(spec: ServiceSpec) -> bool:
    argv = _program(spec.argv)
    program = find_program(argv[0]) if argv else None
    if program is None:
        return False
    words = [program, "--version"]
    if "-m" in argv[:-1] and Path(program).name.startswith("python"):
        module = argv[argv.index("-m") + 1]
        find = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
        words = [program, "-c", find, module]
    try:
        return (await run_program(words, seconds=PROGRAM_SECONDS, env=os.environ | spec.env)).code == 0
    except ProgramError:
        return False
