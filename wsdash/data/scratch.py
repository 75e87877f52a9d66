"""Scratch databases: made for a proof, dropped whatever happens, never anybody else's.

And the watch over those that a dead process left: `owner` says whose they are.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import asyncpg
import msgspec
import psutil

from wsdash.data.limits import ABANDONED_SECONDS, STALL_SECONDS, TIMEOUT
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident, literal
from wsdash.errors import UnreachableError, WsdashError
from wsdash.outside import DocumentError, read_json
from wsdash.tasks import finished_though_cancelled


class Owner(msgspec.Struct, frozen=True):
    """A process: its host, pid, and when it started (epoch seconds), because pids are used again."""

    host: str
    pid: int
    started: float

    @classmethod
    def ourselves(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    @property
    def here(self) -> bool:
        """Whether it is (or was) of this host: only then can we know that it is dead."""
        return self.host == socket.gethostname()

    def may_live(self) -> bool:
        """Whether it may still be at work; a process of another host always may."""
        if not self.here:
            return True
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 2
        except (psutil.NoSuchProcess, OverflowError, ValueError):
            return False


def server_errors(server: Endpoint | asyncpg.Connection, doing: str) -> ServerErrors:
    """ServerErrors for a backup or a restore, which leave nothing half done."""
    return ServerErrors(server, doing, "then retry; nothing half was left behind")


class Watchdog:
    """Ends a transfer that makes no progress: raises TimeoutError after STALL_SECONDS without any."""

    def __init__(self) -> None:
        self._seconds = STALL_SECONDS
        self._timeout = asyncio.timeout(self._seconds)

    async def __aenter__(self) -> Watchdog:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._timeout.__aexit__(*details)  # type: ignore[arg-type]

    def alive(self) -> None:
        """Something moved: wait another full period."""
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)


PREFIX = "wsdash_scratch_"
_NAME = re.compile(
    PREFIX + "([0-9a-f]{8})(?:_([0-9a-f]{8})_([0-9a-f]+)_([0-9a-f]{8})_[0-9a-f]{6}|[0-9a-f]{12})"
)
"""When it was made, on which host (a digest), by which process, and when that was started (seconds); an
earlier version's names end in chance alone."""

_LEFTOVERS = """
SELECT d.datname AS name, shobj_description(d.oid, 'pg_database') AS tag
FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
WHERE r.rolname = current_user AND d.datname LIKE 'wsdash\\_scratch\\_%'
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)
"""
_LIKE_OURS = """
SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype
FROM pg_database WHERE datname = current_database()
"""


@asynccontextmanager
async def scratch_database(server: Endpoint) -> AsyncIterator[Endpoint]:
    """A new, empty database on `server` with the encoding and locale of `server.database`, for one block.

    It is dropped at the end, after an error and on cancellation too. Left-overs of dead runs are dropped
    first. Raises WsdashError when the user may not create databases, UnreachableError.
    """
    await drop_leftovers(server)
    name = _new_name()
    try:
        await _create(server, name)
        yield replace(server, database=name)
    finally:
        with suppress(UnreachableError):
            await finished_though_cancelled(_drop(server, name))


async def drop_leftovers(server: Endpoint) -> list[str]:
    """Drop the scratch databases whose run is dead: made by this user, with no session in them. Their names.

    Dead means: the process that its tag names is gone from this host, or it is from elsewhere and older than
    ABANDONED_SECONDS. Raises UnreachableError.
    """
    async with (
        server_errors(server, "looking for scratch databases left behind"),
        connection(server, read_only=False) as conn,
    ):
        dropped = []
        for row in await conn.fetch(_LEFTOVERS, timeout=TIMEOUT):
            match = _NAME.fullmatch(row["name"])
            if match is None or _may_live(match, row["tag"] or ""):
                continue
            try:
                await conn.execute(f"DROP DATABASE IF EXISTS {ident(row['name'])}", timeout=TIMEOUT)
            except asyncpg.ObjectInUseError:
                continue
            dropped.append(row["name"])
        return dropped


async def _create(server: Endpoint, name: str) -> None:
    try:
        async with (
            server_errors(server, "creating the scratch database"),
            connection(server, read_only=False) as conn,
        ):
            (like,) = await conn.fetch(_LIKE_OURS, timeout=TIMEOUT)
            await conn.execute(
                f"CREATE DATABASE {ident(name)} TEMPLATE template0 ENCODING {literal(like['encoding'])} "
                f"LC_COLLATE {literal(like['collate'])} LC_CTYPE {literal(like['ctype'])}",
                timeout=TIMEOUT,
            )
            await conn.execute(f"COMMENT ON DATABASE {ident(name)} IS {literal(_tag())}", timeout=TIMEOUT)
    except WsdashError as error:
        if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
            raise WsdashError(
                f"user {server.user} may not create the scratch database in which a backup is proven",
                where=server.address,
                remedy=f"ALTER ROLE {ident(server.user)} CREATEDB, then retry",
            ) from error
        raise


async def _drop(server: Endpoint, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise RuntimeError(f"{name} is not a scratch database")
    async with (
        server_errors(server, "dropping the scratch database"),
        connection(server, read_only=False) as conn,
    ):
        await conn.execute(f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE)", timeout=TIMEOUT)


def _tag() -> str:
    return msgspec.json.encode(Owner.ourselves()).decode()


def _new_name() -> str:
    """A name that says who makes it and when: a kill right after CREATE DATABASE leaves nothing else."""
    started = int(psutil.Process().create_time())
    who = f"{_host_digest()}_{os.getpid():x}_{started:08x}"
    return f"{PREFIX}{int(time.time()):08x}_{who}_{secrets.token_hex(3)}"


def _host_digest() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _may_live(name: re.Match[str], tag: str) -> bool:
    """Whether the run that made it may still be at work, by the database's name, or an older one's tag."""
    if name[2]:
        host = socket.gethostname() if name[2] == _host_digest() else ""
        owner = Owner(host, int(name[3], 16), float(int(name[4], 16)))
    else:
        try:
            owner = read_json(tag, Owner)
        except DocumentError:
            owner = Owner("", 0, 0.0)
    if not owner.here:
        return time.time() - int(name[1], 16) < ABANDONED_SECONDS
    return owner.may_live()
