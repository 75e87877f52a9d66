"""What people said and what was proven is about one migration, and ends with it; the journal keeps it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engine.journals import reading
from tests.review.migrated import options
from wsdash.config import load_settings
from wsdash.engine.journal.writer import Journal
from wsdash.engine.operator.lock import OperatorLock
from wsdash.engine.process import serve
from wsdash.engine.run.decisions import AGAINST, decide_at_rest
from wsdash.engine.run.recorder import OF_ONE_MIGRATION, PROOFS, note_restore
from wsdash.model import CriterionConfirmed, DecisionRecorded, Intent, ItemState, LoadTested, Recorded
from wsdash.plan import load_plan
from wsdash.review.finish import finishing
from wsdash.review.story import KnownStory, read_story
from wsdash.timeline.story import after_copying, fold_story

PLAN = load_plan()
TICK = Intent("confirm-criterion", "rollback-tested", "Ana", "twice", options={"holds": True})


async def said(directory: Path) -> Path:
    """A migrated run on which all days were decided early, a criterion ticked, and facts prove something."""
    state = await _migrated(directory)
    for day in (0, 1, 3, 7, 14):
        made = Intent("decide", who="Ana", note="calm", phrase=AGAINST, options={"day": day, "go": True})
        assert (await decide_at_rest(state, config(directory), made)).ok
    assert (await decide_at_rest(state, config(directory), TICK)).ok
    journal = Journal.open(state)
    for name in (*PROOFS, *OF_ONE_MIGRATION):
        await journal.put(name, {"holds": True, "text": "proven"})
    await journal.close()
    return state


async def _migrated(directory: Path) -> Path:
    small, made = options(directory)
    assert await serve(made) == 0
    return small.state


def config(directory: Path) -> Path:
    return directory / "config"


def known(directory: Path) -> KnownStory:
    return read_story(directory / "state", config(directory))


def facts(state: Path) -> set[str]:
    with reading(state) as reader:
        return {name for name, value in reader.facts().items() if value is not None}


async def test_a_rollback_ends_decisions_ticks_and_proofs(tmp_path: Path) -> None:
    state = await said(tmp_path)
    assert known(tmp_path).story.decided == {0, 1, 3, 7, 14}
    _, back = options(tmp_path, rollback=True, auto=False)
    assert await serve(back) == 0
    story = known(tmp_path).story
    assert (story.migrated_at, story.decisions, story.ticks, story.run.tables) == (None, (), {}, {})
    assert facts(state).isdisjoint({*PROOFS, *OF_ONE_MIGRATION})
    states = {item.id: known(tmp_path).view.item(item.id).state for item in PLAN.everything}
    assert {name for name, at in states.items() if at in (ItemState.DONE, ItemState.SKIPPED)} == set()
    former = story.former[-1]
    assert (former.why, {made.day for _, made in former.decisions}) == (
        "it was rolled back",
        {0, 1, 3, 7, 14},
    )
    assert former.ticks["rollback-tested"].who == "Ana"
    told = finishing(state, load_settings(config(tmp_path)), config(tmp_path))
    assert not told.approved
    assert "its 5 decisions count for nothing" in told.lines[0]
    assert "DROP" not in "\n".join(told.lines)


async def test_another_migration_begins_with_nothing_said(tmp_path: Path) -> None:
    await said(tmp_path)
    _, back = options(tmp_path, rollback=True, auto=False)
    assert await serve(back) == 0
    _, again = options(tmp_path)
    assert await serve(again) == 0
    story = known(tmp_path).story
    assert story.migrated_at is not None
    assert (story.decisions, story.ticks, len(story.former)) == ((), {}, 1)
    assert known(tmp_path).view.item("go-no-go").state is not ItemState.DONE


async def test_rows_that_are_copied_again_make_another_migration(tmp_path: Path) -> None:
    state = await said(tmp_path)
    for part in (tmp_path / "work").glob("migrate-data.*"):
        part.unlink()
    _, again = options(tmp_path, auto=False, items=("migrate-data",))
    assert await serve(again) == 0
    story, view = known(tmp_path).story, known(tmp_path).view
    assert (story.migrated_at, story.decisions, story.ticks, story.run.tables) == (None, (), {}, {})
    assert story.former[-1].why == "the rows were copied again"
    for name in after_copying(PLAN):
        assert view.item(name).state is not ItemState.DONE, name
    assert facts(state).isdisjoint(PROOFS)


async def test_looking_again_at_the_copied_rows_ends_nothing(tmp_path: Path) -> None:
    await said(tmp_path)
    _, again = options(tmp_path, auto=False, items=("migrate-data", "test-api"))
    assert await serve(again) == 0
    assert known(tmp_path).story.decided == {0, 1, 3, 7, 14}


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_restore_by_hand_ends_it_before_its_first_row(tmp_path: Path, side: str) -> None:
    state = await said(tmp_path)
    with OperatorLock.held(state):
        await note_restore(state, config(tmp_path), side, Path("b.sql"))
    story, view = known(tmp_path).story, known(tmp_path).view
    assert (story.migrated_at, story.decisions, story.ticks) == (None, (), {})
    assert story.former[-1].why == f"the backup b.sql was restored into the {side}"
    assert view.item("verify-data").state is ItemState.PENDING


def test_a_restore_without_a_run_is_noted_nowhere(tmp_path: Path) -> None:
    asyncio.run(note_restore(tmp_path, None, "target", Path("b.sql")))
    assert list(tmp_path.iterdir()) == []


def test_the_old_services_baseline_outlives_a_copy_and_not_a_rollback() -> None:
    from wsdash.model import ItemIntended

    events = [Recorded(1, 1.0, LoadTested("baseline", "http://old", "read", ()))]
    events.append(Recorded(2, 2.0, ItemIntended("migrate-data", "act", 1)))
    assert list(fold_story(events, PLAN).run.loads) == ["baseline read"]
    events.append(Recorded(3, 3.0, ItemIntended("test-api", "undo", 1)))
    assert fold_story(events, PLAN).run.loads == {}


def test_what_is_said_after_an_end_counts_for_the_next_one() -> None:
    from wsdash.model import ItemIntended

    events = [
        Recorded(1, 1.0, CriterionConfirmed("rollback-tested", True, "Ana")),
        Recorded(2, 2.0, ItemIntended("test-api", "undo", 1)),
        Recorded(3, 3.0, DecisionRecorded(0, True, "Bruno", "calm")),
    ]
    story = fold_story(events, PLAN)
    assert (story.ticks, set(story.decided), len(story.former)) == ({}, {0}, 1)
