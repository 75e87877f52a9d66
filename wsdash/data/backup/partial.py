"""Files under construction: hidden, locked by who writes them, and removed when their writer is dead."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

SUFFIX = ".partial"


def open_partial(final: Path) -> tuple[int, Path]:
    """A new hidden file beside `final`, mode 0600, locked for as long as its descriptor is open. Blocking.

    Returns the descriptor and the hidden path; rename it to `final` when it is complete. Raises OSError.
    """
    while True:
        path = final.with_name(f".{final.name}.{secrets.token_hex(4)}{SUFFIX}")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink == 1:
                return descriptor, path
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        os.close(descriptor)


def remove_leftovers(directory: Path) -> list[Path]:
    """Remove the unfinished files of writers that are dead; those still being written stay. Blocking."""
    removed = []
    for path in directory.glob(f".*{SUFFIX}"):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            removed.append(path)
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return removed


def publish(hidden: Path, final: Path) -> None:
    """Give a complete, synced file its name, durably. Blocking."""
    hidden.replace(final)
    descriptor = os.open(final.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
