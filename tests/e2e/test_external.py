"""A world without Docker, and without the workspace's tables: a notes service of plain processes moves.

Its API has another shape than the workspace's. Unconfigured, the API's tests fail with its own words, and
every stop half-way has its way back; configured, the whole plan runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.notes_service import SCHEMA
from tests.support.notes_world import SHAPE, Notes, sql
from wsdash.data.pg.connect import Endpoint


@pytest.fixture
def notes(tmp_path: Path, source: Endpoint, target: Endpoint) -> Iterator[Notes]:
    made = Notes(tmp_path, source, target)
    sql(source, SCHEMA)
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
    assert sql(notes.target, "SELECT count(*) FROM notes.note") == 25
    assert sql(notes.target, "SELECT count(*) FROM notes.history") == 25
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
