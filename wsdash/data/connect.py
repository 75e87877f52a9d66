"""Connections to PostgreSQL: where, as whom, and with the session settings every comparison depends on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from wsdash.errors import UnreachableError

CONNECT_TIMEOUT = 10.0

FIXED_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "client_encoding": "UTF8",
}
"""The text form of a row depends on these; both sides must agree (facts: copying, 'Comparing')."""


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
    Raises UnreachableError with the server's own words within `timeout` seconds.
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
            "server_settings": server_settings,
            "statement_cache_size": 0,
        }
        conn: asyncpg.Connection = await asyncpg.connect(**arguments)
        return conn
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(
            f"cannot connect to {endpoint.label}: {reason}",
            where=f"{endpoint.host}:{endpoint.port}, database {name}, user {endpoint.user}",
            remedy="start the server or correct its address and credentials in wsdash.yaml, then retry",
        ) from error


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
        try:
            await asyncio.wait_for(conn.close(timeout=5), 6)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            conn.terminate()
