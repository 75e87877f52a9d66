"""Connections to PostgreSQL: where, as whom, and with the session settings every comparison depends on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from wsdash.data.limits import CONNECT_TIMEOUT, STARTING_PAUSE, STARTING_SECONDS
from wsdash.data.pg.errors import DATABASE_ERRORS, Fault, describe_connecting, fault_of, remember_server
from wsdash.data.pg.pooler import use_pooler
from wsdash.data.pg.settings import FIXED_SETTINGS, fix_settings
from wsdash.tasks import task_group


@dataclass(frozen=True)
class Endpoint:
    """A database: its address and the way to its password, which is never kept in a printable field.

    password_env names an environment variable, password_file a file; with neither, ~/.pgpass applies.
    label is how people call it (data-timescale, workspace-db-compute). sslmode as in libpq.
    """

    label: str
    host: str
    port: int
    database: str
    user: str
    password_env: str = ""
    password_file: str = ""
    sslmode: str = "prefer"

    @property
    def address(self) -> str:
        """For messages: label, host, port and database, without a secret."""
        return f"{self.label} ({self.host}:{self.port}/{self.database})"

    def password(self) -> str | None:
        """The password, read now from where it is kept, or None to let ~/.pgpass decide."""
        if self.password_env and self.password_env in os.environ:
            return os.environ[self.password_env]
        if self.password_file:
            return Path(self.password_file).read_text(encoding="utf-8").rstrip("\n")
        return None


async def open_connection(
    endpoint: Endpoint,
    *,
    read_only: bool,
    database: str | None = None,
    settings: dict[str, str] | None = None,
    timeout: float = CONNECT_TIMEOUT,
) -> asyncpg.Connection:
    """Connect with the fixed session settings. The caller closes it.

    read_only makes every transaction of the session read-only on the server (invariant 6).
    A server that says it is starting up, shutting down or recovering is asked again for STARTING_SECONDS.
    Raises UnreachableError with the server's own words, within `timeout` seconds where it does not answer;
    InputError for a pooler that does not keep sessions.
    """
    server_settings = dict(FIXED_SETTINGS) | {"application_name": "wsdash"} | (settings or {})
    if read_only:
        server_settings["default_transaction_read_only"] = "on"
    name = database or endpoint.database
    try:
        arguments: dict[str, Any] = {
            "host": endpoint.host,
            "port": endpoint.port,
            "user": endpoint.user,
            "database": name,
            "password": await asyncio.to_thread(endpoint.password),
            "ssl": endpoint.sslmode,
            "timeout": timeout,
            "statement_cache_size": 0,
        }
        conn = await _connect_when_started(arguments, server_settings)
    except DATABASE_ERRORS as error:
        where = f"{endpoint.host}:{endpoint.port}, database {name}, user {endpoint.user}"
        raise describe_connecting(error, endpoint, where) from error
    remember_server(conn, endpoint)
    return conn


async def _connect_when_started(arguments: dict[str, Any], settings: dict[str, str]) -> asyncpg.Connection:
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            return await _connect(arguments, settings)
        except DATABASE_ERRORS as error:
            if fault_of(error) is not Fault.STARTING or time.monotonic() >= deadline:
                raise
        await asyncio.sleep(STARTING_PAUSE)


async def _connect(arguments: dict[str, Any], settings: dict[str, str]) -> asyncpg.Connection:
    """A server takes the settings in the startup message; behind a pooler they are set by hand."""
    conn: asyncpg.Connection
    try:
        conn = await asyncpg.connect(**arguments, server_settings=settings)
    except asyncpg.ProtocolViolationError:
        # PgBouncer refuses settings in the startup message that it does not keep itself
        conn = await asyncpg.connect(**arguments)
    try:
        # something between us and the server answers for it: the process it names is not the server's
        if await fix_settings(conn, settings) != conn.get_server_pid():
            await use_pooler(conn, settings, lambda: asyncpg.connect(**arguments))
    except BaseException:
        conn.terminate()
        raise
    return conn


@asynccontextmanager
async def connection(
    endpoint: Endpoint,
    *,
    read_only: bool,
    database: str | None = None,
    settings: dict[str, str] | None = None,
) -> AsyncIterator[asyncpg.Connection]:
    """A connection for the length of a block; closed politely, or cut when closing takes over 5 s."""
    conn = await open_connection(endpoint, read_only=read_only, database=database, settings=settings)
    try:
        yield conn
    finally:
        await close_politely(conn)


@asynccontextmanager
async def opened_together(
    count: int, open_one: Callable[[], Awaitable[asyncpg.Connection]]
) -> AsyncIterator[list[asyncpg.Connection]]:
    """`count` connections for the length of a block, opened at once and closed at once."""
    tasks: list[asyncio.Task[asyncpg.Connection]] = []

    async def one() -> asyncpg.Connection:
        return await open_one()

    try:
        async with task_group() as group:
            tasks = [group.create_task(one()) for _ in range(count)]
        yield [task.result() for task in tasks]
    finally:
        opened = [task for task in tasks if task.done() and not task.cancelled() and not task.exception()]
        await asyncio.gather(*(close_politely(task.result()) for task in opened))


async def close_politely(conn: asyncpg.Connection) -> None:
    """Close; cut when it takes over 5 s."""
    try:
        await asyncio.wait_for(conn.close(timeout=5), 6)
    except DATABASE_ERRORS:
        conn.terminate()
