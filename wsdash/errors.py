"""What went wrong, where, and what to do: the one shape in which a failure reaches a person."""

from __future__ import annotations

import errno

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file size limit is reached",
}
"""What stops a write until somebody makes room, in words."""
_MAKE_ROOM = "free some space there, then run the same command again: nothing is lost"
_REMEDIES = {
    errno.EACCES: "see who owns it, or run the command as that user",
    errno.EPERM: "see who owns it, or run the command as that user",
    errno.EROFS: "make it writable, or name another directory with --state",
    errno.EIO: "see the system's log for what is wrong with the disk",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then run it again",
    errno.ENFILE: "close programs with many open files, then run it again",
    errno.ENOMEM: "free some memory, then run it again",
    errno.ENOLCK: "name a directory whose file system has locks with --state",
    errno.EOPNOTSUPP: "name a directory whose file system has locks with --state",
}


class WsdashError(Exception):
    """A failure described for the operator.

    what: the fact, in one sentence ("the target already has 12 rows in workspace.workspace_items").
    where: the file, server, port or item concerned ("workspace-db-compute on localhost:5433").
    remedy: the next thing to do, as an instruction. None of the three may hold a secret.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        return " | ".join(part for part in (self.what, self.where, self.remedy) if part)


class InputError(WsdashError):
    """Bad input or configuration: nothing was started, exit code 2."""

    exit_code = 2


class LockHeldError(WsdashError):
    """Another operator holds the run, exit code 3."""

    exit_code = 3


class UnreachableError(WsdashError):
    """A server, container engine or API did not answer."""


class RefusedError(WsdashError):
    """wsdash will not do this because an invariant forbids it (foreign rows in the target, say)."""


class DefectError(WsdashError):
    """A bug of wsdash itself: nothing that the operator did or could put right."""


def system_failure(
    error: OSError,
    where: object = "",
    what: str = "",
    *,
    remedy: str = "",
    kind: type[WsdashError] = WsdashError,
) -> WsdashError:
    """What the operating system refused, as people read it.

    where: the place, when the error itself names no file. what: what could not be done ("the lock cannot be
    written"); else the system's own words are the fact. remedy: what to do, except about a full disk, of
    which the remedy is always room; '': what is known of such errors. kind: the error to be raised.
    """
    full = FULL.get(error.errno or 0)
    reason = full or error.strerror or str(error) or type(error).__name__
    ways = _MAKE_ROOM if full else remedy or _REMEDIES.get(error.errno or 0, "")
    return kind(f"{what}: {reason}" if what else reason, where=str(error.filename or where), remedy=ways)
