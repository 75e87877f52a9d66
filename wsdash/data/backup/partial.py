"""A file under construction: hidden, locked by who writes it, removed when its writer is dead.

A meter reports a dump's or a restore's progress, at most ten times a second a table.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from wsdash.data.limits import METER_SECONDS
from wsdash.errors import FULL, WsdashError
from wsdash.model import Progress
from wsdash.model.written import size


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
    reason = FULL.get(error.errno or 0)
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


OnProgress = Callable[[Progress], None]


class Meter:
    """Counts rows and bytes of one subject and reports them; finish() reports the end."""

    def __init__(
        self,
        on_progress: OnProgress,
        item: str,
        subject: str,
        activity: str,
        *,
        total_rows: int | None = None,
        total_bytes: int | None = None,
    ) -> None:
        self.rows = 0
        self.bytes = 0
        self._on_progress = on_progress
        self._item, self._subject, self._activity = item, subject, activity
        self._total_rows, self._total_bytes = total_rows, total_bytes
        self._reported_at = time.monotonic()
        self._tell(finished=False)

    def add(self, rows: int, size: int) -> None:
        """Count, and report when it is time."""
        self.rows += rows
        self.bytes += size
        if time.monotonic() - self._reported_at >= METER_SECONDS:
            self._tell(finished=False)

    def finish(self, rows: int | None = None) -> None:
        """Report the end; `rows` when they are known better than counted."""
        self.rows = self.rows if rows is None else rows
        self._tell(finished=True)

    def _tell(self, *, finished: bool) -> None:
        self._reported_at = time.monotonic()
        self._on_progress(
            Progress(
                item=self._item,
                subject=self._subject,
                activity=self._activity,
                rows=self.rows,
                total_rows=self._total_rows,
                bytes=self.bytes,
                total_bytes=self._total_bytes,
                finished=finished,
            )
        )
