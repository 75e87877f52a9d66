"""The first 24 hours: what becomes of their item when they were calm."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdash.config import load_settings
from wsdash.engine.background import post_migration
from wsdash.engine.background.post_migration import PostMigration
from wsdash.engine.journal.writer import Journal
from wsdash.engine.run.recorder import Recorder
from wsdash.model import ItemChanged, ItemState
from wsdash.model.fold import RunView
from wsdash.plan import load_plan
from wsdash.timeline.spec import load_timeline


@pytest.mark.parametrize(("calm", "done"), [("24 hours without an alert", 1), ("", 0)])
async def test_calm_hours_make_their_item_done_once_and_no_other(
    calm: str, done: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_migration, "calm_day", lambda *rest: calm)
    journal = Journal.open(tmp_path)
    recorder = Recorder(journal, RunView(), lambda text: None, tmp_path / "engine.log")

    async def settled() -> None:
        return

    after = PostMigration(
        recorder, load_plan(), load_timeline(), load_settings(None).thresholds, tmp_path, settled
    )
    try:
        for _ in range(2):
            await after.look()
        events = [one.event for one in await journal.history()]
    finally:
        after.close()
        await journal.close()
    ticked = [event for event in events if isinstance(event, ItemChanged)]
    assert ticked == [ItemChanged("monitor-24h", ItemState.DONE, calm)] * done
