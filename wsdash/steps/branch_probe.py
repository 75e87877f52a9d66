"""What a branch is proven by: a row before it, and a row written on either side afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

import asyncpg

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.quoting import ident, literal
from wsdash.errors import WsdashError
from wsdash.stack.base import Stack
from wsdash.steps.base import StepContext
from wsdash.steps.limits import CALL_SECONDS, OPEN_SECONDS

TABLE = f"{SCHEMA}.branch_probe"
"""A table of wsdash's own in the target: users' tables are only read."""
SCRIPT, BRANCH_PORT = "/neon/branch.sh", "55433"
"""compose/neon/branch.sh as the compute's container sees it, and where it opens the branch."""


class Side(Protocol):
    """One side of a branch: the parent's compute, or the branch's."""

    async def value(self, sql: str) -> str:
        """The first value of the statement's result as text. Raises WsdashError with the server's words."""
        ...


class Session:
    """A side that is reached over the network."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn

    async def value(self, sql: str) -> str:
        """As Side promises."""
        with ServerErrors(self._conn, "proving the branch", "then run the item again"):
            return str(await self._conn.fetchval(sql, timeout=CALL_SECONDS))


class Inside:
    """A side that is reached inside the compute's container: a second compute publishes no port."""

    def __init__(self, stack: Stack, container: str, database: str) -> None:
        self._stack, self._container = stack, container
        self._psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "localhost", "-p", BRANCH_PORT]
        self._psql += ["-U", "cloud_admin", "-d", database, "-c"]

    async def value(self, sql: str) -> str:
        """As Side promises."""
        said = await self._stack.execute(self._container, [*self._psql, sql], CALL_SECONDS)
        return said.strip()


@asynccontextmanager
async def _second_compute(ctx: StepContext, timeline: str) -> AsyncIterator[str]:
    """A compute on the branch, beside the container's own one; gone at the end. Yields the container."""
    container = ctx.target.label
    try:
        await ctx.stack.execute(container, ["bash", SCRIPT, "start", timeline], OPEN_SECONDS)
        yield container
    finally:
        await ctx.stack.execute(container, ["bash", SCRIPT, "stop"], CALL_SECONDS)


@asynccontextmanager
async def session_on(endpoint: Endpoint) -> AsyncIterator[Session]:
    """A session that may write."""
    async with connection(endpoint, read_only=False) as conn:
        yield Session(conn)


@asynccontextmanager
async def open_branch(ctx: StepContext, timeline: str) -> AsyncIterator[Side]:
    """The branch's own side, opened as the settings say, closed at the end. Raises WsdashError."""
    settings = ctx.settings.branching
    name = settings.database.replace("{timeline}", timeline)
    if settings.open == "compute":
        async with _second_compute(ctx, timeline) as container:
            yield Inside(ctx.stack, container, name)
        return
    async with session_on(replace(ctx.target, label=f"branch {timeline[:8]}", database=name)) as side:
        yield side


async def prepare(parent: Side) -> None:
    """The probe's table with the one row that the branch must have."""
    await parent.value(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    await parent.value(f"DROP TABLE IF EXISTS {TABLE}")
    await parent.value(f"CREATE TABLE {TABLE} (word text PRIMARY KEY)")
    await parent.value(f"INSERT INTO {TABLE} VALUES ('before')")


async def remove(parent: Side) -> None:
    """Leave nothing of the probe on the parent."""
    await parent.value(f"DROP TABLE IF EXISTS {TABLE}")


async def prove_isolation(parent: Side, branch: Side, timeline: str, schema: str) -> str:
    """Write on either side and read both. The evidence in words; raises WsdashError when they mix."""
    shown = await branch.value("SHOW neon.timeline_id")
    await parent.value(f"INSERT INTO {TABLE} VALUES ('parent')")
    await branch.value(f"INSERT INTO {TABLE} VALUES ('branch')")
    words = f"SELECT string_agg(word, ',' ORDER BY word) FROM {TABLE}"
    on_parent, on_branch = await parent.value(words), await branch.value(words)
    if (shown, on_parent, on_branch) != (timeline, "before,parent", "before,branch"):
        raise WsdashError(
            f"the branch is not isolated: it shows timeline {shown} and rows {on_branch}; "
            f"the parent has {on_parent}",
            where=f"branch {timeline}",
            remedy="do not rely on branching; read the pageserver's and the compute's logs",
        )
    items = f"SELECT count(*) FROM {ident(schema, 'workspace_items')}"
    table = f"(schemaname, tablename) = ({literal(schema)}, 'workspace_items')"
    there = await branch.value(f"SELECT count(*) FROM pg_tables WHERE {table}")
    served = f", {int(await branch.value(items)):,} items on it" if there == "1" else ""
    return f"rows written on either side do not show on the other{served}"
