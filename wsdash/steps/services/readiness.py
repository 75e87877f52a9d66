"""What must hold before a migration: items neon-image and ports-free, rights on both servers, readiness.

Everything that the new stack runs is on this machine, nobody else holds its ports, and the rights that will
be wanted are there; only catalogs are read. Readiness may come with a later item: an API says that it is
well only once its tables exist.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import msgspec

from wsdash.config import Settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, describe
from wsdash.data.pg.sql import ident
from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.model import Notice, PortReading, StepId
from wsdash.model.ports import port_plan
from wsdash.stack.base import Stack
from wsdash.steps.base import Evidence, StepContext, command_output, endpoint
from wsdash.steps.items import client
from wsdash.steps.limits import CONTAINER_READY_SECONDS, READY_POLL_SECONDS, RIGHTS_SECONDS
from wsdash.watch.board import containers_of_series
from wsdash.watch.pollers.ports import port_holders


class PortsFree:
    """Verify ports 5433, 6400, 9898, 5454, 7676 are available."""

    id: str = StepId.PORTS_FREE

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when each port is free, or held by the new stack itself.

        Insufficient when the engine is another machine's, which does not tell who listens there.
        """
        if not ctx.settings.ports:
            text = "no port is named (key ports in wsdash.yaml): nothing was looked at"
            return Evidence(False, text, insufficient=True, remedy="name the new stack's ports, or skip this")
        taken, ours, unseen = await _holders(ctx)
        ports = ", ".join(str(port) for port in ctx.settings.ports)
        if taken:
            return Evidence(False, "taken: " + "; ".join(taken))
        if unseen:
            return Evidence(False, unseen, insufficient=True)
        if ours:
            return Evidence(True, f"{ports}: free, or held by the new stack itself ({', '.join(ours)})")
        return Evidence(True, f"{ports}: nobody listens")

    async def act(self, ctx: StepContext) -> None:
        """Ports of others are not wsdash's to free. Raises RefusedError naming each holder."""
        taken, _, _ = await _holders(ctx)
        if taken:
            raise RefusedError(
                "ports that the new stack needs are taken: " + "; ".join(taken),
                where="this machine",
                remedy="stop the holders named here, or change the ports in wsdash.yaml and the compose file",
            )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Nothing was taken."""
        return None


async def _holders(ctx: StepContext) -> tuple[list[str], list[str], str]:
    found = await stack_ports(ctx.settings, ctx.stack)
    for reading in found.readings:
        ctx.emit(reading)
    return found.taken, found.ours, found.unseen


@dataclass(frozen=True)
class StackPorts:
    """taken, ours: what others and what the new stack holds, as 'port by holder'. unseen: what could not be
    seen from here, or ''."""

    readings: list[PortReading]
    taken: list[str]
    ours: list[str]
    unseen: str


async def stack_ports(settings: Settings, stack: Stack) -> StackPorts:
    """Who holds the new stack's ports on the machine whose engine publishes them; UnreachableError."""
    plan = await port_plan(stack)
    publishers = await stack.publishers()
    workspace = settings.stack.workspace.containers
    readings = []
    taken, ours, seen = [], [], set()
    for reading in await port_holders(settings.ports, publishers, plan):
        mine = publishers.get(reading.port) in workspace
        seen.add(reading.port)
        readings.append(msgspec.structs.replace(reading, ours=mine))
        if not reading.holder:
            continue
        if mine:
            ours.append(f"{reading.port} by {publishers[reading.port]}")
        else:
            taken.append(f"{reading.port} by {reading.holder}")
    unseen = ", ".join(str(port) for port in settings.ports if port not in seen)
    if unseen:
        unseen += f": no container publishes them at {plan.engine}, and which other programs of that machine"
        unseen += " listen cannot be seen from here; look with ss -ltn there, then skip this item"
    return StackPorts(readings, taken, ours, unseen)


class NeonImage:
    """Build Neon image."""

    id: str = StepId.NEON_IMAGE

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when the image (or program) of every container of the new stack is here."""
        images = await ctx.stack.images()
        missing = sorted(name for name, present in images.items() if not present)
        if missing:
            return Evidence(False, "missing: " + ", ".join(missing))
        if not images:
            return Evidence(False, "the new stack names no image")
        return Evidence(True, "present: " + ", ".join(sorted(images)))

    async def act(self, ctx: StepContext) -> None:
        """Get what is missing: with the operator's build command, else by pulling. wsdash never builds Neon.

        Raises WsdashError with the command's last words.
        """
        await ctx.stack.fetch_images(command_output(ctx))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Images stay."""
        return None


SOURCE = """
SELECT r.rolsuper OR r.rolcreatedb AS createdb, r.rolsuper OR coalesce(
         has_schema_privilege(current_user, n.oid, 'USAGE'), false) AS usage,
       ARRAY(SELECT c.relname FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
             AND NOT c.relispartition AND NOT has_table_privilege(current_user, c.oid, 'SELECT')
             ORDER BY 1) AS unreadable,
       ARRAY(SELECT DISTINCT h.nspname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
             JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace h ON h.oid = c.relnamespace
             WHERE p.relnamespace = n.oid AND (NOT has_schema_privilege(current_user, h.oid, 'USAGE')
               OR NOT has_table_privilege(current_user, c.oid, 'SELECT')) ORDER BY 1) AS parts
FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = $1 WHERE r.rolname = current_user"""
TARGET = """
SELECT has_database_privilege(current_user, current_database(), 'CREATE') AS makes_schemas,
       n.oid IS NOT NULL AS there,
       coalesce(has_schema_privilege(current_user, n.oid, 'CREATE'), false) AS makes,
       ARRAY(SELECT c.relname FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
             AND NOT pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1) AS of_others
FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = $1 WHERE r.rolname = current_user"""


