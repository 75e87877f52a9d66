"""Building the embedded world: two real servers, both generations of the API, storage stand-ins.

Each stage leaves its evidence before it is noted as done, so a build that was killed goes on where it was.
A complete world is only taken up again: what the plan has stopped since stays stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, words_of
from wsdash.data.pg.transactions import transaction
from wsdash.demo.limits import BUILD_REPORT_SECONDS, DDL_SECONDS, LOAD_SECONDS
from wsdash.demo.supervisor.main import shut_down, spawn
from wsdash.demo.world import ports as port_room
from wsdash.demo.world import schema
from wsdash.demo.world.files import (
    CONFIG,
    SERVICES,
    Record,
    building,
    ensure_secret,
    read_record,
    write_config,
    write_record,
    write_services,
)
from wsdash.demo.world.postgres import SOURCE_DATABASE, SOURCE_USER, ensure_cluster, source_plan, target_plan
from wsdash.demo.world.schema import load_items
from wsdash.demo.world.services import DASHBOARD, HOST, OLD_WORLD, TRAFFIC, DemoWorld
from wsdash.errors import InputError, WsdashError, system_failure
from wsdash.model import SetupProgress
from wsdash.stack.local.stack import LocalStack

STAGES = ("ports", "clusters", "supervisor", "source", "schema", "items", "old service", "target")

OnProgress = Callable[[SetupProgress], None]


@dataclass(frozen=True)
class WorldOptions:
    """What is asked of the embedded world; None: as it is, and of a new one what Record says.

    keep: it outlives wsdash. api, online: as DemoWorld says.
    """

    items: int | None = None
    seed: int | None = None
    writes_per_second: float | None = None
    port_offset: int | None = None
    keep: bool = False
    api: str | None = None
    online: bool = False

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked, by the names that a record has for it; but where the ports are."""
        names = ("items", "seed", "writes_per_second", "api", "online")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


async def build_world(directory: Path, options: WorldOptions, progress: OnProgress) -> Path:
    """Make the embedded world in `directory`, or take it up again; its configuration directory.

    Afterwards the old world serves, and the new stack is described but not started. Safe to call again after
    a crash anywhere. Raises InputError for options that do not fit the world that is there or ports that are
    taken, WsdashError when something cannot be made or started.
    """
    directory = await asyncio.to_thread(directory.absolute)
    try:
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        remedy = "name a state directory that you may write with --state DIR"
        what = "the embedded world's directory cannot be made"
        raise system_failure(error, directory, what, remedy=remedy, kind=InputError) from error
    with building(directory):
        record = await asyncio.to_thread(read_record, directory) or Record(**options.asked)
        _check_options(directory, record, options)
        builder = _Builder(directory, options, record, progress)
        if len(record.done) == len(STAGES):
            await builder.take_up()
        else:
            await builder.build()
    return directory / CONFIG


async def remove_world(directory: Path) -> None:
    """Stop the supervisor and everything it runs. The directory stays; its owner removes it.

    No error when nothing runs.
    """
    directory = await asyncio.to_thread(directory.absolute)
    record = await asyncio.to_thread(read_record, directory)
    await shut_down(directory)
    if record is not None:
        port_room.release(record.offset)


