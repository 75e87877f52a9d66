"""Files under construction: hidden, locked by who writes them, removed when their writer is dead; and room on
the disk for them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import secrets
import shutil
from pathlib import Path

from wsdash.errors import WsdashError
from wsdash.model.written import size

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file size limit is reached",
}


async def require_space(directory: Path, needed: int, purpose: str) -> None:
    """Return when `directory` has `needed` bytes free; it must exist.

    Raises WsdashError saying what for, where, and how much is missing.
    """
    usage = await asyncio.to_thread(shutil.disk_usage, directory)
    if usage.free >= needed:
        return
    raise WsdashError(
        f"not enough free disk for {purpose}: needs {size(needed)}, "
        f"{size(usage.free)} are free, {size(needed - usage.free)} are missing",
        where=str(directory),
        remedy="free some space there, or name another directory in paths.backups",
    )


def write_failure(error: OSError, path: Path, written: int) -> WsdashError:
    """The error for a person when writing `path` failed after `written` bytes."""
    reason = _FULL.get(error.errno or 0)
    if reason is None:
        return WsdashError(
            f"cannot write {path.name}: {error.strerror or error}",
            where=str(path.parent),
            remedy="make the directory writable, or name another one in paths.backups",
        )
    return WsdashError(
        f"{reason}: writing {path.name} stopped after {size(written)}",
        where=str(path.parent),
        remedy="free some space there, or name another directory in paths.backups, then retry",
    )


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
