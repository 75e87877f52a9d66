"""What a PostgreSQL server or its driver raises, described for a person: the only place that does so.

`fault_of` says what kind of failure it was, `describe` makes the error that a person reads, and
`server_errors` does that for a block. Kinds and SQLSTATEs: PostgreSQL's manual, appendix A; the driver's
exceptions: asyncpg 0.31, `exceptions/_base.py` and `protocol/coreproto.pyx`.
"""

from __future__ import annotations

import enum
import errno
import functools
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from weakref import WeakKeyDictionary

import asyncpg

from wsdash.errors import DefectError, UnreachableError, WsdashError

DATABASE_ERRORS = (
    OSError,  # a TimeoutError is one
    EOFError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Everything that talking to a server may raise."""

Params = ParamSpec("Params")
Result = TypeVar("Result")

RETRY = "then retry"
LONGEST_CHAIN = 10
"""How many causes of causes are looked at."""


class Server(Protocol):
    """What a message needs to know of a server: how people call it, and its address without a secret."""

    @property
    def label(self) -> str:
        """As in the configuration (data-timescale)."""

    @property
    def address(self) -> str:
        """Label, host, port and database."""


class Fault(enum.Enum):
    """The kinds of failure, each with one answer for a person."""

    LOST = "the session ended or the network failed"
    SILENT = "no answer in time"
    STARTING = "the server is starting up, shutting down or recovering"
    REFUSED = "the server refuses the session: credentials, database or free connections"
    CANCELED = "someone cancelled the statement"
    LOCKED = "another session holds a lock"
    DENIED = "the role lacks a right"
    MISSING = "the server lacks a library, a file or a feature"
    FULL = "the server's disk or memory is exhausted"
    BROKEN_RULE = "rows break a rule of the schema"
    REPORTED = "the server reports any other error"
    LOCAL = "a file or resource of this machine"
    DEFECT = "wsdash used the driver wrongly"


UNREACHABLE = frozenset({Fault.LOST, Fault.SILENT, Fault.STARTING, Fault.REFUSED})
"""The faults after which no session is left: they become UnreachableError."""

_BY_STATE = {
    "57P01": Fault.LOST,  # admin_shutdown
    "57P02": Fault.LOST,  # crash_shutdown
    "57P03": Fault.STARTING,
    "57P04": Fault.LOST,  # database_dropped
    "57P05": Fault.LOST,  # idle_session_timeout
    "25P03": Fault.LOST,  # idle_in_transaction_session_timeout
    "25P04": Fault.LOST,  # transaction_timeout
    "57014": Fault.CANCELED,
    "55P03": Fault.LOCKED,
    "40P01": Fault.LOCKED,  # deadlock_detected
    "42501": Fault.DENIED,
    "0A000": Fault.MISSING,  # feature_not_supported
    "58P01": Fault.MISSING,  # undefined_file
    "3D000": Fault.REFUSED,  # invalid_catalog_name
    "53100": Fault.FULL,
    "53200": Fault.FULL,
    "53300": Fault.REFUSED,  # too_many_connections
}
_BY_CLASS = {"08": Fault.LOST, "28": Fault.REFUSED, "23": Fault.BROKEN_RULE}

_ENDED = ("closed", "not connected", "connection_lost")
"""How the driver's InterfaceError names a session that is over; every other one is misuse."""

_OF_THE_MACHINE = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EACCES,
        errno.EROFS,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EFBIG,
        errno.EIO,
    }
)

_REMEDIES = {
    Fault.LOST: "see that the server runs and that nothing ends its sessions",
    Fault.SILENT: "see what blocks it (pg_stat_activity)",
    Fault.STARTING: "wait until it accepts connections (its log says what it is doing)",
    Fault.REFUSED: "correct the user, the password or the database's name, or free a connection there",
    Fault.CANCELED: "see who cancelled it",
    Fault.LOCKED: "end the session that holds the lock (see pg_locks) or let it finish",
    Fault.DENIED: "grant that server's user the right it lacks",
    Fault.MISSING: "install on that server what it names",
    Fault.FULL: "make room on that server's disk or in its memory",
    Fault.BROKEN_RULE: "rows break a rule of the target: correct them in the source, or change the rule",
    Fault.REPORTED: "remove the cause the server names",
    Fault.LOCAL: "put right on this machine what the message names",
    Fault.DEFECT: "report this as a bug of wsdash, with engine.log from the state directory",
}


def fault_of(error: BaseException) -> Fault:
    """The kind of failure. The server's own words decide where they are known, else the driver's class."""
    reported = _reported(error)
    if reported is not None:
        state = reported.sqlstate or ""
        return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], Fault.REPORTED)
    if isinstance(error, TimeoutError):
        return Fault.SILENT
    if isinstance(error, OSError):
        return Fault.LOST if _of_network(error) else Fault.LOCAL
    # the driver's own states ("cannot switch to state 11") mix up when a session ends between two commands
    if isinstance(error, asyncpg.InternalClientError | EOFError):
        return Fault.LOST
    return Fault.DEFECT if _is_misuse(error) or not isinstance(error, DATABASE_ERRORS) else Fault.LOST


def session_lives(error: BaseException) -> bool:
    """Whether the server answered with an error and goes on: the caller may ask something else."""
    return fault_of(error) not in UNREACHABLE | {Fault.DEFECT}


def remedy_for(error: BaseException, again: str = RETRY) -> str:
    """What to do about it, as an instruction. again: how it ends."""
    return f"{_REMEDIES[fault_of(error)]}, {again}"