class _Builder:
    """One build: the stages in order, each reported before and after."""

    def __init__(self, directory: Path, options: WorldOptions, record: Record, progress: OnProgress) -> None:
        self._options = options
        self._record = record
        self._progress = progress
        self._world = self._place(directory, port_room.Ports().moved(record.offset))
        self._reported = 0.0

    async def build(self) -> None:
        """Every stage that is not done yet."""
        actions: dict[str, Callable[[], Awaitable[str]]] = {
            "ports": self._choose_ports,
            "clusters": self._make_clusters,
            "supervisor": self._start_supervisor,
            "source": self._start_source,
            "schema": self._make_schema,
            "items": self._load_items,
            "old service": self._start_old_service,
            "target": self._finish_target,
        }
        # until the supervisor knows of them, nobody holds the chosen ports: choose again
        registered = await asyncio.to_thread((self._world.directory / SERVICES).exists)
        if registered:
            await asyncio.to_thread(port_room.claim, self._record.offset, self._world.directory)
        for place, stage in enumerate(STAGES):
            if stage in self._record.done and (registered or stage != "ports"):
                if stage == "supervisor":
                    await spawn(self._world.directory)
                self._tell(stage, place + 1, "done before")
                continue
            self._tell(stage, place, "")
            try:
                detail = await self._attempt(stage, actions[stage])
            except WsdashError as error:
                self._progress(SetupProgress(stage, place, len(STAGES), str(error), failed=True))
                raise
            await self._note(stage)
            self._tell(stage, place + 1, detail)

    async def _attempt(self, stage: str, action: Callable[[], Awaitable[str]]) -> str:
        try:
            return await action()
        except DATABASE_ERRORS as error:
            raise WsdashError(
                f"the embedded world could not be built, stage {stage!r}: {words_of(error)}",
                where=str(self._world.directory),
                remedy="see to what the message names (disk space, permissions), then run it again",
            ) from error

    async def take_up(self) -> None:
        """A complete world again: its supervisor, and chunks for the months to come."""
        self._tell("supervisor", len(STAGES) - 1, "the world is complete; taking it up")
        await spawn(self._world.directory)
        await self._await_old_world()
        await self._extend_chunks()
        self._tell("ready", len(STAGES), f"as it was left, ports moved by {self._record.offset}")

    async def _choose_ports(self) -> str:
        directory, wanted = self._world.directory, self._options.port_offset
        chosen = await asyncio.to_thread(port_room.choose_ports, directory, wanted)
        self._record.offset = chosen.offset
        self._world = self._place(directory, chosen)
        if chosen.offset == 0:
            return "the guide's ports"
        if wanted is not None:
            return f"the guide's ports moved by {chosen.offset}, as asked"
        reasons = await asyncio.to_thread(port_room.taken, port_room.Ports())
        why = "; ".join(reasons) or "another embedded world has the guide's ports"
        return f"all ports moved by {chosen.offset}: {why}"

    def _place(self, directory: Path, ports: port_room.Ports) -> DemoWorld:
        record = self._record
        return DemoWorld(
            directory,
            ports,
            record.seed,
            record.writes_per_second,
            self._options.keep,
            record.api,
            record.online,
        )

    async def _make_clusters(self) -> str:
        directory, ports = self._world.directory, self._world.ports
        source = await asyncio.to_thread(ensure_secret, self._world.source_password)
        target = await asyncio.to_thread(ensure_secret, self._world.target_password)
        admin = await asyncio.to_thread(ensure_secret, self._world.admin_password)
        plans = (
            (source_plan(directory / "source", source), ports.source),
            (target_plan(directory / "target", target, admin), ports.target),
        )
        made = await asyncio.gather(
            *(asyncio.to_thread(ensure_cluster, plan, port) for plan, port in plans), return_exceptions=True
        )
        for result in made:
            if isinstance(result, BaseException):
                raise result
        return "PostgreSQL 16 and 18"

    async def _start_supervisor(self) -> str:
        await asyncio.to_thread(write_services, self._world)
        await asyncio.to_thread(write_config, self._world)
        await asyncio.to_thread((self._world.directory / "backups").mkdir, exist_ok=True)
        await spawn(self._world.directory)
        return str(self._world.directory)

    async def _start_source(self) -> str:
        await self._start([OLD_WORLD[0]])
        return f"data-timescale on port {self._world.ports.source}"

    async def _make_schema(self) -> str:
        async with self._session() as conn, transaction(conn):
            if await conn.fetchval("select to_regclass('workspace.workspace_items') is null", timeout=10):
                await conn.execute(schema.before_rows(), timeout=DDL_SECONDS)
        self._record.chunks_until = _month()
        return "workspace, with monthly chunks"

    async def _load_items(self) -> str:
        count, seed = self._record.items, self._record.seed
        async with self._session() as conn:
            # rows and indexes are one transaction: the last index is there when all rows are
            finished = "select to_regclass('workspace.workspace_audit_log_action_idx') is not null"
            if not await conn.fetchval(finished, timeout=10):
                async with transaction(conn):
                    # a load that was killed has used up numbers: the same seed must give the same rows
                    await conn.execute("alter sequence workspace.workspace_audit_log_id_seq restart")
                    await load_items(conn, count, seed, self._rows_loaded)
                    self._tell("items", STAGES.index("items"), "indexes")
                    await conn.execute(schema.after_rows(), timeout=LOAD_SECONDS)
            await conn.execute(
                "analyze workspace.workspace_items, workspace.workspace_audit_log", timeout=LOAD_SECONDS
            )
        return f"{count:,} items"

    async def _start_old_service(self) -> str:
        extra = [TRAFFIC] if self._record.writes_per_second > 0 else []
        # one after the other: a failure then names the service that people wait for most
        for name in (OLD_WORLD[1], DASHBOARD, *extra):
            await self._start([name])
        return f"apps-workspace on port {self._world.ports.api_old}"

    async def _finish_target(self) -> str:
        """The compute's cluster is whole since its directory has its name; it stays stopped."""
        taken = [port for port in self._new_ports() if not await asyncio.to_thread(port_room.is_free, port)]
        if taken:
            raise InputError(
                "ports of the new stack were taken while the world was built: "
                + "; ".join(f"{port} by {port_room.holder(port)}" for port in taken),
                where=str(self._world.directory),
                remedy="stop the holder, or remove this directory and build the world with --port-offset",
            )
        return "workspace-db-compute is empty; the new stack is not started"

    def _new_ports(self) -> list[int]:
        ports = self._world.ports
        storage = (ports.pageserver_pg, ports.pageserver_http, ports.safekeeper_pg, ports.safekeeper_http)
        return [ports.api_new, ports.target, *storage]

    async def _await_old_world(self) -> None:
        """A new supervisor brings back what should run; wait for it, and leave alone what was stopped."""
        stack = LocalStack(self._world.directory)
        try:
            states = {reading.name: reading.state for reading in await stack.readings()}
            wanted = [name for name in OLD_WORLD if states.get(name) != "exited"]
            await stack.start(wanted, lambda _: None)
        finally:
            await stack.close()

    async def _extend_chunks(self) -> None:
        if self._record.chunks_until >= _month():
            return
        try:
            async with self._session() as conn:
                await schema.ensure_chunks(conn)
        except (WsdashError, asyncpg.PostgresError) as error:
            self._tell("supervisor", len(STAGES) - 1, f"no chunks for new months yet: {error}")
            return
        self._record.chunks_until = _month()
        await asyncio.to_thread(write_record, self._world.directory, self._record)

    async def _start(self, names: list[str]) -> None:
        stack = LocalStack(self._world.directory)
        try:
            await stack.start(names, lambda _: None)
        finally:
            await stack.close()

    def _session(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return connection(
            Endpoint(
                label=OLD_WORLD[0],
                host=HOST,
                port=self._world.ports.source,
                database=SOURCE_DATABASE,
                user=SOURCE_USER,
                password_file=str(self._world.source_password),
                sslmode="disable",
            ),
            read_only=False,
            settings={"maintenance_work_mem": "256MB"},
        )

    async def _note(self, stage: str) -> None:
        if stage not in self._record.done:
            self._record.done.append(stage)
        await asyncio.to_thread(write_record, self._world.directory, self._record)

    def _rows_loaded(self, rows: int) -> None:
        now = time.monotonic()
        if now - self._reported >= BUILD_REPORT_SECONDS:
            self._reported = now
            self._tell("items", STAGES.index("items"), f"{rows:,} of {self._record.items:,}")

    def _tell(self, stage: str, done: int, detail: str) -> None:
        self._progress(SetupProgress(stage, done, len(STAGES), detail))


def _month() -> str:
    return f"{datetime.now(UTC):%Y-%m}"


def _check_options(directory: Path, record: Record, options: WorldOptions) -> None:
    if (options.items or 0) < 0 or (options.writes_per_second or 0) < 0:
        raise InputError(
            "the number of items and of writes per second cannot be negative",
            where="--items, --writes-per-second",
            remedy="use 0 or more",
        )
    other = any(getattr(record, name) != value for name, value in options.asked.items())
    moved = options.port_offset is not None and record.done and options.port_offset != record.offset
    if other or moved:
        raise InputError(
            f"the embedded world here has {record.items:,} items, seed {record.seed}, "
            f"{record.writes_per_second:g} writes per second, API {record.api}, moves "
            f"{'online' if record.online else 'offline'} and has port offset {record.offset}",
            where=str(directory),
            remedy="leave these options out, or use another --state directory",
        )
