"""Starting an engine that no terminal can pause or end, and finding the one that runs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wsdash.config import Settings
from wsdash.engine.journal.reader import JournalReader, NotBegunError
from wsdash.engine.journal.store import FILE
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.lock import living_holder
from wsdash.errors import WsdashError, system_failure
from wsdash.model import Intent, RunStarted
from wsdash.model.facts import FINGERPRINT, Fact
from wsdash.outside import read_file
from wsdash.runtime import open_private

if TYPE_CHECKING:  # the writer takes time to import, and whoever only looks does not need it
    from wsdash.engine.journal.writer import Journal

LOG_FILE = "engine.log"


class EngineInfo(msgspec.Struct, frozen=True):
    """The living engine. since and heartbeat: seconds since the epoch."""

    pid: int
    host: str
    since: float
    heartbeat: float


def run_mode(state: Path | None) -> str:
    """In which mode the run of this state directory goes; '' where there is none yet. Raises InputError for a
    journal that cannot be read.
    """
    if state is None or not (state / FILE).exists():
        return ""
    try:
        reader = JournalReader(state)
    except NotBegunError:
        return ""
    try:
        if world := FINGERPRINT.of(reader.facts()):
            return str(world.get("mode", ""))
        # an engine that ended before it had a world
        begun = [one.event.mode for one in reader.history() if isinstance(one.event, RunStarted)]
        return begun[-1] if begun else ""
    finally:
        reader.close()


def planned_mode(state: Path | None, settings: Settings, asked: str = "") -> str:
    """The mode that was asked for, else the run's, else that of the settings. Raises as run_mode."""
    return asked or run_mode(state) or settings.mode


def engine_alive(state: Path) -> EngineInfo | None:
    """The engine that holds this state directory now, or None. Reads only; takes microseconds."""
    holder = living_holder(state)
    if holder is None or holder.purpose != "engine":
        return None
    return EngineInfo(holder.pid, holder.host, holder.since, holder.heartbeat)


class EngineConfig(msgspec.Struct, frozen=True):
    """The settings an engine works with: the process, where it read them, and each file's SHA-256."""

    pid: int
    directory: str
    files: dict[str, str]


CONFIG: Fact[EngineConfig] = Fact("engine.config", EngineConfig)
"""Which settings the newest engine works with."""


async def note_config(journal: Journal, directory: str) -> None:
    """Say in the journal that this process's engine works with the settings of that directory."""
    files = await asyncio.to_thread(_digests, Path(directory))
    await journal.put(CONFIG, EngineConfig(os.getpid(), directory, files))


def engine_config(state: Path) -> Path | None:
    """The directory that the living engine's settings were read from; None where none lives, or has not said
    so yet. Raises InputError for a journal that cannot be read.
    """
    said = _said(state)
    return None if said is None else Path(said.directory).resolve()


def changed_since_read(state: Path) -> list[Path]:
    """Files of the living engine's configuration that are not as it read them. Raises InputError."""
    said = _said(state)
    if said is None:
        return []
    now = _digests(Path(said.directory))
    names = sorted(said.files.keys() | now.keys())
    return [Path(said.directory) / name for name in names if said.files.get(name) != now.get(name)]


def _said(state: Path) -> EngineConfig | None:
    alive = engine_alive(state)
    if alive is None or not (state / FILE).exists():
        return None
    try:
        reader = JournalReader(state)
    except NotBegunError:
        return None
    try:
        said = CONFIG.of(reader.facts())  # None: an engine of another version, or none that came so far
    finally:
        reader.close()
    return said if said is not None and said.pid == alive.pid else None


def _digests(directory: Path) -> dict[str, str]:
    found = {}
    for file in sorted(directory.glob("*.yaml")):
        with suppress(OSError):
            found[file.name] = hashlib.sha256(read_file(file)).hexdigest()
    return found


async def spawn_engine(argv: Sequence[str], state: Path, env: Mapping[str, str] | None = None) -> int:
    """Start argv as a detached process: a session of its own, output to state/engine.log. Returns its pid.

    It outlives this process and its terminal. Raises WsdashError when it cannot be started.
    """
    try:
        return await asyncio.to_thread(_spawn, list(argv), state, env)
    except OSError as error:
        remedy = "check that the state directory is writable"
        raise system_failure(error, state, "the engine cannot be started", remedy=remedy) from error


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
    # reaped when it ends while we live, so that it never stays as a zombie
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return process.pid
