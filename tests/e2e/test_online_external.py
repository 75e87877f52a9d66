"""A notes service of plain processes moves while it serves, into a schema of its own, and comes back.

Its new release calls a column by another name: the rows go through a mapping, there and back. One program
writes all the time, at the old address, where a relay answers after the switch.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.notes_service import SCHEMA
from tests.support.notes_world import RELAY, SHAPE, Notes, sql
from tests.support.program import read_json
from wsdash.data.pg.connect import Endpoint

KEYED = "ALTER TABLE notes.history ADD COLUMN id bigserial PRIMARY KEY"
RENAMED = (SCHEMA.split("INSERT INTO notes.label")[0] + KEYED + ";").replace(
    "id serial PRIMARY KEY, text text", "id serial PRIMARY KEY, body text"
)
MAPPING = "tables: {note: {columns: {body: text}}}\n"
ROWS = "SELECT json_object_agg(id, {}) FROM notes.note"


@dataclass
class Writer:
    """Creates and changes notes at one address until it is told to stop, and notes what was acknowledged."""

    address: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    """Notes of which an answer was lost: either text is right."""
    wrong: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Write, ten times a second."""
        number = 0
        while not self.ended.wait(0.1):
            number += 1
            made = self._ask("POST", "", f"made {number}")
            if made is None:
                continue
            key = str(made["id"])
            self.acknowledged[key] = made["text"]
            self.open.add(key)
            if self._ask("PATCH", f"/{key}", f"changed {number}") is not None:
                self.acknowledged[key] = f"changed {number}"
                self.open.discard(key)

    def _ask(self, method: str, path: str, text: str) -> dict[str, Any] | None:
        """The answer; None when it was lost, or the work ended first."""
        body = json.dumps({"text": text}).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.address}/notes{path}", body, headers, method=method)
        while not self.ended.is_set():
            try:
                with urllib.request.urlopen(asked, timeout=20) as answer:
                    found: dict[str, Any] = json.load(answer)
                    return found
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    self.wrong.append(f"{method} {path}: {error.code} {error.read()[:200]!r}")
                    return None
            except (urllib.error.URLError, OSError) as error:
                reason = getattr(error, "reason", error)
                if not isinstance(reason, ConnectionRefusedError):
                    return None
            time.sleep(0.05)
        return None


@pytest.fixture
def notes(tmp_path: Path, source: Endpoint, target: Endpoint) -> Iterator[Notes]:
    """The old service at work, and the configuration of its online move through a mapping."""
    made = Notes(tmp_path, source, target)
    made.columns["new"] = "body"
    made.configure(**SHAPE)
    (made.config / "target.sql").write_text(RENAMED)
    (made.config / "mapping.yaml").write_text(MAPPING)
    settings = yaml.safe_load((made.config / "wsdash.yaml").read_text())
    settings["stack"]["workspace"]["relay"] = RELAY
    settings["stack"]["external"][RELAY] = made.service("relay")
    settings["target"] |= {"schema_file": "target.sql", "mapping": "mapping.yaml"}
    # how fast a busy machine switches is not what is asked here
    settings["cutover"] = {"max_write_downtime_seconds": 30}
    (made.config / "wsdash.yaml").write_text(yaml.safe_dump(settings))
    sql(source, SCHEMA)
    sql(source, KEYED)
    made.command("old", "start")
    yield made
    for name in ("old", "new", "relay"):
        made.command(name, "stop")


@contextmanager
def writing(notes: Notes) -> Iterator[Writer]:
    """Somebody who writes at the old address for the length of a block, before it and after it."""
    writer = Writer(notes.base("old"))
    thread = threading.Thread(target=writer.work)
    thread.start()
    try:
        wait_until(lambda: len(writer.acknowledged) > 5)
        yield writer
        before = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > before + 5)
    finally:
        writer.ended.set()
        thread.join(30)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a minute at most."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def require_all(writer: Writer, place: Endpoint, column: str) -> None:
    """Each acknowledged note is there as it was acknowledged last."""
    rows = json.loads(sql(place, ROWS.format(column)))
    assert writer.wrong == []
    sure = {key: text for key, text in writer.acknowledged.items() if key not in writer.open}
    assert {key: rows.get(key) for key in sure} == sure
    assert writer.acknowledged.keys() <= rows.keys()


def test_it_moves_through_a_mapping_under_a_writer_and_comes_back(notes: Notes) -> None:
    without_metrics = ("--who", "Ana", "--why", "it has no metrics page")
    begun = notes.run("migrate", "--mode", "online", "--yes", "--until", "capture")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert notes.run("skip", "update-dashboards", *without_metrics).returncode == 0
    report = notes.directory / "report.json"
    with writing(notes) as there:
        done = notes.run("migrate", "--yes", "--report", str(report))
        assert done.returncode == 0, done.stdout + done.stderr
        assert notes.serves("old"), "the relay does not answer at the old address"
    moved = read_json(report)
    assert moved["outcome"] == "migrated"
    assert moved["write_downtime_seconds"] > 0
    require_all(there, notes.target, "body")
    assert sql(notes.source, "SELECT count(*) FROM notes.note") < sql(
        notes.target, "SELECT count(*) FROM notes.note"
    ), "nobody wrote after the switch"

    with writing(notes) as back:
        done = notes.run("rollback", "--yes", "--report", str(report))
        assert done.returncode == 0, done.stdout + done.stderr
    assert read_json(report)["outcome"] == "rolled_back"
    assert not notes.serves("new")
    require_all(there, notes.source, "text")
    require_all(back, notes.source, "text")
    traces = notes.run("finish", "--remove-traces", "--yes")
    assert traces.returncode == 0, traces.stdout + traces.stderr
    assert "exactly those of before" in traces.stdout
