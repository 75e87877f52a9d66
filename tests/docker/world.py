"""The guide's containers on the tests' engine, and wsdash at work on them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.docker.engine import Engine
from tests.support.program import Program
from wsdash.config import Settings, load_settings, read_yaml, shipped
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world import schema
from wsdash.demo.world.schema import load_items
from wsdash.stack.compose import compose_command
from wsdash.steps.base import endpoint

TREE = Path(__file__).resolve().parents[2]
APPS = (TREE / "compose/docker-compose.apps.yml", TREE / "tests/docker/override.apps.yml")
WORKSPACE = (
    TREE / "compose/docker-compose.workspace-stack.yml",
    TREE / "tests/docker/override.workspace.yml",
)
SECRETS = {"WSDASH_SOURCE_PASSWORD": "source-secret-91c4", "WSDASH_TARGET_PASSWORD": "target-secret-3fa8"}
ITEMS = 2_000
STACK = ("workspace-db-pageserver", "workspace-db-safekeeper", "workspace-db-compute", "workspace-api")
_PSQL = (
    *("workspace-db-compute", "psql", "-X", "-q", "-At", "-h", "localhost", "-p", "55432"),
    *("-U", "cloud_admin", "-d"),
)
_HELD = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = 'workspace'"
CONTENT = "select md5(string_agg(t::text, '' order by t::text)) from workspace.workspace_items t"


@dataclass
class InEngine(Program):
    """`wsdash` in the engine's network namespace."""

    engine: Engine | None = None

    def argv(self, *words: str) -> list[str]:
        """The full command line, inside the namespace."""
        assert self.engine is not None
        return [*self.engine.inside(), *super().argv(*words)]


