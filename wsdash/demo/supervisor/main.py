"""The supervisor: runs a directory's services as an engine runs containers, over HTTP on a unix socket.

`python -m wsdash.demo.supervisor.main DIR` serves DIR/services.json until it is asked to stop (SIGTERM,
POST /shutdown) or nobody renewed its lease. Nothing it started outlives it. What should run is remembered in
DIR/desired.json, so the next supervisor brings back exactly that. Logs are in DIR/logs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

from wsdash.demo.limits import (
    ASK_SECONDS,
    CONNECT_SECONDS,
    POLL_SECONDS,
    SHUT_DOWN_CALL_SECONDS,
    SHUT_DOWN_SECONDS,
    SPAWN_SECONDS,
    SUPERVISOR_LOCK_SECONDS,
)
from wsdash.demo.supervisor.daemon import Daemon, services_digest
from wsdash.demo.supervisor.guardian import clear_leftovers, start_guardian
from wsdash.demo.supervisor.service_spec import SERVICES_FILE, read_services
from wsdash.errors import WsdashError
from wsdash.outside import DocumentError, read_json
from wsdash.outside.http import client_session
from wsdash.stack.local.client import SupervisorView, supervisor_socket

_OUTPUT_BYTES = 1024**2
_THREADS = 32


async def spawn(directory: Path) -> None:
    """Have a supervisor of `directory` answering: the running one, or a new, detached one.

    One that runs an older services file is shut down first. Returns when it answers, within 10 s (and the
    time the old one's services take to stop). Raises InputError for a bad services file, WsdashError when
    the supervisor does not come up.
    """
    await asyncio.to_thread(read_services, directory)
    digest = await asyncio.to_thread(services_digest, directory)
    found = await ask(directory)
    if found is not None and found.services == digest:
        return
    if found is not None:
        await shut_down(directory)
    process = await asyncio.to_thread(_launch, directory)
    deadline = time.monotonic() + SPAWN_SECONDS
    while time.monotonic() < deadline:
        found = await ask(directory)
        if found is not None and found.services == digest:
            if found.pid != process.pid:  # somebody else's came first: ours sees that, and ends
                await asyncio.to_thread(process.wait, SPAWN_SECONDS)
            return
        if await asyncio.to_thread(process.poll) not in (None, 0):
            break
        await asyncio.sleep(POLL_SECONDS)
    raise WsdashError(
        "the supervisor did not come up",
        where=str(directory),
        remedy=f"read {directory / 'supervisor.log'}",
    )


async def ask(directory: Path) -> SupervisorView | None:
    """The supervisor of `directory`, or None when none answers."""
    connector = aiohttp.UnixConnector(str(supervisor_socket(directory)))
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
    try:
        async with (
            client_session(connector=connector, timeout=timeout) as session,
            session.get("http://supervisor/supervisor") as answer,
        ):
            return read_json(await answer.read(), SupervisorView)
    except (OSError, aiohttp.ClientError, TimeoutError, DocumentError):
        return None


async def shut_down(directory: Path, timeout: float = SHUT_DOWN_SECONDS) -> None:
    """Have the supervisor stop its services and end; without one, stop what a dead one left.

    Raises WsdashError when it still answers after `timeout` seconds.
    """
    if not await asyncio.to_thread(directory.exists):
        return
    connector = aiohttp.UnixConnector(str(supervisor_socket(directory)))
    deadline = time.monotonic() + timeout
    async with client_session(connector=connector) as session:
        while time.monotonic() < deadline:
            try:
                async with (
                    asyncio.timeout(SHUT_DOWN_CALL_SECONDS),
                    session.post("http://supervisor/shutdown"),
                ):
                    pass
            except (OSError, aiohttp.ClientError):
                if await asyncio.to_thread(_is_unlocked, directory):
                    await asyncio.to_thread(_clear, directory)
                    return
            await asyncio.sleep(POLL_SECONDS)
    raise WsdashError(
        "the supervisor does not stop",
        where=str(directory),
        remedy=f"read {directory / 'supervisor.log'}",
    )


def _clear(directory: Path) -> None:
    if (directory / SERVICES_FILE).exists():
        for spec in read_services(directory).services:
            clear_leftovers(directory, spec)


def _launch(directory: Path) -> subprocess.Popen[bytes]:
    output = directory / "supervisor.log"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    if output.exists() and output.stat().st_size > _OUTPUT_BYTES:
        flags |= os.O_TRUNC
    handle = os.open(output, flags, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "wsdash.demo.supervisor.main", str(directory.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )
    finally:
        os.close(handle)


def _lock(directory: Path) -> int:
    return os.open(directory / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_unlocked(directory: Path) -> bool:
    handle = _lock(directory)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _take_lock(directory: Path) -> bool:
    """Hold the directory's lock for as long as this process and its guardian live.

    False when another supervisor answers. A lock held by nobody who answers is that of a dead one's
    guardian, who is stopping services: worth waiting for.
    """
    handle = _lock(directory)
    deadline = time.monotonic() + SUPERVISOR_LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _answers(directory):
                return False
            if time.monotonic() > deadline:
                raise WsdashError(
                    "another supervisor holds this directory and does not answer",
                    where=str(directory),
                    remedy="end it, then start again",
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return True


def _answers(directory: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        return probe.connect_ex(str(supervisor_socket(directory))) == 0


async def _serve(directory: Path, daemon: Daemon) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(_THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop.set)
    await daemon.run()


def main(argv: list[str]) -> int:
    """Serve one directory. Exit codes: 0 stopped as asked, or another serves it; 2 bad services file."""
    if len(argv) != 1:
        print("usage: python -m wsdash.demo.supervisor.main DIR", file=sys.stderr)
        return 2
    directory = Path(argv[0]).resolve()
    signal.signal(signal.SIGHUP, lambda *_: None)  # SIG_IGN would be inherited by the services
    try:
        services = read_services(directory)
        if not _take_lock(directory):
            return 0
        guardian = start_guardian()
        asyncio.run(_serve(directory, Daemon(directory, services, guardian)))
    except WsdashError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    supervisor_socket(directory).unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
