"""A PostgreSQL server for a moment: where the target cannot be started, its schema is tried there."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from wsdash.config import DatabaseSettings
from wsdash.demo.limits import SCRATCH_START_SECONDS, SCRATCH_STOP_SECONDS
from wsdash.demo.world import postgres
from wsdash.errors import InputError, WsdashError
from wsdash.subprocesses import ProgramError, run_program

SYSTEM = Path("/usr/lib/postgresql")
"""Where Debian puts each version's programs."""
USER = "wsdash"
PREFIX = "wsdash-scratch-server-"


def found_versions() -> dict[int, Path]:
    """Major version -> directory of its programs: the wheel's, and the system's."""
    found: dict[int, Path] = {}
    for version in postgres.INSTALLS:
        with suppress(InputError):
            found[version] = postgres.programs(version)
    for directory in SYSTEM.glob("*/bin"):
        match = re.fullmatch(r"\d+", directory.parent.name)
        if match and (directory / "initdb").exists():
            found.setdefault(int(match[0]), directory)
    return found


@asynccontextmanager
async def scratch_server(wanted: int | None, schema: str) -> AsyncIterator[tuple[int, DatabaseSettings]]:
    """A server of the wanted major version, else of the newest found: its version, and its empty database.

    It listens on 127.0.0.1 only; server and files are gone after the block, and so are those that a killed
    process left. Raises WsdashError when no PostgreSQL is found here or it does not start.
    """
    versions = await asyncio.to_thread(found_versions)
    if not versions:
        raise WsdashError(
            "there is no PostgreSQL server's program here to try the schema on",
            where="this machine",
            remedy="pip install 'wsdash[demo]', or install postgresql of the target's version",
        )
    version = wanted if wanted in versions else max(versions)
    await asyncio.to_thread(_sweep)
    place = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=PREFIX))
    try:
        await asyncio.to_thread(place.chmod, 0o711)  # the account that PostgreSQL runs as must reach its data
        password, port = place / "password", _free_port()
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
        try:
            await asyncio.to_thread(
                postgres.make_cluster,
                version,
                place / "data",
                superuser=USER,
                password=password.read_text(encoding="utf-8").strip(),
                port=port,
                binaries=versions[version],
            )
        except (OSError, RuntimeError) as error:
            raise _broken(version, str(error)) from error
        async with _running(version, versions[version], place / "data", port):
            yield (
                version,
                DatabaseSettings(
                    label=f"scratch server (PostgreSQL {version})",
                    host="127.0.0.1",
                    port=port,
                    database="postgres",
                    user=USER,
                    schema=schema,
                    password_file=str(password),
                    sslmode="disable",
                ),
            )
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


@asynccontextmanager
async def _running(version: int, binaries: Path, data: Path, port: int) -> AsyncIterator[None]:
    argv = [*postgres.server_argv(version, data, binaries), "-c", "fsync=off"]
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=null, stderr=null, cwd="/")
    try:
        ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        try:
            async with asyncio.timeout(SCRATCH_START_SECONDS):
                while not await _answers(ready):
                    if process.returncode is not None:
                        raise _broken(version, "it ended at once")
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise _broken(version, f"it did not answer within {SCRATCH_START_SECONDS:.0f} s") from error
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), SCRATCH_STOP_SECONDS)
            except TimeoutError:
                process.send_signal(signal.SIGQUIT)
                await process.wait()


async def _answers(ready: list[str]) -> bool:
    try:
        return (await run_program(ready, seconds=5.0)).code == 0
    except ProgramError:
        return False


def _sweep() -> None:
    """End the servers that a killed process left, and remove their files."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            if left.stat().st_uid != os.getuid():
                continue
            pid = int((left / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
            server = psutil.Process(pid)
            if str(left) not in " ".join(server.cmdline()) or server.parent() is None:
                continue
            if server.ppid() != 1:
                continue  # its maker lives
            server.send_signal(signal.SIGQUIT)
            server.wait(SCRATCH_STOP_SECONDS)
            shutil.rmtree(left, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _broken(version: int, why: str) -> WsdashError:
    return WsdashError(
        f"a scratch server of PostgreSQL {version} could not be started: {why}",
        where="this machine",
        remedy="see that there is room in the temporary directory, then rehearse again",
    )
