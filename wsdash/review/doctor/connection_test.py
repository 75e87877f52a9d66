"""The guide's connection test, ten checks of the new stack, each with the command that would show more."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from wsdash.config import Settings
from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, words_of
from wsdash.engine.counting.rows import count_rows
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading
from wsdash.review.doctor.finding import Finding
from wsdash.review.limits import CHECK_SECONDS, SQL_SECONDS
from wsdash.stack.neon_api import NeonApi
from wsdash.steps.base import endpoint
from wsdash.steps.services.branching import branch_id, workspace_timeline

CHECKS = (
    *("containers", "ready", "version", "database", "schema"),
    *("tables", "counts", "external connection", "write and clean up", "branching"),
)
"""The guide's order."""


async def connection_test(settings: Settings, readings: list[ContainerReading]) -> list[Finding]:
    """Ten findings, in the guide's order. Never raises for an unwell stack.

    The write check writes into wsdash's own schema on the target, the branching check makes a branch; both
    are removed again. Before the stack was started all ten are absent.
    """
    ours = [one for one in readings if one.name in settings.stack.workspace.containers]
    if not any(one.state in ("running", "restarting", "paused", "unknown") for one in ours):
        return [_finding(name, None, "the new stack is not started") for name in CHECKS]
    test = _Test(settings, ours)
    checks: dict[str, Callable[[], Awaitable[tuple[bool, str]]]] = {
        "containers": test.containers,
        "ready": test.ready,
        "version": test.version,
        "database": test.database,
        "schema": test.schema,
        "tables": test.tables,
        "counts": test.counts,
        "external connection": test.external,
        "write and clean up": test.write,
        "branching": test.branching,
    }
    return [await _judged(name, checks[name], test.more(name)) for name in CHECKS]


async def _judged(name: str, check: Callable[[], Awaitable[tuple[bool, str]]], more: str) -> Finding:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            well, seen = await check()
    except WsdashError as error:
        return _finding(name, False, error.what, error.remedy, more)
    except TimeoutError:
        return _finding(name, False, f"no answer within {CHECK_SECONDS:.0f} s", more=more)
    except DATABASE_ERRORS as error:
        return _finding(name, False, words_of(error), more=more)
    return _finding(name, well, seen, more="" if well else more)


def psql_words(side: Endpoint) -> str:
    """The psql command that opens a session there; it asks for the password."""
    return f'psql "host={side.host} port={side.port} user={side.user} dbname={side.database}"'


def _finding(name: str, well: bool | None, seen: str, remedy: str = "", more: str = "") -> Finding:
    return Finding(f"test {CHECKS.index(name) + 1}: {name}", well, seen, remedy, more)


