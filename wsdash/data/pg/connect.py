"""Connections to PostgreSQL: where, as whom, and with the session settings every comparison depends on.

A connection pooler is distinguished from a server, given our settings by hand, and refused where a session
is needed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from wsdash.data.limits import ANSWER_SECONDS, CONNECT_TIMEOUT, STARTING_PAUSE, STARTING_SECONDS
from wsdash.data.pg.errors import DATABASE_ERRORS, Fault, describe_connecting, fault_of, remember_server
from wsdash.data.pg.sql import literal
from wsdash.data.pg.transactions import begin, commit
from wsdash.errors import InputError
from wsdash.outside import read_text_file
from wsdash.tasks import task_group

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
    "idle_session_timeout": "0",
    "client_encoding": "UTF8",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "default_transaction_read_only": "off",
}
"""What every supported server knows: sent while connecting, so that no statement runs without it. The text
form of a row depends on these; both sides must agree."""

KNOWN_BY_SOME = {
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "check_function_bodies": "on",
    "createrole_self_grant": "",  # 16 and later
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "default_toast_compression": "pglz",
    "default_with_oids": "off",  # before 12
    "escape_string_warning": "on",
    "exit_on_error": "off",
    "gin_fuzzy_search_limit": "0",
    "icu_validation_level": "warning",  # 16 and later
    "jit": "off",
    "lc_numeric": "C",
    "lc_time": "C",
    "quote_all_identifiers": "off",
    "restrict_nonsystem_relation_kind": "",
    "row_security": "on",
    "standard_conforming_strings": "on",
    "synchronize_seqscans": "off",
    "temp_tablespaces": "",
    "timezone_abbreviations": "Default",
    "transaction_timeout": "0",  # 17 and later
    "transform_null_equals": "off",
    "xmloption": "content",
}
"""Set right after connecting, where the server knows them: an unknown name would end the session."""

PRIVILEGED = {
    "ignore_checksum_failure": "off",
    "lc_messages": "C",
    "session_replication_role": "origin",
    "temp_file_limit": "-1",
    "zero_damaged_pages": "off",
}
"""As KNOWN_BY_SOME, where the role may set them; where it may not, whoever set them did so on purpose."""

_FIX = """
SELECT pg_catalog.pg_backend_pid() AS pid, (
  SELECT count(pg_catalog.set_config(w.name, w.value, false))
  FROM unnest($1::text[], $2::text[]) w(name, value)
  WHERE pg_catalog.current_setting(w.name, true) <> w.value AND (w.name <> ALL ($3::text[]) OR {may_set})
) AS changed
"""
_MAY_SET = "pg_catalog.current_setting('is_superuser') = 'on'"
_MAY_SET_SINCE_15 = f"{_MAY_SET} OR pg_catalog.has_parameter_privilege(w.name, 'SET')"


async def set_settings(conn: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    """Give an open session settings, values as in a startup message: SET would take a list of schemas for
    the name of one. Raises asyncpg.PostgresError.
    """
    wanted = ", ".join(
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, false)" for name, value in settings.items()
    )
    await conn.execute(f"SELECT {wanted}", timeout=ANSWER_SECONDS)


async def fix_settings(conn: asyncpg.Connection, own: Mapping[str, str]) -> int:
    """Give a new session the settings that only some servers know; the pid of the process that answers.

    own: settings that the session was given on purpose; these stay. Raises asyncpg.PostgresError.
    """
    wanted = {name: value for name, value in (KNOWN_BY_SOME | PRIVILEGED).items() if name not in own}
    may_set = _MAY_SET_SINCE_15 if conn.get_server_version() >= (15,) else _MAY_SET
    row = await conn.fetchrow(
        _FIX.format(may_set=may_set),
        list(wanted),
        list(wanted.values()),
        list(PRIVILEGED),
        timeout=ANSWER_SECONDS,
    )
    return 0 if row is None else int(row["pid"])


PROBES = 5
"""A pooler that deals its servers out in turn may give the same one twice; hardly so often."""


async def use_pooler(
    conn: asyncpg.Connection, settings: dict[str, str], again: Callable[[], Awaitable[asyncpg.Connection]]
) -> None:
    """Make a pooled connection fit for use: proven to keep its session, and with the settings set by hand.

    again: opens another connection of the same kind. Raises InputError when the pooler works by transactions
    or statements.
    """
    try:
        other = await again()
    except (TimeoutError, OSError, asyncpg.PostgresError):
        other = None  # no room for a second session: then they are not lent by the transaction
    if other is not None:
        try:
            shared = await _shared(conn, other)
        finally:
            other.terminate()
        if shared:
            raise InputError(
                "the address leads to a connection pooler that works by transactions, which loses snapshots, "
                "locks and settings",
                where="the database's host and port",
                remedy="give the address of the server itself, or set pool_mode = session for this database",
            )
    await set_settings(conn, settings)


async def _shared(conn: asyncpg.Connection, other: asyncpg.Connection) -> bool:
    """Whether two connections meet on one server process, or one of them changes its own."""
    mine: set[int] = set()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            for _ in range(PROBES):
                mine.add(await conn.fetchval("SELECT pg_backend_pid()"))
                await begin(other)
                if await other.fetchval("SELECT pg_backend_pid()") in mine:
                    return True
                mine.add(await conn.fetchval("SELECT pg_backend_pid()"))
                await commit(other)
    except TimeoutError:
        return False  # the other session waits until this one ends: each has a server of its own
    except asyncpg.PostgresError:
        return True  # by statements: a transaction is refused, or a prepared statement is gone
    return len(mine) > 1


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
        """The password, read now from where it is kept, or None to let ~/.pgpass decide. Raises OSError."""
        if self.password_env and self.password_env in os.environ:
            return os.environ[self.password_env]
        if self.password_file:
            return read_text_file(Path(self.password_file)).rstrip("\n")
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


class KeptSession:
    """A read-only session for questions that come again and again: connecting costs more than they do."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._session: asyncpg.Connection | None = None

    async def get(self) -> asyncpg.Connection:
        """The session, opened when there is none or the server has ended it. Raises as open_connection."""
        if self._session is None or self._session.is_closed():
            self._session = await open_connection(self.endpoint, read_only=True)
        return self._session

    def drop(self) -> None:
        """Cut it: a question failed, or is still under way. The next `get` opens another."""
        session, self._session = self._session, None
        if session is not None:
            session.terminate()

    async def close(self) -> None:
        """Close it politely; the next `get` opens another."""
        session, self._session = self._session, None
        if session is not None:
            await close_politely(session)
