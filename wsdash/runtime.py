"""Where wsdash's processes meet on this machine: state directories, socket paths, the current run."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from wsdash.errors import InputError
from wsdash.outside import read_file, read_json, read_text_file

LONGEST_DIRECTORY = 60
"""Characters of a directory that leave room for a socket's name."""


def default_state() -> Path:
    """The state directory when --state is left out: $XDG_STATE_HOME/wsdash or ~/.local/state/wsdash."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "wsdash"


def user_config_directory() -> Path:
    """Where `wsdash init` writes when --config is left out: $XDG_CONFIG_HOME/wsdash or ~/.config/wsdash."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "wsdash"


def user_config() -> Path | None:
    """This user's configuration, None where none was written."""
    directory = user_config_directory()
    return directory if (directory / "wsdash.yaml").exists() else None


def socket_path(state: Path, name: str) -> Path:
    """A short path for a unix socket that belongs to `state`.

    Socket paths are limited to 107 bytes on Linux, which a deep state directory breaks; so sockets live in a
    directory of our own, named by the state directory's digest: $XDG_RUNTIME_DIR/wsdash, else one under the
    temporary directory. Every process that works on `state` takes the one that the first of them chose (noted
    in state/sockets) while it is there. A directory that somebody else owns or may enter is never used.
    Raises InputError when there is no other.
    """
    directory = _socket_directory(state)
    digest = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]
    return directory / f"{digest}-{name}.sock"


def _socket_directory(state: Path) -> Path:
    note = state / "sockets"
    with suppress(OSError):
        noted = Path(read_text_file(note, largest=200).strip())
        if note.stat().st_uid in (0, os.getuid()) and noted.is_absolute() and _is_ours_alone(noted):
            return noted
    tried = list(_candidates())
    for directory in tried:
        with suppress(OSError):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours_alone(directory):
                with suppress(OSError):
                    write_private(note, str(directory))
                return directory
    raise InputError(
        "there is no directory for sockets that is ours alone",
        where=", ".join(map(str, tried)),
        remedy="set XDG_RUNTIME_DIR or TMPDIR to a directory of your own",
    )


def _candidates() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_absolute() and len(runtime) <= LONGEST_DIRECTORY:
        yield Path(runtime) / "wsdash"
    yield Path(tempfile.gettempdir()) / f"wsdash-{os.getuid()}"
    # the one above may be somebody else's, on purpose or not
    yield default_state() / "sockets"


def _is_ours_alone(directory: Path) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def open_private(path: Path) -> BinaryIO:
    """Open for appending, made with mode 0600: what it holds is for its owner only."""
    how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    return os.fdopen(os.open(path, how, 0o600), "ab")


def write_private(path: Path, text: str) -> None:
    """Replace a small file at once, mode 0600."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def remember_current(state: Path) -> None:
    """Note that `state` holds the newest run, so that `wsdash monitor` finds it by itself."""
    pointer = default_state() / "current.json"
    pointer.parent.mkdir(parents=True, exist_ok=True)
    write_private(pointer, json.dumps({"state": str(state.resolve())}))


def current_state() -> Path | None:
    """The state directory of the newest run, or None when there is none (any more)."""
    try:
        state = Path(read_json(read_file(default_state() / "current.json"))["state"])
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


def user_name() -> str:
    """The name of the user at this terminal, '' when unknown."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
