"""A world without Docker: a notes service of plain processes, which wsdash starts and stops by commands."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from tests.support.program import Program
from tests.support.servers import PASSWORD, free_port
from wsdash.config import shipped
from wsdash.data.pg.connect import Endpoint

SHAPE = {
    "path": "/notes",
    "health_path": "",
    "categories_path": "",
    "table": "note",
    "update_method": "PATCH",
    "body": {"text": "{marker}"},
    "update": {"text": "{marker} again"},
    "statuses": [],
}
RELAY = "notes-relay"


def dsn(place: Endpoint) -> str:
    """How a service reaches its database."""
    return f"postgresql://{place.user}:{PASSWORD}@{place.host}:{place.port}/{place.database}"


def sql(place: Endpoint, sql: str) -> Any:
    """Run one statement; the first value of a SELECT."""

    async def run() -> Any:
        conn = await asyncpg.connect(dsn(place))
        try:
            return await conn.fetchval(sql) if sql.startswith("SELECT") else await conn.execute(sql)
        finally:
            await conn.close()

    return asyncio.run(run())


class Notes:
    """The old and the new service as processes that commands start and stop, and wsdash's configuration."""

    def __init__(self, directory: Path, source: Endpoint, target: Endpoint) -> None:
        self.directory, self.source, self.target = directory, source, target
        self.ports = {"old": free_port(), "new": free_port()}
        self.columns = {"old": "text", "new": "text"}
        """Of a note's text, by generation."""
        self.program = Program(directory / "state")
        self.config = directory / "config"
        self.config.mkdir()
        for name in ("plan.yaml", "testing.yaml"):
            (self.config / name).write_bytes(shipped("config", name).read_bytes())
        self.configure()

    def base(self, generation: str) -> str:
        """A generation's address."""
        return f"http://127.0.0.1:{self.ports[generation]}"

    def service(self, name: str) -> dict[str, Any]:
        """The commands of a generation's service, or of the relay that takes the old one's address."""
        if name == "relay":
            where = ["--listen", f"127.0.0.1:{self.ports['old']}", "--to", self.base("new")]
            return self._commands(name, self.ports["old"], ["-m", "wsdash", "relay", *where], {})
        place = self.source if name == "old" else self.target
        variables = {"NOTES_DSN": dsn(place), "NOTES_COLUMN": self.columns[name]}
        serve = ["-m", "tests.support.notes_service", str(self.ports[name])]
        return self._commands(name, self.ports[name], serve, variables)

    def _commands(self, name: str, port: int, python: list[str], variables: dict[str, str]) -> dict[str, Any]:
        """Start, stop and status as an init script has them: 3 for stopped."""
        pid = shlex.quote(str(self.directory / f"{name}.pid"))
        run = shlex.join(
            ["env", *(f"{one}={text}" for one, text in variables.items()), sys.executable, *python]
        )
        return {
            "start": ["bash", "-c", f"setsid {run} >/dev/null 2>&1 & echo $! > {pid}"],
            "stop": ["bash", "-c", f"kill $(cat {pid})"],
            "status": ["bash", "-c", f"kill -0 $(cat {pid}) 2>/dev/null || exit 3"],
            "health": f"tcp://127.0.0.1:{port}",
            "ports": [port],
        }

    def configure(self, **api: Any) -> None:
        """Write the configuration; api: its keys of that name beside the addresses."""
        side = {
            "user": "postgres",
            "password_env": "WSDASH_TEST_PASSWORD",
            "schema": "notes",
            "host": "127.0.0.1",
        }
        settings: dict[str, Any] = {
            "world": "notes",
            "stack": {
                "engine": "external",
                "apps": {"file": "", "old_service": "notes-old", "containers": ["notes-old"]},
                "workspace": {"file": "", "containers": ["notes-api"]},
                "external": {
                    "notes-old": self.service("old"),
                    "notes-api": self.service("new"),
                },
            },
            "source": side | {"label": "old", "port": self.source.port, "database": self.source.database},
            "target": side | {"label": "new", "port": self.target.port, "database": self.target.database},
            "api": {"old": self.base("old"), "new": self.base("new")} | api,
            "ports": [self.ports["new"]],
            "paths": {"backups": str(self.directory / "backups")},
            "thresholds": {"get_seconds": 10, "post_seconds": 10},
        }
        (self.config / "wsdash.yaml").write_text(yaml.safe_dump(settings))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of wsdash on this world."""
        return self.program.run(*words, "--config", str(self.config))

    def serves(self, generation: str) -> bool:
        """Whether a generation's address answers with notes."""
        try:
            with urllib.request.urlopen(self.base(generation) + "/notes", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def command(self, name: str, what: str) -> None:
        """Run one of a service's commands by hand."""
        command = self.service(name)[what]
        subprocess.run(command, check=False, cwd=Path(__file__).parents[2], timeout=20)
