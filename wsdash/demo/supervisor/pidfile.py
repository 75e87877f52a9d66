"""What an earlier supervisor left: its services' processes, and a postmaster.pid that lies."""

from __future__ import annotations

import itertools
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

from wsdash.demo.supervisor.service_spec import ServiceSpec
from wsdash.demo.supervisor.tree import ProcessId, identify, stop_tree
from wsdash.outside import read_json


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
        found = read_json(_path(directory, spec.name).read_bytes())
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