async def lacking_rights(settings: Settings) -> dict[str, list[str]]:
    """Side -> what its user lacks, each with the command that gives it; a side that is not there is left out.

    Raises WsdashError where a server that is there cannot be asked.
    """
    sides = {
        "source": (endpoint(settings.source), settings.source.schema, _source),
        "target": (endpoint(settings.target), settings.target.schema, _target),
    }

    async def ask(name: str) -> list[str] | None:
        side, schema, look = sides[name]
        try:
            return await look(side, schema)
        except UnreachableError:
            return None
        except DATABASE_ERRORS as error:
            raise describe(error, side, "reading the user's rights") from error

    found = dict(zip(sides, await asyncio.gather(*(ask(name) for name in sides)), strict=True))
    return {name: lacking for name, lacking in found.items() if lacking is not None}


async def _source(side: Endpoint, schema: str) -> list[str]:
    async with connection(side, read_only=True) as session:
        row = await session.fetchrow(SOURCE, schema, timeout=RIGHTS_SECONDS)
    if row is None:
        raise WsdashError("the user has no role", where=side.address, remedy="correct source.user")
    user, lacking = ident(side.user), []
    if not row["createdb"]:
        lacking.append(
            f"CREATEDB, for the database in which the backup is proven: ALTER ROLE {user} CREATEDB"
        )
    if not row["usage"]:
        lacking.append(f"USAGE of schema {schema}: GRANT USAGE ON SCHEMA {ident(schema)} TO {user}")
    if row["unreadable"]:
        names = ", ".join(row["unreadable"][:5])
        grant = f"GRANT SELECT ON ALL TABLES IN SCHEMA {ident(schema)} TO {user}"
        lacking.append(f"SELECT on {names}: {grant}")
    for home in row["parts"]:  # chunks and partitions are read one by one
        grant = f"GRANT USAGE ON SCHEMA {ident(home)} TO {user}; "
        grant += f"GRANT SELECT ON ALL TABLES IN SCHEMA {ident(home)} TO {user}"
        lacking.append(f"SELECT on the parts of tables in schema {home}: {grant}")
    return lacking


async def _target(side: Endpoint, schema: str) -> list[str]:
    user, lacking = ident(side.user), []
    async with connection(side, read_only=True) as session:
        row = await session.fetchrow(TARGET, schema, timeout=RIGHTS_SECONDS)
    if row is not None and row["there"] and not row["makes"]:
        lacking.append(f"CREATE in schema {schema}: GRANT CREATE ON SCHEMA {ident(schema)} TO {user}")
    if row is not None and not row["there"] and not row["makes_schemas"]:
        lacking.append(f"CREATE in the database: GRANT CREATE ON DATABASE {ident(side.database)} TO {user}")
    if row is not None and row["of_others"]:
        names = ", ".join(row["of_others"][:5])
        lacking.append(
            f"ownership of {names}, whose triggers rest while rows are written: "
            f"ALTER TABLE {ident(schema, row['of_others'][0])} OWNER TO {user}"
        )
    return lacking


def needs_schema(settings: Settings) -> frozenset[str]:
    """Containers of the new stack whose health may need the tables: as configured, else the API's."""
    named = settings.stack.workspace.after_schema
    api = containers_of_series(settings).get("api-new")
    return frozenset(named or ([api] if api else []))


async def wait_for_api(ctx: StepContext, within: float = CONTAINER_READY_SECONDS) -> str:
    """Start what waited for the tables and ended meanwhile, and wait for the new API; '' once it is ready,
    else what it says. Nothing is waited for where the stack has no such container, or `within` is 0.
    """
    later = needs_schema(ctx.settings)
    readings = {one.name: one for one in await ctx.stack.readings() if one.name in later}
    if not readings:
        return ""
    ended = [name for name, one in readings.items() if one.state in ("exited", "created", "dead")]
    if ended:
        await ctx.stack.start(ended, command_output(ctx), unready=later)
    if not within:
        return ""
    async with client(ctx) as api:
        try:
            await api.wait_ready(within)
        except UnreachableError as error:
            ctx.emit(Notice(level="warning", text=error.what, item=ctx.item))
            return error.what
    return ""


async def unhealthy(ctx: StepContext) -> str:
    """The containers whose health needed the tables and that run without being healthy, with their health
    checks' own words; '' when there is none. A health that cannot be read counts as not healthy.
    """
    later = needs_schema(ctx.settings)
    ill = [
        one
        for one in await ctx.stack.readings()
        if one.name in later and one.state == "running" and one.health not in ("healthy", "none")
    ]
    return "; ".join(
        f"{one.name} is not healthy ({one.health})"
        + (f"; its health check says: {one.detail}" if one.detail else "")
        for one in ill
    )


async def require_healthy(ctx: StepContext, within: float = CONTAINER_READY_SECONDS) -> None:
    """Wait until no such container is unhealthy: its last check may be one of before the tables were there.

    Raises WsdashError with the health checks' own words after `within` seconds.
    """
    deadline = time.monotonic() + within
    while said := await unhealthy(ctx):
        if time.monotonic() > deadline:
            raise WsdashError(said, remedy="read the log of this container and its health check, then retry")
        await asyncio.sleep(READY_POLL_SECONDS)


async def api_state(ctx: StepContext) -> str:
    """How the new API is now, for the evidence; '' where the stack has no container of it."""
    later = needs_schema(ctx.settings)
    if not any(one.name in later and one.state == "running" for one in await ctx.stack.readings()):
        return ""
    async with client(ctx) as api:
        pong = await api.ping()
    if pong.ready:
        return f"; the API is ready ({pong.said})"
    return f"; the API is not ready yet ({pong.said}), which test-api waits for"
