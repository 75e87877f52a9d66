"""The guide's troubleshooting list: each line says what is so, and names the command that shows more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.steps.support import NoContainers
from wsdash.config import AlertSettings, NotifySettings, Settings, load_settings
from wsdash.engine.journal.writer import Journal
from wsdash.errors import UnreachableError
from wsdash.model import ContainerReading, ItemChanged, ItemIntended, ItemState, LogLine, RunStarted
from wsdash.model.facts import MANIFEST
from wsdash.review.doctor.finding import Finding
from wsdash.review.doctor.troubleshooting import NAMES, diagnostics, logs, team, way_back

API = "workspace-api"
STORAGE = "workspace-db-pageserver"
RUNNING = [ContainerReading(API, "running", "healthy")]


class Standin(NoContainers):
    """A stand-in for containers that wrote these lines, and write no more."""

    def __init__(self, *lines: LogLine, broken: bool = False) -> None:
        self.lines = lines
        self.broken = broken

    async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        if self.broken:
            raise UnreachableError("the engine does not answer", remedy="start it")
        for line in self.lines:
            if line.at > since:
                yield line


@pytest.fixture
def settings() -> Settings:
    return load_settings()


def written(count: int, age: float, text: str = "ERROR: pool exhausted", name: str = API) -> list[LogLine]:
    at = time.time() - age
    return [LogLine(name, at + number / 1000, "stderr", text) for number in range(count)]


async def test_errors_of_the_last_hour_are_counted_as_the_guide_counts_them(settings: Settings) -> None:
    lines = [
        *written(3, 1800),
        *written(9, 1800, "all is well"),
        *written(50, 1800, name="data-timescale"),
        *written(40, 3700),
    ]
    found = await logs(settings, Standin(*lines), RUNNING)
    assert found.well is True
    counted = "lines with errors in the last hour: workspace-api 3"
    assert found.seen == f"{counted}; the newest: workspace-api: ERROR: pool exhausted"
    assert found.more == f"docker compose -f {settings.stack.workspace.file} logs --tail 50"


async def test_more_errors_a_minute_than_the_alert_allows_are_unwell(settings: Settings) -> None:
    found = await logs(settings, Standin(*written(6, 10)), RUNNING)
    assert found.well is False
    assert "workspace-api wrote 6 in the last minute" in found.seen
    assert found.more == "docker logs --tail 50 workspace-api"


@pytest.mark.parametrize(("name", "well"), [(API, True), ("workspace-db-compute", True), (STORAGE, False)])
async def test_what_was_asked_in_vain_before_the_tables_were_there_speaks_against_nobody(
    settings: Settings, tmp_path: Path, name: str, well: bool
) -> None:
    await begun(tmp_path, None)
    asked = written(6, 10, name=name)
    early = await logs(settings, Standin(*asked), RUNNING, tmp_path)
    assert (early.well, f"{name} 6" in early.seen) == (well, True)
    journal = await asyncio.to_thread(Journal.open, tmp_path)
    await journal.record(ItemChanged("init-neon", ItemState.DONE, "16 tables"))
    await journal.close()
    later = written(6, -1, "ERROR: pool exhausted", name)
    assert (await logs(settings, Standin(*asked), RUNNING, tmp_path)).well is well
    assert (await logs(settings, Standin(*asked, *later), RUNNING, tmp_path)).well is False


async def test_a_stack_that_is_not_started_has_no_log_to_be_unwell(settings: Settings) -> None:
    stopped = [ContainerReading(API, "exited", "unknown")]
    assert (await logs(settings, Standin(*written(6, 10)), stopped)).well is None


async def test_logs_that_cannot_be_read_are_told(settings: Settings) -> None:
    found = await logs(settings, Standin(broken=True), RUNNING)
    assert (found.well, found.seen, found.remedy) == (False, "the engine does not answer", "start it")


def test_failing_checks_point_to_the_first_of_them() -> None:
    tests = [
        Finding("test 1: containers", True, "well"),
        Finding("test 2: ready", False, "refused", more="pg_isready"),
        Finding("test 3: version", False, "refused", more="psql"),
    ]
    found = diagnostics(tests)
    assert (found.well, found.more) == (False, "pg_isready")
    assert found.seen == "2 of 3 checks fail: test 2: ready, test 3: version"
    assert diagnostics(tests[:1]).well is True
    assert diagnostics([Finding("test 1: containers", None, "not started")]).well is None


async def begun(state: Path, backup: Path | None) -> None:
    journal = await asyncio.to_thread(Journal.open, state)
    await journal.record(RunStarted("r", "offline", "here", 1, False))
    if backup is not None:
        await journal.put(MANIFEST, str(backup))
    await journal.record(ItemIntended("stop-old", "act", 1))
    await journal.record(ItemChanged("stop-old", ItemState.DONE, "stopped"))
    await journal.close()


async def test_the_way_back_needs_the_runs_backup(settings: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup.json"
    backup.write_text("{}")
    state = tmp_path
    await begun(state, backup)
    found = await way_back(settings, state)
    assert found.well is True
    assert f"wsdash rollback takes back stop-old; the backup is {backup}" in found.seen
    backup.unlink()
    gone = await way_back(settings, state)
    assert (gone.well, gone.more) == (False, f"ls -l {backup}")
    assert "wsdash migrate --from backup" in gone.remedy


async def test_a_change_without_any_backup_is_unwell(settings: Settings, tmp_path: Path) -> None:
    state = tmp_path
    await begun(state, None)
    assert (await way_back(settings, state)).well is False


async def test_before_anything_was_changed_there_is_nothing_to_take_back(
    settings: Settings, tmp_path: Path
) -> None:
    assert (await way_back(settings, None)).well is None
    assert (await way_back(settings, tmp_path)).well is None


async def test_the_adr_is_named_where_it_is(settings: Settings, tmp_path: Path) -> None:
    adr = tmp_path / "adr 007.md"
    here = msgspec.structs.replace(settings, paths=msgspec.structs.replace(settings.paths, adr=str(adr)))
    assert f"the ADR is not at {adr}" in (await way_back(here, None)).seen
    adr.write_text("# ADR")
    assert f"ADR: {adr}" in (await way_back(here, None)).seen


def test_a_webhook_whose_variable_is_not_set_tells_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = msgspec.structs.replace(settings, alerts=AlertSettings(webhook_env="OUR_HOOK"))
    monkeypatch.delenv("OUR_HOOK", raising=False)
    assert (team(named).well, "alerts.webhook_env: OUR_HOOK" in team(named).seen) == (False, True)
    monkeypatch.setenv("OUR_HOOK", "https://hooks.example/secret")
    assert team(named).well is True
    assert "hooks.example" not in str(team(named))


def test_who_is_told_is_said(settings: Settings) -> None:
    assert team(settings).well is None
    by_command = msgspec.structs.replace(settings, notify=NotifySettings(command=("mail", "team@example")))
    assert team(by_command).seen == "notified by notify.command (mail)"


def test_the_names_are_the_guides_four_in_its_order() -> None:
    assert [name.partition(":")[0] for name in NAMES] == [f"guide {number}" for number in range(1, 5)]