def describe(error: BaseException, server: Server, doing: str, again: str = RETRY) -> WsdashError:
    """The error for a person: what failed, in the server's own words, on which server, and what to do.

    doing: what was under way ("reading workspace.items"). again: how the instruction ends.
    """
    fault, words = fault_of(error), words_of(error)
    remedy = remedy_for(error, again)
    match fault:
        case Fault.SILENT:
            return UnreachableError(
                f"{doing}: {server.label} did not answer in time", where=server.address, remedy=remedy
            )
        case Fault.LOST:
            what = f"{doing}: the connection to {server.label} was lost ({words})"
        case Fault.STARTING:
            what = f"{doing}: {server.label} does not accept connections now ({words})"
        case Fault.REFUSED:
            what = f"{doing}: {server.label} refuses the session ({words})"
        case Fault.CANCELED:
            what = f"{doing}: the server cancelled it ({words})"
        case Fault.DEFECT:
            return DefectError(
                f"{doing}: wsdash used its database driver wrongly ({words})",
                where=server.address,
                remedy=_REMEDIES[fault],
            )
        case _:
            what = f"{doing}: {words}"
    kind = UnreachableError if fault in UNREACHABLE else WsdashError
    return kind(what, where=server.address, remedy=remedy)


def describe_connecting(error: BaseException, server: Server, where: str) -> WsdashError:
    """As `describe`, for a session that could not be opened: UnreachableError, but for our own bugs."""
    fault = fault_of(error)
    if fault is Fault.DEFECT and not isinstance(error, ValueError):
        return describe(error, server, f"connecting to {server.label}")
    if fault is Fault.STARTING or fault is Fault.LOCAL:
        remedy = f"{_REMEDIES[fault]}, {RETRY}"
    elif fault is Fault.LOST or fault is Fault.SILENT:
        remedy = "start the server or correct its address in wsdash.yaml, then retry"
    else:
        remedy = "correct its address, user, password or sslmode in wsdash.yaml, then retry"
        if _state(error) == "53300":
            remedy = "end sessions there or raise max_connections, then retry"
    return UnreachableError(
        f"cannot connect to {server.label}: {words_of(error)}", where=where, remedy=remedy
    )


class ServerErrors:
    """Describes what a server or its driver raises inside a `with` or `async with` block; see `describe`.

    A connection that `open_connection` made knows its server, so either may be given. Errors that are
    described already pass through.
    """

    def __init__(self, server: Server | asyncpg.Connection, doing: str, again: str = RETRY) -> None:
        self._server, self._doing, self._again = server_of(server), doing, again

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises the described error in place of a raw one."""
        if isinstance(error, DATABASE_ERRORS):
            raise describe(error, self._server, self._doing, self._again) from error

    async def __aenter__(self) -> None:
        """Nothing to prepare."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As __exit__."""
        self.__exit__(kind, error, trace)


def described(
    doing: str,
) -> Callable[
    [Callable[Concatenate[asyncpg.Connection, Params], Awaitable[Result]]],
    Callable[Concatenate[asyncpg.Connection, Params], Coroutine[Any, Any, Result]],
]:
    """Decorates an async function whose first argument is a connection: what it raises is described."""

    def decorate(
        work: Callable[Concatenate[asyncpg.Connection, Params], Awaitable[Result]],
    ) -> Callable[Concatenate[asyncpg.Connection, Params], Coroutine[Any, Any, Result]]:
        @functools.wraps(work)
        async def wrapped(conn: asyncpg.Connection, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
            with ServerErrors(conn, doing):
                return await work(conn, *args, **kwargs)

        return wrapped

    return decorate


class _Unknown:
    label = "the server"
    address = "a session whose server is not known"


_SERVERS: WeakKeyDictionary[object, Server] = WeakKeyDictionary()


def remember_server(conn: asyncpg.Connection, server: Server) -> None:
    """Note which server a connection leads to, for `server_of`."""
    _SERVERS[conn] = server


def server_of(server: Server | asyncpg.Connection) -> Server:
    """The server itself, or the one that a connection of ours leads to."""
    if isinstance(server, asyncpg.Connection):
        return _SERVERS.get(server, _Unknown())
    return server


def words_of(error: BaseException) -> str:
    """The reason in one line: the server's own words with detail and context, or the driver's made plain."""
    reported = _reported(error)
    if reported is not None:
        parts = [str(reported), *(getattr(reported, name, None) for name in ("detail", "context"))]
        lines = [part.splitlines()[0][:300] for part in parts if part]
        return " | ".join(lines) or type(reported).__name__
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and (error.strerror or error.errno):
        reason = str(error.strerror or os.strerror(error.errno or 0))
        return f"{error.filename}: {reason}" if error.filename else reason
    if isinstance(error, EOFError | asyncpg.InternalClientError):
        return "the server ended the session"
    return str(error).split("\n", 1)[0] or type(error).__name__


def _reported(error: BaseException) -> asyncpg.PostgresError | None:
    """What the server itself said: the error, or what the driver's error came of."""
    for one in _chain(error):
        # without SQLSTATE it is a class of the driver's
        if isinstance(one, asyncpg.PostgresError) and (one is error or one.sqlstate):
            return one
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it; of misuse only itself, whatever was being handled then."""
    one: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if one is None or not isinstance(one, DATABASE_ERRORS):
            return
        yield one
        if _is_misuse(one):
            return
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _is_misuse(error: BaseException) -> bool:
    return isinstance(error, asyncpg.InterfaceError) and not any(word in str(error) for word in _ENDED)


def _state(error: BaseException) -> str:
    reported = _reported(error)
    return "" if reported is None else reported.sqlstate or ""


def _of_network(error: OSError) -> bool:
    """Whether it is the connection's: an error of a file names it, one of the disk has its own number."""
    if isinstance(error, ConnectionError | socket.gaierror | ssl.SSLError) or error.errno is None:
        return error.filename is None
    return error.filename is None and error.errno not in _OF_THE_MACHINE
