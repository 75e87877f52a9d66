"""A world without Docker, and without the workspace's tables: a notes service of plain processes moves.

Its API has another shape than the workspace's. Unconfigured, the API's tests fail with its own words, and
every stop half-way has its way back; configured, the whole plan runs.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from tests.support.notes_service import SCHEMA
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


def _dsn(place: Endpoint) -> str:
    return f"postgresql://{place.user}:{PASSWORD}@{place.host}:{place.port}/{place.database}"


def _sql(place: Endpoint, sql: str) -> Any:
    async def run() -> Any:
        conn = await asyncpg.connect(_dsn(place))
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
        self.program = Program(directory / "state")
        self.config = directory / "config"
        self.config.mkdir()
        for name in ("plan.yaml", "testing.yaml"):
            (self.config / name).write_bytes(shipped("config", name).read_bytes())
        self.configure()

    def base(self, generation: str) -> str:
        return f"http://127.0.0.1:{self.ports[generation]}"

    def service(self, generation: str, place: Endpoint) -> dict[str, Any]:
        """Start, stop and status as an init script has them: 3 for stopped."""
        pid = shlex.quote(str(self.directory / f"{generation}.pid"))
        serve = f"{shlex.quote(sys.executable)} -m tests.support.notes_service {self.ports[generation]}"
        start = f"NOTES_DSN={shlex.quote(_dsn(place))} setsid {serve} >/dev/null 2>&1 & echo $! > {pid}"
        return {
            "start": ["bash", "-c", start],
            "stop": ["bash", "-c", f"kill $(cat {pid})"],
            "status": ["bash", "-c", f"kill -0 $(cat {pid}) 2>/dev/null || exit 3"],
            "health": f"tcp://127.0.0.1:{self.ports[generation]}",
            "ports": [self.ports[generation]],
        }

    def configure(self, **api: Any) -> None:
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
                    "notes-old": self.service("old", self.source),
                    "notes-api": self.service("new", self.target),
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

    def run(self, *words: str) -> Any:
        return self.program.run(*words, "--config", str(self.config))

    def serves(self, generation: str) -> bool:
        try:
            with urllib.request.urlopen(self.base(generation) + "/notes", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def command(self, generation: str, what: str) -> None:
        import subprocess

        service = self.service(generation, self.source if generation == "old" else self.target)
        subprocess.run(service[what], check=False, cwd=Path(__file__).parents[2], timeout=20)


@pytest.fixture
def notes(tmp_path: Path, source: Endpoint, target: Endpoint) -> Iterator[Notes]:
    made = Notes(tmp_path, source, target)
    _sql(source, SCHEMA)
    made.command("old", "start")
    yield made
    for generation in ("old", "new"):
        made.command(generation, "stop")


def test_a_notes_service_of_plain_processes_moves_and_comes_back(notes: Notes) -> None:
    failed = notes.run("migrate", "--yes")
    assert failed.returncode == 1
    assert "✗ test-api" in failed.stdout
    assert "GET /api/items answered 404: an HTML page" in failed.stdout
    assert not notes.serves("old")
    back = notes.run("rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert notes.serves("old")
    assert not notes.serves("new")

    notes.configure(**SHAPE)
    without_metrics = ("--who", "Ana", "--why", "it has no metrics page")
    assert notes.run("skip", "update-dashboards", *without_metrics).returncode == 0
    done = notes.run("migrate", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not notes.serves("old")
    assert notes.serves("new")
    assert _sql(notes.target, "SELECT count(*) FROM notes.note") == 25
    assert _sql(notes.target, "SELECT count(*) FROM notes.history") == 25
    again = notes.run("rollback", "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "serves 25 items" in again.stdout


def test_a_service_that_a_person_stops_is_waited_for_and_seen(notes: Notes) -> None:
    settings = yaml.safe_load((notes.config / "wsdash.yaml").read_text())
    old = settings["stack"]["external"]["notes-old"]
    settings["stack"]["external"]["notes-old"] = {"health": old["health"]}
    (notes.config / "wsdash.yaml").write_text(yaml.safe_dump(settings))
    asked = notes.run("migrate", "--yes", "--until", "stop-old")
    assert asked.returncode == 1
    assert "notes-old has no stop command: a person stops it" in asked.stdout
    assert "by hand, then run the same command again" in asked.stdout
    notes.command("old", "stop")
    done = notes.run("migrate", "--yes", "--until", "stop-old")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answered before it was to be stopped, and refuses now" in done.stdout
    refused = notes.run("rollback", "--yes")
    assert refused.returncode == 1
    assert "start notes-old by hand" in refused.stdout
    notes.command("old", "start")
    assert notes.run("rollback", "--yes").returncode == 0


def test_what_too_little_was_seen_of_a_person_may_vouch_for(notes: Notes) -> None:
    settings = yaml.safe_load((notes.config / "wsdash.yaml").read_text())
    settings["stack"]["external"]["notes-old"] = {"health": f"tcp://127.0.0.1:{notes.ports['old']}"}
    (notes.config / "wsdash.yaml").write_text(yaml.safe_dump(settings))
    notes.command("old", "stop")
    before = notes.run("migrate", "--yes", "--until", "stop-old")
    assert before.returncode == 1
    assert "? stop-old" in before.stdout
    assert notes.run("confirm", "stop-old", "--who", "Ana").returncode == 2  # vouching wants a note
    note = ("--note", "it is stopped and disabled on its host")
    assert notes.run("confirm", "stop-old", "--who", "Ana", *note).returncode == 0
    done = notes.run("migrate", "--yes", "--until", "migrate-data")
    assert done.returncode == 0, done.stdout + done.stderr
    notes.command("old", "start")
    again = notes.run("migrate", "--yes", "--until", "verify-data")
    assert again.returncode == 1
    assert "stop-old no longer holds" in again.stdout
