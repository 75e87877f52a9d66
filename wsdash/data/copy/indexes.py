"""What follows the rows: indexes and keys, several at a time; then foreign keys and all the rest in order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import asyncpg

from wsdash.data.copy.load import Reporter
from wsdash.data.limits import STATEMENT_TIMEOUT
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transfer import server_words
from wsdash.data.pg.workers import Schedule
from wsdash.data.schema.apply import run_statement, run_together
from wsdash.data.schema.ddl import INDEXES, KEYS, Statement
from wsdash.data.tables.shape import Table
from wsdash.errors import WsdashError
from wsdash.tasks import task_group

FINISHING = 100.0
"""What a table's constraints and ANALYZE count for beside builds: they go before any other table's."""
PARALLEL_BUILDERS = 2
"""Processes that one index build may use beside its own, once no other build waits for a session: before that
they only take the processors from the others, and cost a fifth more of them."""

_KEY = re.compile(
    r"ALTER TABLE (?P<table>.+?) ADD CONSTRAINT (?P<name>\"(?:[^\"]|\"\")+\") (?P<kind>PRIMARY KEY|UNIQUE)"
    r"(?P<nulls> NULLS NOT DISTINCT)? (?P<columns>\([^()]*\)(?: INCLUDE \([^()]*\))?)"
    r"(?P<options> WITH \([^()]*\))?(?P<when>(?: DEFERRABLE| INITIALLY DEFERRED)*)",
    re.DOTALL,
)
_LONG = ("index", "constraint", "materialized view")
_METHOD = re.compile(r" USING (gin|gist|spgist|brin|hash|btree) \((?P<keys>.*)", re.DOTALL)
_COST = {"gin": 4.0, "gist": 6.0, "spgist": 5.0, "btree": 1.0, "hash": 2.0, "brin": 0.2}
"""Of a key's build, in builds of a b-tree on one column; measured on 500 000 items (benchmarks/README.md)."""


@dataclass(frozen=True)
class Key:
    """A primary key or unique constraint in two commands: the slow build, and the quick attachment.

    The build leaves an index of that name alone: an earlier call may have ended between the two.
    """

    build: str
    attach: str


