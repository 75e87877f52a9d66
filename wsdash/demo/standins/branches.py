"""Branches of the embedded world: each is a real database beside the compute's own, made by a dump.

A real pageserver makes a branch of its pages and a second compute opens it. The stand-in has no pages, so it
copies the compute's database as it is at the time of the call (the LSN is checked, not honoured), and names
the copy after the timeline. Its `neon.timeline_id` is the branch's, as on a compute that was opened on it.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.sql import ident, literal
from wsdash.demo.limits import BRANCH_COPY_SECONDS, BRANCH_SQL_SECONDS
from wsdash.demo.world import postgres
from wsdash.demo.world.postgres import TARGET_ADMIN, TARGET_DATABASE, TARGET_USER
from wsdash.errors import WsdashError
from wsdash.subprocesses import ProgramError, run_program

VERSION = 18


def branch_database(timeline: str) -> str:
    """The database that represents a branch."""
    return f"branch_{timeline}"


@dataclass(frozen=True)
class BranchDatabases:
    """The compute whose database is copied. Raises web.HTTPServiceUnavailable when it does not answer."""

    host: str
    port: int
    password_file: Path

    async def make(self, timeline: str) -> int:
        """A database with what the compute's has now; its size in bytes. What stood there is replaced."""
        name = branch_database(timeline)
        await self.drop(timeline)
        await self._execute(f"CREATE DATABASE {ident(name)} OWNER {ident(TARGET_USER)} TEMPLATE template0")
        await self._copy(name)
        return await self._label(name, timeline)

    async def drop(self, timeline: str) -> None:
        """Remove a branch's database; none there is fine."""
        await self._execute(f"DROP DATABASE IF EXISTS {ident(branch_database(timeline))} WITH (FORCE)")

    async def _copy(self, name: str) -> None:
        programs = postgres.programs(VERSION)
        address = f"-h {self.host} -p {self.port} -U {TARGET_ADMIN}"
        pipe = (
            f"set -o pipefail; '{programs}/pg_dump' {address} -Fc -Z0 {TARGET_DATABASE} | "
            f"'{programs}/pg_restore' {address} --exit-on-error -d {name}"
        )
        password = await asyncio.to_thread(self.password_file.read_text, encoding="utf-8")
        environment = os.environ | {"PGPASSWORD": password.strip()}
        try:
            done = await run_program(["bash", "-c", pipe], seconds=BRANCH_COPY_SECONDS, env=environment)
        except ProgramError as error:
            raise web.HTTPInternalServerError(reason=f"the stand-in's copy: {error}") from None
        if done.code != 0:
            line = done.stderr.decode(errors="replace").strip().splitlines()
            raise web.HTTPInternalServerError(reason=f"copy failed: {line[-1] if line else 'no word'}")

    async def _label(self, name: str, timeline: str) -> int:
        await self._execute(f"ALTER DATABASE {ident(name)} SET neon.timeline_id = {literal(timeline)}")
        async with connection(self._admin(), read_only=True) as conn:
            return int(await conn.fetchval("SELECT pg_database_size($1)", name, timeout=BRANCH_SQL_SECONDS))

    async def _execute(self, sql: str) -> None:
        try:
            async with connection(self._admin(), read_only=False) as conn:
                await conn.execute(sql, timeout=BRANCH_SQL_SECONDS)
        except WsdashError as error:
            raise web.HTTPServiceUnavailable(reason=f"no compute to branch off: {error.what}") from error

    def _admin(self) -> Endpoint:
        return Endpoint(
            label="workspace-db-compute",
            host=self.host,
            port=self.port,
            database="postgres",
            user=TARGET_ADMIN,
            password_file=str(self.password_file),
            sslmode="disable",
        )