class _Test:
    """The checks: each says whether it holds, and what was seen."""

    def __init__(self, settings: Settings, readings: list[ContainerReading]) -> None:
        self._settings = settings
        self._readings = readings
        self._side = endpoint(settings.target)

    def more(self, name: str) -> str:
        """The command that shows more of what a check looked at."""
        side, docker = self._side, self._settings.stack.engine == "docker"
        psql = psql_words(side)
        pageserver = f"curl -s {self._settings.endpoints.pageserver_http}"
        unwell = next((one.name for one in self._readings if not _well(one)), side.label)
        return {
            "containers": f"docker logs --tail 50 {unwell}" if docker else "wsdash monitor, pane Logs",
            "ready": f"pg_isready -h {side.host} -p {side.port}",
            "version": f"{psql} -c 'select version()'",
            "database": f"{psql} -c '\\l'",
            "schema": f"{psql} -c '\\dn'",
            "tables": f"{psql} -c '\\dt {self._settings.target.schema}.*'",
            "counts": "wsdash run, key d: the differing rows",
            "external connection": f"{psql} -c 'select 1'",
            "write and clean up": f"{psql} -c '\\dn+'; df -h",
            "branching": f"{pageserver}/v1/tenant; {pageserver}/v1/status",
        }[name]

    async def containers(self) -> tuple[bool, str]:
        unwell = [f"{one.name} is {one.state}, {one.health}" for one in self._readings if not _well(one)]
        if unwell:
            return False, "; ".join(unwell)
        return True, f"all {len(self._readings)} running and healthy"

    async def ready(self) -> tuple[bool, str]:
        began = time.monotonic()
        recovering = await self._value("select pg_is_in_recovery()")
        seconds = time.monotonic() - began
        if recovering:
            return False, f"{self._side.address} answers, but is in recovery: it takes no writes"
        return True, f"{self._side.address} answers in {seconds * 1000:.0f} ms"

    async def version(self) -> tuple[bool, str]:
        number = int(await self._value("select current_setting('server_version_num')"))
        return number >= 140_000, f"PostgreSQL {number // 10_000}.{number % 10_000}"

    async def database(self) -> tuple[bool, str]:
        name = await self._value("select current_database()::text")
        return name == self._side.database, f"database {name}"

    async def schema(self) -> tuple[bool, str]:
        schema = self._settings.target.schema
        found = await self._value("select count(*) from pg_namespace where nspname = $1", schema)
        return found == 1, f"schema {schema} {'exists' if found else 'does not exist'}"

    async def tables(self) -> tuple[bool, str]:
        sql = "select count(*) from pg_tables where schemaname = $1"
        schema = self._settings.target.schema
        found = await self._value(sql, schema)
        return found > 0, f"{found} tables in {schema}"

    async def counts(self) -> tuple[bool, str]:
        both = [one for one in await count_rows(self._settings) if None not in (one.source, one.target)]
        if not both:
            return False, "only one side can be counted"
        differing = [one for one in both if one.source != one.target]
        # the new service may have been written to since: only missing rows are a fault
        lacking = any((one.target or 0) < (one.source or 0) for one in differing)
        pairs = ", ".join(f"{one.table} {one.source:,} / {one.target:,}" for one in differing)
        seen = f"{len(both) - len(differing)} of {len(both)} tables equal in number"
        return not lacking, f"{seen}; source / target: {pairs}" if differing else seen

    async def external(self) -> tuple[bool, str]:
        seen = await self._value("select coalesce(host(inet_client_addr()), 'a local socket')")
        return True, f"connected from outside the stack, as {seen}, by {self._side.host}:{self._side.port}"

    async def write(self) -> tuple[bool, str]:
        table = f"{SCHEMA}.doctor_{secrets.token_hex(8)}"
        async with connection(self._side, read_only=False) as session:
            known = await session.fetchval("select count(*) from pg_namespace where nspname = $1", SCHEMA)
            await session.execute(f"create schema if not exists {SCHEMA}", timeout=SQL_SECONDS)
            try:
                await session.execute(f"create table {table} (id int primary key)", timeout=SQL_SECONDS)
                await session.execute(f"insert into {table} values (1)", timeout=SQL_SECONDS)
                read = await session.fetchval(f"select count(*) from {table}", timeout=SQL_SECONDS)
            finally:
                await session.execute(f"drop table if exists {table}", timeout=SQL_SECONDS)
                if not known:
                    await session.execute(f"drop schema if exists {SCHEMA}", timeout=SQL_SECONDS)
        return read == 1, f"a row was written, committed, read and removed in schema {SCHEMA}"

    async def branching(self) -> tuple[bool, str]:
        nodes = self._settings.endpoints
        tenant, timeline = await workspace_timeline(self._settings)
        async with NeonApi(nodes.pageserver_http, nodes.safekeeper_http) as api:
            found = {one.id: one for one in await api.timelines(tenant)}
            if timeline not in found:
                return False, f"the pageserver has no timeline {timeline} of tenant {tenant}"
            branch = branch_id(time.time())
            try:
                made = await api.create_branch(tenant, branch, timeline, found[timeline].lsn)
            finally:
                await api.delete_timeline(tenant, branch)
        return True, f"a branch of {timeline[:8]}… at {made.ancestor_lsn} was made and removed"

    async def _value(self, sql: str, *parameters: Any) -> Any:
        async with connection(self._side, read_only=True) as session:
            return await session.fetchval(sql, *parameters, timeout=SQL_SECONDS)


def _well(reading: ContainerReading) -> bool:
    return reading.state == "running" and reading.health in ("healthy", "none")