@dataclass
class DockerWorld:
    """The old world's containers, up; the new stack is made by wsdash. One a session."""

    engine: Engine
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment |= self.engine.environment | SECRETS
        self.environment["WSDASH_TEST_TREE"] = str(TREE)
        self.environment["WSDASH_TEST_SITE"] = sysconfig.get_path("purelib")

    @property
    def config(self) -> Path:
        """The configuration directory: the shipped files, pointed at our compose files."""
        return self.directory / "config"

    @property
    def settings(self) -> Settings:
        """The configuration, typed."""
        return load_settings(self.config)

    def write_config(self) -> None:
        """Write the configuration directory."""
        self.config.mkdir()
        settings = read_yaml(shipped("config", "wsdash.yaml"))
        for group, (file, override) in (("apps", APPS), ("workspace", WORKSPACE)):
            settings["stack"][group] |= {"file": str(file), "overrides": [str(override)]}
        settings["mode"] = "offline"
        # how fast the API is on a busy machine is not what these tests ask
        settings["thresholds"] |= {"get_seconds": 10, "post_seconds": 10}
        settings["paths"] |= {"adr": str(shipped("config", "plan.yaml"))}
        (self.config / "wsdash.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        (self.config / "plan.yaml").write_bytes(shipped("config", "plan.yaml").read_bytes())

    def program(self, directory: Path) -> InEngine:
        """wsdash with a state directory and a backup directory of its own."""
        environment = self.environment | {"WSDASH__PATHS__BACKUPS": str(directory / "backups")}
        return InEngine(directory / "state", environment=environment, engine=self.engine)

    def compose(self, files: tuple[Path, ...], *words: str, check: bool = True) -> str:
        """Run the compose command; what it printed."""
        command = asyncio.run(compose_command())
        argv = [*command, *(word for file in files for word in ("-f", str(file))), *words]
        done = subprocess.run(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            env=os.environ | self.environment,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{argv}: {done.stdout}")
        return done.stdout

    def start_old_world(self) -> None:
        """The source with its rows, and the old service on it."""
        self.compose(APPS, "up", "-d", "data-timescale")
        self.wait_healthy("data-timescale")
        self.on(endpoint_of(self, "source"), _load)
        self.compose(APPS, "up", "-d")
        self.wait_healthy("apps-workspace")

    def renew_source(self) -> None:
        """The source's first rows again, after users wrote to it, and nothing of wsdash in it."""
        self.engine.docker("stop", "-t", "2", "apps-workspace")
        self.source("drop schema if exists wsdash cascade")
        self.source("drop schema if exists workspace, _timescaledb_internal cascade")
        self.on(endpoint_of(self, "source"), _load)
        self.compose(APPS, "up", "-d")
        self.wait_healthy("apps-workspace")

    def reset(self) -> None:
        """Nothing of the new stack, and the old service serving: where a migration begins."""
        self.compose(WORKSPACE, "down", "-v", "-t", "1")
        self.engine.docker("start", "data-timescale", "apps-workspace")
        self.wait_healthy("data-timescale")
        self.wait_healthy("apps-workspace")

    def empty_stack(self) -> None:
        """The new stack up with an empty database: quicker than to make it anew.

        The API is not healthy before its tables are there: that it runs is all that can be waited for.
        """
        *storage, api = STACK
        well = all(self.state(name) == ("running", "healthy") for name in storage)
        if not well or self.state(api)[0] != "running":
            self.reset()
            self.compose(WORKSPACE, "up", "-d")
            for name in storage:
                self.wait_healthy(name)
        self.engine.docker("start", "data-timescale")
        self.wait_healthy("data-timescale")
        self.engine.docker("stop", "-t", "2", "apps-workspace")
        self.admin("drop database if exists workspace with (force)")
        self.admin("create database workspace owner workspace")

    def admin(self, sql: str, database: str = "postgres") -> str:
        """Run SQL in the compute's container as its superuser; what psql printed."""
        return self.engine.docker("exec", *_PSQL, database, "-c", sql).stdout.strip()

    def hold_items(self) -> None:
        """Make the copy wait at the items: a session in the compute holds a lock that no writer passes."""
        sql = "begin; lock table workspace.workspace_items in exclusive mode; select pg_sleep(600)"
        self.engine.docker("exec", "-d", *_PSQL, "workspace", "-c", sql)
        self.wait_for(lambda: self.admin(_HELD) == "1", "the items are held")

    def wait_until_copy_waits(self) -> None:
        """Return when the copy stands before the held items, other tables' rows being over."""
        self.wait_for(lambda: int(self.admin(_WAITING)) > 0, "the copy waits for the items")

    def let_go(self) -> None:
        """End the session that holds the items."""
        self.admin(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)'"
            " and pid <> pg_backend_pid()"
        )

    def wait_healthy(self, name: str, timeout: float = 180) -> None:
        """Return when the container is healthy."""
        self.wait_for(lambda: self.state(name) == ("running", "healthy"), f"{name} healthy", timeout)

    def wait_for(self, holds: Callable[[], bool], what: str, timeout: float = 180) -> None:
        """Return when it holds."""
        deadline = time.monotonic() + timeout
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout:.0f} s: {what}")
            time.sleep(0.1)

    def state(self, name: str) -> tuple[str, str]:
        """(state, health) as the engine says; ('missing', '') when there is none."""
        found = self.engine.docker("inspect", name, check=False)
        if found.returncode != 0:
            return "missing", ""
        state = json.loads(found.stdout)[0]["State"]
        return state["Status"], (state.get("Health") or {}).get("Status", "")

    def on(self, side: Endpoint, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do something in a session on one side's database."""

        async def go() -> Any:
            async with connection(side, read_only=False) as session:
                return await work(session)

        return self.engine.call(lambda: asyncio.run(go()))

    def source(self, sql: str) -> Any:
        """Run SQL on the source; the first value."""
        return self.on(endpoint_of(self, "source"), lambda session: session.fetchval(sql))

    def target(self, sql: str) -> Any:
        """Run SQL on the target; the first value."""
        return self.on(endpoint_of(self, "target"), lambda session: session.fetchval(sql))

    def get(self, url: str) -> tuple[int, Any]:
        """Status and JSON body of a GET; (0, None) when nobody answers."""

        def ask() -> tuple[int, Any]:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return answer.status, json.loads(answer.read())
            except urllib.error.HTTPError as error:
                return error.code, None
            except OSError:
                return 0, None

        return self.engine.call(ask)


def endpoint_of(world: DockerWorld, side: str) -> Endpoint:
    """Where one side's database is."""
    os.environ.update(SECRETS)
    return endpoint(getattr(world.settings, side))


async def _load(session: Any) -> None:
    async with session.transaction():
        await session.execute(schema.before_rows())
        await load_items(session, ITEMS, 1, lambda rows: None)
        await session.execute(schema.after_rows())
