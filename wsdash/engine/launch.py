"""Starting an engine that no terminal can pause or end, and finding the one that runs."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from wsdash.engine.control import ControlClient
from wsdash.engine.lock import living_holder
from wsdash.errors import WsdashError
from wsdash.model import Intent
from wsdash.runtime import open_private

LOG_FILE = "engine.log"


class EngineInfo(msgspec.Struct, frozen=True):
    """The living engine. since and heartbeat: seconds since the epoch."""

    pid: int
    host: str
    since: float
    heartbeat: float


def engine_alive(state: Path) -> EngineInfo | None:
    """The engine that holds this state directory now, or None. Reads only; takes microseconds."""
    holder = living_holder(state)
    if holder is None or holder.purpose != "engine":
        return None
    return EngineInfo(holder.pid, holder.host, holder.since, holder.heartbeat)


async def spawn_engine(argv: Sequence[str], state: Path, env: Mapping[str, str] | None = None) -> int:
    """Start argv as a detached process: a session of its own, output to state/engine.log. Returns its pid.

    It outlives this process and its terminal. Raises WsdashError when it cannot be started.
    """
    try:
        return await asyncio.to_thread(_spawn, list(argv), state, env)
    except OSError as error:
        raise WsdashError(
            f"the engine cannot be started: {error.strerror}",
            where=str(error.filename or state),
            remedy="check that the state directory is writable and has space",
        ) from error


async def wait_for_engine(state: Path, timeout: float = 10.0) -> bool:
    """Whether an engine answers on the control socket within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if await asyncio.to_thread(engine_alive, state) is not None:
            try:
                await ControlClient(state).send(Intent("ping"), timeout=1.0)
                return True
            except WsdashError:
                pass
        await asyncio.sleep(0.02)
    return False


def engine_log_tail(state: Path, lines: int = 10) -> str:
    """The last lines an engine wrote to its log: why it did not come up."""
    try:
        with (state / LOG_FILE).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _spawn(argv: list[str], state: Path, env: Mapping[str, str] | None) -> int:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open_private(state / LOG_FILE) as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=None if env is None else dict(env),
        )
    # reaped when it ends while we live, so that it never stands about as a zombie
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return process.pid
