"""The engine's own task about a move: what it does as the two sides' states demand, over restarts."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.data.copying import run_sql
from tests.data.online.test_steps import side_of
from tests.data.online.world import RUN, same, until, value
from tests.steps.support import NoContainers
from wsdash.config import load_settings
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.online.sync.move import Move
from wsdash.engine.background import following as following_module
from wsdash.engine.background.following import ChangeFollower
from wsdash.engine.journal.writer import Journal
from wsdash.engine.run.recorder import Recorder
from wsdash.model import SwitchedOver
from wsdash.model.facts import FOLDS, FOLLOWS, WAY_BACK
from wsdash.model.fold import fold_all

LOG = "SELECT count(*) FROM wsdash.online_changes_4"
PATIENT = 30.0


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following_module, "FOLD_LOG_SECONDS", 0.05)
    monkeypatch.setattr(following_module, "FOLLOW_FIRST_PAUSE", 0.05)


@asynccontextmanager
async def follower(move: Move, directory: Path) -> AsyncIterator[ChangeFollower]:
    """The follower of an engine on the move, with the journal of that directory."""
    journal = Journal.open(directory)
    view = msgspec.structs.replace(fold_all(await journal.history()), run=RUN, mode="online")
    recorder = Recorder(journal, view, print, directory / "engine.log")
    settings = msgspec.structs.replace(
        load_settings(), source=side_of(move.source), target=side_of(move.target)
    )
    made = ChangeFollower(settings, recorder, NoContainers(), directory, tuple)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
        await journal.close()


def without(move: Move, side: str) -> Move:
    """The move with that side away."""
    return dataclasses.replace(move, **{side: dataclasses.replace(getattr(move, side), port=1)})


async def write(move: Move, side: str) -> None:
    for _ in range(5):
        await run_sql(getattr(move, side), "UPDATE s.owners SET name = name || '!'")


async def folded(move: Move, side: str) -> bool:
    return bool(await value(getattr(move, side), LOG) == 10)


async def there_and_back(move: Move) -> None:
    await switch_over(move, move.source, limit=PATIENT)
    await switch_over(move, move.target, limit=PATIENT)


async def test_after_a_rollback_the_sources_log_is_folded_though_the_target_is_away(
    move: Move, tmp_path: Path
) -> None:
    await there_and_back(move)
    await write(move, "source")
    async with follower(without(move, "target"), tmp_path) as made:
        await made.fold_only()
        await until(lambda: folded(move, "source"))
        await until(lambda: _kept(made, "source"))


async def _kept(made: ChangeFollower, side: str) -> bool:
    newest = made.newest
    return newest is not None and (newest.open, newest.kept) == (side, 10) and newest.log_bytes > 0


async def test_the_next_engine_folds_on(move: Move, tmp_path: Path) -> None:
    await there_and_back(move)
    async with follower(move, tmp_path) as made:
        await made.fold_only()
    await write(move, "source")
    async with follower(move, tmp_path):
        await until(lambda: folded(move, "source"))


async def test_going_forward_again_carries_what_was_folded(move: Move, tmp_path: Path) -> None:
    await there_and_back(move)
    await write(move, "source")
    async with follower(move, tmp_path) as made:
        await made.fold_only()
        await until(lambda: folded(move, "source"))
        await made.begin()
        await until(lambda: same(move))


async def test_after_the_switch_the_targets_log_is_folded_though_the_source_is_away(
    move: Move, tmp_path: Path
) -> None:
    await switch_over(move, move.source, limit=PATIENT)
    await write(move, "target")
    journal = Journal.open(tmp_path)
    await journal.record(SwitchedOver("target", 0.1, 0))
    await journal.put(FOLLOWS, True)
    await journal.close()
    async with follower(without(move, "source"), tmp_path) as made:
        await until(lambda: folded(move, "target"))
        await until(lambda: _troubled(made))
    assert await _counted(tmp_path) == 10


async def _troubled(made: ChangeFollower) -> bool:
    """That the source is away is said, with what is kept of the way back."""
    return made.newest is not None and made.newest.trouble != "" and made.newest.kept == 10


async def _counted(directory: Path) -> int | None:
    journal = Journal.open(directory)
    kept = journal.get(WAY_BACK)
    await journal.close()
    return None if kept is None else kept["changes"]


async def test_what_ends_folds_no_more(move: Move, tmp_path: Path) -> None:
    async with follower(move, tmp_path) as made:
        await made.fold_only()
        await made.end()
        assert made.newest is None
    journal = Journal.open(tmp_path)
    assert not journal.get(FOLDS)
    await journal.close()
