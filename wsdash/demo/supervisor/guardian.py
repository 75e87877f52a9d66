"""The supervisor's guardian: ends the services when the supervisor died without doing so (kill -9).

What an earlier supervisor left is found in its files: services' processes, and a postmaster.pid that lies.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from wsdash.demo.limits import GUARDIAN_GRACE_SECONDS
from wsdash.demo.supervisor.service_spec import ServiceSpec
from wsdash.demo.supervisor.tree import ProcessId, identify, stop_tree
from wsdash.outside import read_file, read_json

LONGEST_MESSAGE = 64 << 10
"""Bytes; a name and an owner are far shorter."""


class Guardian:
    """The supervisor's end of the pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def track(self, name: str, root: ProcessId, stop_signal: int, grace: float, owner: str) -> None:
        """From now on the service `name` is this process."""
        grace = min(grace, GUARDIAN_GRACE_SECONDS)
        self._tell({"track": name, "pid": root.pid, "mark": root.mark, "how": [stop_signal, grace, owner]})

    def untrack(self, name: str) -> None:
        """The service `name` is gone."""
        self._tell({"untrack": name})

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):
            os.write(self._pipe, json.dumps(message).encode() + b"\n")


def start_guardian() -> Guardian:
    """Fork the guardian. To be called before any thread or event loop exists."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.close(writing)
            _guard(reading)
        finally:
            os._exit(0)
    os.close(reading)
    return Guardian(writing)


def _guard(pipe: int) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    tracked: dict[str, dict[str, Any]] = {}
    with os.fdopen(pipe, "rb") as messages:
        while line := messages.readline(LONGEST_MESSAGE):
            _take(line, tracked)
    enders = [threading.Thread(target=_end, args=(message,)) for message in tracked.values()]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()


def _take(line: bytes, tracked: dict[str, dict[str, Any]]) -> None:
    """Note one message; what is none is passed over: the services of all the others must still be ended."""
    try:
        message = read_json(line, largest=LONGEST_MESSAGE)
        if "track" in message:
            ProcessId(int(message["pid"]), message["mark"])
            _signal, _grace, _owner = message["how"]
            tracked[str(message["track"])] = message
        else:
            tracked.pop(str(message["untrack"]), None)
    except (ValueError, TypeError, LookupError):
        return


def _end(message: dict[str, Any]) -> None:
    stop_signal, grace, owner = message["how"]
    stop_tree(ProcessId(message["pid"], message["mark"]), stop_signal, grace, owner)


def _path(directory: Path, name: str) -> Path:
    return directory / "pids" / f"{name}.json"


def owner_of(directory: Path, name: str) -> str:
    """What the service's processes carry in their environment to be known by."""
    return f"{directory.resolve()}:{name}"


def write_pid(directory: Path, name: str, root: ProcessId) -> None:
    """Remember the process of a service for the next supervisor."""
    path = _path(directory, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"pid": root.pid, "mark": root.mark}), encoding="utf-8")
    temporary.replace(path)


def forget_pid(directory: Path, name: str) -> None:
    """The service's process is gone."""
    _path(directory, name).unlink(missing_ok=True)


def clear_leftovers(directory: Path, spec: ServiceSpec) -> None:
    """Stop what still runs of this service, whoever started it. Blocking, up to the grace period."""
    owner = owner_of(directory, spec.name)
    with suppress(OSError, ValueError, LookupError, TypeError):
        found = read_json(read_file(_path(directory, spec.name)))
        root = ProcessId(int(found["pid"]), float(found["mark"]))
        stop_tree(root, spec.stop_number, spec.grace_seconds, owner)
    forget_pid(directory, spec.name)
    data = _data_directory(spec.argv)
    if data is not None:
        _clear_postmaster(data, spec)


def _data_directory(argv: tuple[str, ...]) -> Path | None:
    """The cluster's directory when argv runs a PostgreSQL server."""
    for number, word in enumerate(argv[:-1]):
        if Path(word).name == "postgres":
            rest = argv[number + 1 :]
            after = [value for flag, value in itertools.pairwise(rest) if flag == "-D"]
            return Path(after[0]) if after else None
    return None


def _clear_postmaster(data: Path, spec: ServiceSpec) -> None:
    """Stop a server that still runs in `data`; else remove a postmaster.pid whose pid is somebody else's.

    PostgreSQL itself believes the file when any process of its user has that pid, and refuses to start.
    """
    pidfile = data / "postmaster.pid"
    try:
        pid = int(pidfile.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    found = identify(pid)
    if found is not None and _is_postmaster(pid, data):
        stop_tree(found, signal.SIGINT, spec.grace_seconds, "")
    with suppress(OSError):
        pidfile.unlink()


def _is_postmaster(pid: int, data: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(os.fsdecode(words[0])).name == "postgres" and os.fsencode(str(data)) in words
