"""Where wsdash's processes meet on this machine: state directories, socket paths, the current run."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path

from wsdash.errors import InputError
from wsdash.outside import read_json


def default_state() -> Path:
    """The state directory when --state is left out: $XDG_STATE_HOME/wsdash or ~/.local/state/wsdash."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "wsdash"


def socket_path(state: Path, name: str) -> Path:
    """A short path for a unix socket that belongs to `state`.

    Socket paths are limited to 107 bytes on Linux, which a deep state directory breaks; so sockets live in a
    directory of our own (mode 0700) under the temporary directory, named by the state directory's digest.
    Raises InputError when somebody else owns that directory.
    """
    directory = Path(tempfile.gettempdir()) / f"wsdash-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(
            "the socket directory is not ours alone",
            where=str(directory),
            remedy="remove it, or set TMPDIR to a directory of your own",
        )
    digest = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]
    return directory / f"{digest}-{name}.sock"


def remember_current(state: Path) -> None:
    """Note that `state` holds the newest run, so that `wsdash monitor` finds it by itself."""
    pointer = default_state() / "current.json"
    pointer.parent.mkdir(parents=True, exist_ok=True)
    temporary = pointer.with_name(f".current.{os.getpid()}")
    temporary.write_text(json.dumps({"state": str(state.resolve())}), encoding="utf-8")
    temporary.replace(pointer)


def current_state() -> Path | None:
    """The state directory of the newest run, or None when there is none (any more)."""
    try:
        state = Path(read_json((default_state() / "current.json").read_bytes())["state"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return state if state.exists() else None


def report_directory(state: Path) -> Path:
    """Where item update-docs writes the report of the run in `state`, and screens read it."""
    return state / "report"


def world_config(state: Path) -> Path | None:
    """The configuration of the embedded world that lives in this state directory, or None."""
    directory = state / "world" / "config"
    return directory if (directory / "wsdash.yaml").exists() else None
