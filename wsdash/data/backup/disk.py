"""Free disk space: asked before anything is written, and explained plainly when it runs out all the same."""

from __future__ import annotations

import asyncio
import errno
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