_MEMORY = re.compile(r"(\d+)\s*(B|kB|MB|GB|TB|)")
_UNITS = {"B": 1, "": 2**10, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_LEAST_MEMORY = 16 * 2**20


def build_settings(maintenance_work_mem: str) -> dict[str, str]:
    """The settings of a session that builds indexes."""
    return {
        "maintenance_work_mem": maintenance_work_mem,
        "max_parallel_maintenance_workers": "0",
    }


def builders_on(target: Endpoint, sessions: int) -> int:
    """How many builds at once: each keeps a processor busy, and of this machine we know how many it has."""
    if target.host not in ("localhost", "127.0.0.1", "::1") and not target.host.startswith("/"):
        return sessions
    return min(sessions, max(2, len(os.sched_getaffinity(0))))


def within_limit(wanted: str, limit: int, builders: int) -> str:
    """maintenance_work_mem for each of `builders`, so that together they take at most half of `limit` bytes.

    The other half is the server's: shared_buffers, sessions, the page cache. A container that reaches its
    limit has a backend killed, which ends every session (on Neon the whole compute). wanted: as PostgreSQL
    writes it (256MB; a bare number is kB); it is kept where it fits, and where it cannot be read.
    """
    asked = memory_bytes(wanted)
    if asked is None:
        return wanted
    each = max(_LEAST_MEMORY, limit // 2 // max(1, builders))
    return wanted if asked <= each else f"{each >> 20}MB"


def memory_bytes(value: str) -> int | None:
    """Bytes of a memory setting as PostgreSQL writes it; None for anything else."""
    match = _MEMORY.fullmatch(value.strip())
    return None if match is None else int(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True)
class Builder:
    """Makes in the target what follows the rows. sessions: of the target, with build_settings."""

    target: Endpoint
    tables: Sequence[Table]
    sessions: Sequence[asyncpg.Connection]
    reporter: Reporter

    async def build(self, missing: Sequence[Statement]) -> list[str]:
        """Run the statements, whose objects are not there, and ANALYZE every table; returns the names made.

        A table's indexes and keys are built at once, the longest first; then its other constraints; then, in
        their order, the statements that concern several tables. Raises WsdashError with the server's words.
        """
        known = {table.qualified for table in self.tables}
        own: dict[str, list[Statement]] = {name: [] for name in known}
        late: list[Statement] = []
        for one in missing:
            early = one.stage in (KEYS, INDEXES) and one.table in known
            (own[one.table] if early else late).append(one)
        schedule: Schedule[asyncpg.Connection] = Schedule()
        for table in self.tables:
            self._add(schedule, table, own[table.qualified])
        async with task_group() as group:
            for session in self.sessions[: min(len(schedule), builders_on(self.target, len(self.sessions)))]:
                group.create_task(schedule.work(session))
        await self._run_late(self.sessions[0], late)
        return [one.name for one in missing]

    async def _run_late(self, conn: asyncpg.Connection, late: Sequence[Statement]) -> None:
        for long, group in groupby(late, key=lambda one: one.kind in _LONG):
            if long:
                for one in group:
                    await self._run(conn, one)
            else:
                with self._where():
                    await run_together(conn, list(group))

    def _add(self, schedule: Schedule[asyncpg.Connection], table: Table, own: list[Statement]) -> None:
        keys = {one: key for one in own if one.kind == "constraint" and (key := split_key(one.sql))}
        builds: list[int] = []
        for one in own:
            if one in keys:
                run = partial(self._build_index, schedule, replace(one, sql=keys[one].build))
                builds.append(schedule.add(run, _rank(table, build_cost(keys[one].build))))
            elif one.kind == "index":
                run = partial(self._build_index, schedule, one)
                builds.append(schedule.add(run, _rank(table, build_cost(one.sql))))

        async def finish(conn: asyncpg.Connection) -> None:
            attach = [replace(one, sql=key.attach) for one, key in keys.items()]
            rest = [one for one in own if one not in keys and one.kind != "index"]
            alter = f"ALTER TABLE {ident(table.schema, table.name)} "
            together = [one for one in [*attach, *rest] if one.sql.startswith(alter + "ADD CONSTRAINT ")]
            if len(together) > 1:
                # one command reads the table once for all of its checks
                sql = alter + ", ".join(one.sql.removeprefix(alter) for one in together)
                names = ", ".join(one.name for one in together)
                with self._where():
                    await run_statement(conn, replace(together[0], name=names, sql=sql))
            else:
                together = []
            for one in [*attach, *rest]:
                if one not in together:
                    await self._run(conn, one, quiet=one in attach)
            with server_words(self.target, f"analyzing {table.qualified}"):
                await conn.execute(f"ANALYZE {ident(table.schema, table.name)}", timeout=STATEMENT_TIMEOUT)

        # as soon as it can: it keeps one processor busy, and smaller tables' builds the others
        schedule.add(finish, _rank(table, FINISHING), builds)

    @contextmanager
    def _where(self) -> Iterator[None]:
        try:
            yield
        except WsdashError as error:
            raise type(error)(error.what, where=self.target.address, remedy=error.remedy) from error

    async def _build_index(
        self, schedule: Schedule[asyncpg.Connection], statement: Statement, conn: asyncpg.Connection
    ) -> None:
        helpers = 0 if schedule.waiting else PARALLEL_BUILDERS
        sql = f"SET LOCAL max_parallel_maintenance_workers = {helpers};\n{statement.sql}"
        await self._run(conn, replace(statement, sql=sql))

    async def _run(self, conn: asyncpg.Connection, statement: Statement, *, quiet: bool = False) -> None:
        pid = conn.get_server_pid()
        quiet = quiet or statement.kind not in _LONG
        if not quiet:
            self.reporter.begin(statement.name, "indexing", None)
            self.reporter.works(pid, statement.name)
        with self._where():
            await run_statement(conn, statement)
        if not quiet:
            self.reporter.committed(pid, 0)
            self.reporter.finish(statement.name)


def split_key(sql: str) -> Key | None:
    """The two halves of an ADD CONSTRAINT ... PRIMARY KEY or UNIQUE; None for anything else."""
    found = _KEY.fullmatch(sql)
    if found is None or "WITHOUT OVERLAPS" in found["columns"]:
        return None
    table, name = found["table"], found["name"]
    build = (
        f"CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {table} USING btree {found['columns']}"
        f"{found['nulls'] or ''}{found['options'] or ''}"
    )
    attach = f"ALTER TABLE {table} ADD CONSTRAINT {name} {found['kind']} USING INDEX {name}{found['when']}"
    return Key(build, attach)


def build_cost(sql: str) -> float:
    """What a CREATE INDEX costs beside others on the same table: more with each key, less with a WHERE."""
    found = _METHOD.search(sql)
    if found is None:
        return 1.0
    keys, _, condition = found["keys"].partition(" WHERE ")
    expression = "(" in keys
    count = 1 if expression else keys.count(",") + 1
    return _COST[found[1]] * (count + (0.5 if expression else 0.0)) * (0.5 if condition else 1.0)


def _rank(table: Table, cost: float) -> tuple[float, ...]:
    return (-cost * max(table.bytes, 1),)
