"""Item update-docs: the report is written by the program itself and believed only after it was read back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from tests.review.migrated import migrated
from tests.steps.support import context
from wsdash.engine.journal.writer import Journal
from wsdash.errors import WsdashError
from wsdash.model import DecisionRecorded
from wsdash.plan import load_plan
from wsdash.runtime import report_directory
from wsdash.steps.publishing import UpdateDocs

STEP = UpdateDocs()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("docs"))


def test_the_item_is_proven_by_a_step_not_by_a_person() -> None:
    assert load_plan().item("update-docs").kind == "auto"


async def test_it_is_written_read_back_and_written_again_after_a_decision(state: Path) -> None:
    ctx, _ = context(state)
    assert not (await STEP.check(ctx)).holds
    await STEP.act(ctx)
    seen = await STEP.check(ctx)
    assert seen.holds, seen.text
    run = json.loads((report_directory(state) / "report.json").read_text())["run"]
    for word in (run, "report.md", "report.html", "days.ics", "1 of 1 tables equal"):
        assert word in seen.text
    journal = await asyncio.to_thread(Journal.open, state)
    await journal.record(DecisionRecorded(7, True, "Ana", "calm"))
    await journal.close()
    stale = await STEP.check(ctx)
    assert not stale.holds
    assert "older than the newest decision" in stale.text
    await STEP.act(ctx)
    assert "decisions: 1" in (await STEP.check(ctx)).text
    kept = await STEP.undo(ctx)
    assert kept is not None
    assert (report_directory(state) / "report.md").exists()


async def test_without_a_run_it_says_what_it_could_not_read(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path)
    assert not (await STEP.check(ctx)).holds
    with pytest.raises(WsdashError, match="there is no run"):
        await STEP.act(ctx)


async def test_settings_that_cannot_be_read_are_told(state: Path, tmp_path: Path) -> None:
    ctx, _ = context(state)
    broken = msgspec.structs.replace(ctx.settings, directory=str(tmp_path / "nowhere"))
    object.__setattr__(ctx, "settings", broken)
    with pytest.raises(WsdashError, match="does not exist"):
        await STEP.act(ctx)
