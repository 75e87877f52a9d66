"""Real PostgreSQL servers for tests: started on a free port, with one fresh database a test."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from wsdash.data.pg.connect import Endpoint, open_connection
from wsdash.demo.world import postgres

SUPERUSER = "postgres"
PASSWORD = "test-secret-7d1f"
PASSWORD_ENV = "WSDASH_TEST_PASSWORD"


def free_port() -> int:
    """A TCP port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A running PostgreSQL of one major version."""

    version: int
    data: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    binaries: Path | None = None
    """Where its programs are; None: in the wheel."""
    host: str = "127.0.0.1"
    user: str = SUPERUSER
    password_env: str = PASSWORD_ENV

    def start(self) -> None:
        """Start and wait until it accepts connections (at most 30 s)."""
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        self.process = subprocess.Popen(
            postgres.server_argv(self.version, self.data, self.binaries), stdout=log, stderr=log, cwd="/"
        )
        deadline = time.monotonic() + 120
        ready = [
            str(postgres.programs(18) / "pg_isready"),
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        while subprocess.run(ready, check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL {self.version} did not start; see {log.name}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Fast shutdown by default; SIGQUIT for an immediate one."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def endpoint(self, database: str = "postgres") -> Endpoint:
        """Its address, as the superuser."""
        label = f"pg{self.version}"
        return Endpoint(label, self.host, self.port, database, self.user, password_env=self.password_env)

    async def execute(self, sql: str, database: str = "postgres") -> None:
        """Run SQL as the superuser."""
        conn = await open_connection(self.endpoint(database), read_only=False)
        try:
            await conn.execute(sql)
        finally:
            await conn.close()

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """An open session as the superuser; the caller closes it."""
        return await open_connection(self.endpoint(database), read_only=False)

    async def fresh_database(self) -> Endpoint:
        """A new, empty database of its own."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        await self.execute(f'create database "{name}" template template0')
        return replace(self.endpoint(), database=name)

    async def drop_database(self, name: str) -> None:
        """Drop it, whoever is connected."""
        await self.execute(f'drop database if exists "{name}" with (force)')


@contextmanager
def running_server(
    version: int, directory: Path, binaries: Path | None = None, *, settings: str = ""
) -> Iterator[Server]:
    """A server for the length of a block, in `directory`; settings: further lines of its configuration."""
    port = free_port()
    data = directory / f"pg{version}"
    postgres.make_cluster(version, data, superuser=SUPERUSER, password=PASSWORD, port=port, binaries=binaries)
    with (data / "postgresql.auto.conf").open("a") as conf:
        conf.write("fsync = off\nsynchronous_commit = off\n" + settings)
    server = Server(version, data, port, binaries=binaries)
    server.start()
    try:
        yield server
    finally:
        server.stop()
