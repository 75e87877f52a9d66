"""Every class of error that a server or the driver raises, and the answer that a person must be given."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import asyncpg

from wsdash.data.pg.errors import Fault

MISUSE = "cannot perform operation: another operation is in progress"

FAULTS: dict[str, tuple[Callable[[], Exception], Fault]] = {
    "misuse": (lambda: asyncpg.InterfaceError(MISUSE), Fault.DEFECT),
    "misused transaction": (
        lambda: asyncpg.InterfaceError(
            "cannot use Connection.transaction() in a manually started transaction"
        ),
        Fault.DEFECT,
    ),
    "closed": (lambda: asyncpg.InterfaceError("connection is closed"), Fault.LOST),
    "driver's state": (
        lambda: asyncpg.InternalClientError(
            "cannot switch to state 11; another operation (21) is in progress"
        ),
        Fault.LOST,
    ),
    "unread farewell": (
        lambda: asyncpg.InternalClientError("got result for unknown protocol state 0"),
        Fault.LOST,
    ),
    "cut": (
        lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        Fault.LOST,
    ),
    "reset": (lambda: ConnectionResetError(104, "Connection reset by peer"), Fault.LOST),
    "end of file": (lambda: EOFError(), Fault.LOST),
    "tls": (lambda: ssl.SSLError(1, "wrong version number"), Fault.LOST),
    "shutdown": (
        lambda: asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        Fault.LOST,
    ),
    "crash": (lambda: asyncpg.CrashShutdownError("terminating connection because of a crash"), Fault.LOST),
    "idle": (lambda: asyncpg.IdleInTransactionSessionTimeoutError("idle-in-transaction timeout"), Fault.LOST),
    "late": (lambda: TimeoutError(), Fault.SILENT),
    "starting": (
        lambda: asyncpg.CannotConnectNowError("the database system is starting up"),
        Fault.STARTING,
    ),
    "crowded": (
        lambda: asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        Fault.REFUSED,
    ),
    "password": (
        lambda: asyncpg.InvalidPasswordError('password authentication failed for user "u"'),
        Fault.REFUSED,
    ),
    "cancelled": (
        lambda: asyncpg.QueryCanceledError("canceling statement due to user request"),
        Fault.CANCELED,
    ),
    "locked": (lambda: asyncpg.LockNotAvailableError("lock timeout"), Fault.LOCKED),
    "denied": (lambda: asyncpg.InsufficientPrivilegeError("permission denied for table t"), Fault.DENIED),
    "full": (lambda: asyncpg.DiskFullError("No space left on device"), Fault.FULL),
    "rule": (lambda: asyncpg.UniqueViolationError("duplicate key"), Fault.BROKEN_RULE),
    "missing": (lambda: asyncpg.UndefinedFileError("could not open extension control file"), Fault.MISSING),
    "other": (lambda: asyncpg.UndefinedTableError('relation "t" does not exist'), Fault.REPORTED),
    "disk here": (lambda: OSError(28, "No space left on device"), Fault.LOCAL),
    "file here": (lambda: PermissionError(13, "Permission denied", "/var/lib/x"), Fault.LOCAL),
}
