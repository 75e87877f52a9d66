"""Both sides compared because somebody asked: beside the run, with its time, and no item's evidence."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.engine.session import Session, history, states, view
from tests.engine.small_world import AUTOMATIC, PLAN, MakeFiles, Small
from tests.steps.test_verify_now import TABLE, _run
from wsdash.config import Settings
from wsdash.data.pg.connect import Endpoint
from wsdash.model import COPIES, AnyEvent, ComparisonBegan, ItemIntended, Recorded, SidesCompared
from wsdash.model.fold import fold, fold_all
from wsdash.model.run import COMPARE, DIFFERS, EQUAL
from wsdash.steps.base import Step
from wsdash.steps.database.verify import ComparedNow


def lead_to(monkeypatch: pytest.MonkeyPatch, **sides: Endpoint) -> None:
    """Have the engine's settings lead to these databases."""
    for name, place in sides.items():
        for key in ("host", "port", "database", "user", "password_env"):
            monkeypatch.setenv(f"WSDASH__{name.upper()}__{key.upper()}", str(getattr(place, key)))
        monkeypatch.setenv(f"WSDASH__{name.upper()}__SCHEMA", "s")


async def ends(small: Small, count: int = 1) -> list[SidesCompared]:
    """Return when so many comparisons are over."""
    async with asyncio.timeout(90):
        while True:
            found = [event for event in history(small) if isinstance(event, SidesCompared)]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_each_time_it_is_asked_the_sides_are_read_and_no_item_changes(
    tmp_path: Path, source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(monkeypatch, source=source, target=target)
    monkeypatch.setattr("wsdash.steps.database.verify.COMPARE_PAUSE_SECONDS", 0)
    for place in (source, target):
        await _run(place, TABLE)
    small = Small(tmp_path)
    before = time.time()
    async with Session(small) as on:
        await on.ask(COMPARE, who="Ana")
        (equal,) = await ends(small)
        assert (equal.who, equal.error) == ("Ana", "")
        assert equal.began_at >= before
        assert [(t.name, t.how, t.source_rows, t.target_rows) for t in equal.tables] == [("s.t", EQUAL, 2, 2)]
        await _run(target, "update s.t set v = 'x' where id = 2")
        await on.ask(COMPARE, who="Ben")
        _, differs = await ends(small, 2)
        assert [table.how for table in differs.tables] == [DIFFERS]
        assert "id='2'" in differs.tables[0].differences[0]
    seen = view(small)
    assert seen.compared == differs
    assert seen.comparing is None
    assert (seen.tables, seen.items) == ({}, {}), "no item's evidence"


async def test_while_an_item_runs_it_goes_on_beside_it(tmp_path: Path) -> None:
    small = Small(tmp_path)
    hold = small.put("hold-backup")
    async with Session(small) as on:
        await on.ask("run-item", "backup")
        await on.acting("backup")
        await on.ask(COMPARE, who="Ana")
        (found,) = await ends(small)
        assert found.error, "neither side is there: said, not raised"
        assert "Traceback" not in found.error
        assert states(small)["backup"] == "running"
        hold.unlink()
        await on.until("backup", "done")


async def test_it_wants_a_name(tmp_path: Path) -> None:
    async with Session(Small(tmp_path)) as on:
        reply = await on.send(COMPARE, who="  ")
        assert not reply.ok
        assert "the name of the person" in reply.text
        assert not any(isinstance(event, ComparisonBegan) for event in history(on.small))


def guided(directory: Path) -> tuple[Small, dict[str, Step]]:
    """The small world with its copy called as in the guide."""
    small = Small(directory)
    plan = PLAN.replace("id: copy", f"id: {COPIES}").replace("[copy]", f"[{COPIES}]")
    (small.config / "plan.yaml").write_text(plan)
    names = [COPIES if name == "copy" else name for name in AUTOMATIC]
    return small, {name: MakeFiles(name, small.work) for name in names}


async def test_while_the_copy_runs_it_is_refused(tmp_path: Path) -> None:
    small, steps = guided(tmp_path)
    hold = small.put(f"hold-{COPIES}")
    session = Session(small)
    session.changes = {"steps": steps, "auto": True, "yes": True}
    async with session as on:
        await on.acting(COPIES)
        reply = await on.send(COMPARE, who="Ana")
        assert not reply.ok
        assert reply.text.startswith("migrate-data is writing the rows")
        hold.unlink()
        await on.idle()
        await on.ask(COMPARE, who="Ana")
    assert [event.who for event in history(small) if isinstance(event, ComparisonBegan)] == ["Ana"]


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A comparison that goes on until it is ended; says when it begins and ends."""
    said: list[str] = []

    async def standin_verify_now(settings: Settings) -> list[ComparedNow]:
        """In the place of steps.verify_now.verify_now on tables too large to wait for."""
        said.append("begun")
        try:
            await asyncio.sleep(3600)
        finally:
            said.append("ended")
        return []

    monkeypatch.setattr("wsdash.engine.run.asked.verify_now", standin_verify_now)
    return said


async def test_the_copy_does_not_wait_for_it_but_ends_it(tmp_path: Path, endless: list[str]) -> None:
    small, steps = guided(tmp_path)
    session = Session(small)
    session.changes = {"steps": steps}
    hold = small.put(f"hold-{COPIES}")
    async with session as on:
        await on.ask(COMPARE, who="Ana")
        again = await on.send(COMPARE, who="Ben")
        assert not again.ok
        assert "are being compared already" in again.text
        await on.ask("run-auto", options={"yes": True})
        await on.ask("confirm", "review", who="Ana")
        (found,) = await ends(small)
        assert "migrate-data is writing the rows: the comparison was ended for it" in found.error
        assert endless == ["begun", "ended"]
        hold.unlink()
        await on.until(COPIES, "done")


async def test_an_engine_that_ends_says_that_it_was_not_finished(tmp_path: Path, endless: list[str]) -> None:
    small = Small(tmp_path)
    async with Session(small) as on:
        await on.ask(COMPARE, who="Ana")
        async with asyncio.timeout(90):
            while not endless:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert endless == ["begun", "ended"]
    (found,) = [event for event in history(small) if isinstance(event, SidesCompared)]
    assert found.error == "the engine ended before the comparison did"


def test_it_dies_with_the_migration_that_it_looked_at() -> None:
    events: tuple[AnyEvent, ...] = (ComparisonBegan("Ana"), SidesCompared("Ana", 1.0))
    known = fold_all(Recorded(n, float(n), event) for n, event in enumerate(events, 1))
    assert known.compared == SidesCompared("Ana", 1.0)
    undo = Recorded(3, 3.0, ItemIntended(COPIES, "undo", 1))
    assert fold(known, undo).compared is None
