"""A newcomer's one command: the whole migration on real servers, and its report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Program, read_json

AUTOMATIC = (
    "backup",
    "neon-image",
    "ports-free",
    "stop-old",
    "start-stack",
    "init-neon",
    "migrate-data",
    "verify-data",
    "test-api",
    "update-dashboards",
)


class Migrated:
    """One finished headless demo, shared by the tests of this module."""

    def __init__(self, directory: Path) -> None:
        directory.chmod(0o755)
        self.program = Program(directory / "state")
        self.file = directory / "report.json"
        self.done = self.program.demo("--report", str(self.file), items=500)

    @property
    def report(self) -> dict[str, Any]:
        return read_json(self.file)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    run = Migrated(tmp_path_factory.mktemp("newcomer"))
    yield run
    run.program.sweep()


pytestmark = pytest.mark.xdist_group("newcomer")


def test_it_exits_0(migrated: Migrated) -> None:
    assert migrated.done.returncode == 0, migrated.done.stdout + migrated.done.stderr


def test_every_automatic_item_is_done_with_evidence(migrated: Migrated) -> None:
    items = {item["id"]: item for item in migrated.report["items"]}
    assert {items[name]["state"] for name in AUTOMATIC} == {"done"}
    assert all(items[name]["evidence"] for name in AUTOMATIC)


def test_the_outcome_is_migrated(migrated: Migrated) -> None:
    assert migrated.report["outcome"] == "migrated"


def test_every_table_matches_by_count_and_checksum(migrated: Migrated) -> None:
    tables = {table["name"]: table for table in migrated.report["tables"]}
    assert tables.keys() == {
        "workspace.workspace_items",
        "workspace.workspace_categories",
        "workspace.workspace_audit_log",
        "workspace.schema_version",
    }
    for table in tables.values():
        assert table["match"]
        assert table["source_rows"] == table["target_rows"]
        assert table["source_checksum"] == table["target_checksum"]
    assert tables["workspace.workspace_items"]["source_rows"] == 500
    assert tables["workspace.workspace_categories"]["source_rows"] == 6
    assert tables["workspace.workspace_audit_log"]["source_rows"] >= 500


def test_the_backup_was_restored_and_compared(migrated: Migrated) -> None:
    backup = migrated.report["backup"]
    assert backup["restore_proven"]
    assert backup["rows"]["workspace.workspace_items"] == 500
    assert len(backup["sha256"]) == 64


def test_the_backup_outlives_the_world(migrated: Migrated) -> None:
    backup = migrated.report["backup"]
    assert Path(backup["path"]).stat().st_size == backup["bytes"]


def test_the_write_downtime_was_measured(migrated: Migrated) -> None:
    assert migrated.report["write_downtime_seconds"] > 0


def test_a_line_per_item_with_its_evidence_is_printed(migrated: Migrated) -> None:
    for name in AUTOMATIC:
        lines = [line for line in migrated.done.stdout.splitlines() if line.startswith(f"✓ {name} ")]
        assert len(lines) == 1


def test_no_process_is_left(migrated: Migrated) -> None:
    assert migrated.program.world_processes() == []


def test_no_secret_is_printed_or_reported(migrated: Migrated) -> None:
    secrets = [path.read_text().strip() for path in (migrated.program.state / "world").rglob("secrets/*")]
    assert secrets
    shown = migrated.done.stdout + migrated.done.stderr + migrated.file.read_text()
    journal = (migrated.program.state / "journal.db").read_bytes()
    for secret in secrets:
        assert secret not in shown
        assert secret.encode() not in journal
