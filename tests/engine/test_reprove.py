"""A tick of yesterday is no evidence today: what an item stands on is read again before the item acts."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from tests.engine.session import Session, done_events, history, states, view
from tests.engine.small_world import PARTS, MakeFiles, Small
from wsdash.engine.options import EngineOptions
from wsdash.engine.process import serve
from wsdash.errors import UnreachableError
from wsdash.model import Downtime, ItemChanged, ItemState, Notice
from wsdash.steps.base import Evidence, StepContext

LONGER = """
items:
  - {id: backup, phase: pre, kind: auto, title: "Save"}
  - {id: stop-old, phase: migration, kind: auto, title: "Stop", needs: [backup]}
  - {id: stack, phase: migration, kind: auto, title: "Start", needs: [stop-old]}
  - {id: copy, phase: migration, kind: auto, title: "Copy", needs: [stack]}
  - {id: test-api, phase: migration, kind: auto, title: "Test", needs: [copy]}
  - {id: dashboards, phase: migration, kind: auto, title: "Show", needs: [test-api]}
  - {id: bench, phase: post, kind: auto, title: "Load", needs: [dashboards]}
"""
ITEMS = ("backup", "stop-old", "stack", "copy", "test-api", "dashboards", "bench")


class Files(MakeFiles):
    """Counts how often it was checked; breaks: what it takes away from others while it acts."""

    def __init__(self, item: str, work: Path) -> None:
        super().__init__(item, work)
        self.checks = 0
        self.breaks = ""
        self.unreadable = False

    async def check(self, ctx: StepContext) -> Evidence:
        self.checks += 1
        if self.unreadable:
            raise UnreachableError("the engine does not answer", where="here", remedy="start it")
        return await super().check(ctx)

    async def act(self, ctx: StepContext) -> None:
        await super().act(ctx)
        if self.breaks:
            broken(self._work, self.breaks)


class Fence(Files):
    """broken_at: since when it does not hold, as the world tells it."""

    fence = True
    until_open = False
    broken_at: float | None = None

    async def check(self, ctx: StepContext) -> Evidence:
        return dataclasses.replace(await super().check(ctx), broken_at=self.broken_at)


class Ground(Files):
    fence = False
    until_open = False


class Filled(Files):
    fence = False
    until_open = True


Steps = dict[str, Files]


@pytest.fixture
def steps(small: Small) -> Steps:
    """A longer plan, in which three steps are stood on."""
    (small.config / "plan.yaml").write_text(LONGER)
    kinds = {"stop-old": Fence, "stack": Ground, "copy": Filled}
    return {name: kinds.get(name, Files)(name, small.work) for name in ITEMS}


def options(small: Small, steps: Steps, until: str = "") -> EngineOptions:
    """All that is automatic, up to an item."""
    made = small.options(auto=True, yes=True, until=until or None)
    return dataclasses.replace(made, steps=dict(steps))


def broken(work: Path, item: str) -> None:
    """What the item proved is no longer so."""
    (work / f"{item}.1").unlink()


def forget(steps: Steps) -> None:
    for step in steps.values():
        step.checks = 0


def warnings(small: Small) -> list[str]:
    told = [e.text for e in history(small) if isinstance(e, Notice) and e.level == "warning"]
    return [text for text in told if not text.startswith("never rehearsed")]


def set_back(small: Small) -> dict[str, str]:
    """The items that became pending again, and why."""
    return {
        e.item: e.note for e in history(small) if isinstance(e, ItemChanged) and e.state is ItemState.PENDING
    }


async def test_a_fence_that_fell_between_two_lives_is_put_up_again_before_the_copy(
    small: Small, steps: Steps
) -> None:
    assert await serve(options(small, steps, "stack")) == 0
    broken(small.work, "stop-old")
    assert await serve(options(small, steps, "copy")) == 0
    acts = [line for line in small.ledger() if line.startswith("act ")]
    assert acts == ["act backup", "act stop-old", "act stack", "act stop-old", "act copy"]
    assert (small.work / "stop-old.1").exists()


async def test_what_no_longer_holds_is_told_with_what_was_read(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "stack"))
    broken(small.work, "stop-old")
    await serve(options(small, steps, "copy"))
    found = f"{PARTS - 1} of {PARTS} files"
    assert warnings(small) == [f"stop-old no longer holds: {found}; it is done again before copy"]
    assert set_back(small) == {
        "stop-old": f"no longer holds: {found}",
        "stack": "stop-old no longer held",
    }


async def test_what_was_done_on_top_of_it_is_proven_again_and_not_done_again(
    small: Small, steps: Steps
) -> None:
    await serve(options(small, steps, "copy"))
    broken(small.work, "stop-old")
    assert await serve(options(small, steps, "test-api")) == 0
    assert len(done_events(small, "copy")) == 2
    assert small.ledger().count("act copy") == 1


async def test_what_still_holds_is_said_once_and_left_alone(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "stack"))
    before = small.ledger()
    await serve(options(small, steps, "test-api"))
    assert small.ledger()[: len(before)] == before
    assert len(done_events(small, "stop-old")) == 1
    told = [e.text for e in history(small) if isinstance(e, Notice) and "still so" in e.text]
    assert told == ["read again before copy, and still so: stop-old, stack"]


async def test_only_the_fence_is_read_before_every_item_of_one_run(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "test-api"))
    assert {name: steps[name].checks for name in ("backup", "stack", "copy")} == {
        "backup": 2,
        "stack": 2,
        "copy": 2,
    }
    assert steps["stop-old"].checks == 2 + 3


async def test_an_expensive_proof_is_not_made_again(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "stack"))
    forget(steps)
    await serve(options(small, steps, "copy"))
    assert steps["backup"].checks == 0


async def test_a_fence_that_falls_during_the_copy_is_put_up_before_the_new_service_opens(
    small: Small, steps: Steps
) -> None:
    steps["copy"].breaks = "stop-old"
    assert await serve(options(small, steps)) == 0
    ledger = small.ledger()
    again = len(ledger) - 1 - ledger[::-1].index("act stop-old")
    assert ledger.index("act copy") < again < ledger.index("act test-api")


async def test_when_it_cannot_be_done_again_nothing_goes_on(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "stack"))
    broken(small.work, "stop-old")
    small.put("refuse-stop-old", "somebody holds the port")
    assert await serve(options(small, steps)) == 1
    assert states(small)["stop-old"] == "failed"
    assert "copy" not in states(small)


async def test_what_cannot_be_read_does_not_hold(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "stack"))
    steps["stop-old"].unreadable = True
    assert await serve(options(small, steps)) == 1
    item = view(small).item("stop-old")
    assert (item.state, item.remedy) == (ItemState.FAILED, "start it")
    assert "the engine does not answer" in warnings(small)[0]
    assert "copy" not in states(small)


async def test_from_an_item_does_not_jump_over_a_fallen_fence(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "copy"))
    broken(small.work, "stop-old")
    again = dataclasses.replace(options(small, steps, "copy"), from_item="copy")
    assert await serve(again) == 0
    assert (small.work / "stop-old.1").exists()


async def up_to_the_stack_then_the_fence_falls(session: Session, small: Small) -> None:
    """Items run one by one until the copy is next, and then what stop-old made no longer holds."""
    for name in ("backup", "stop-old", "stack"):
        await session.ask("run-item", name)
        await session.until(name, "done")
    broken(small.work, "stop-old")


async def test_an_item_run_by_hand_is_guarded_too(session: Session, small: Small, steps: Steps) -> None:
    session.changes = {"steps": dict(steps)}
    async with session:
        await up_to_the_stack_then_the_fence_falls(session, small)
        await session.ask("run-item", "copy")
        await session.until("copy", "done")
    assert small.ledger().index("act copy") > small.ledger().index("act stack")
    assert small.ledger().count("act stop-old") == 2


async def test_an_item_run_by_hand_is_not_run_when_its_fence_stays_down(
    session: Session, small: Small, steps: Steps
) -> None:
    session.changes = {"steps": dict(steps)}
    async with session:
        await up_to_the_stack_then_the_fence_falls(session, small)
        small.put("refuse-stop-old", "somebody holds the port")
        await session.ask("run-item", "copy")
        await session.until("stop-old", "failed")
        await session.idle()
    assert "act copy" not in small.ledger()


async def test_after_a_pause_everything_is_read_again(session: Session, small: Small, steps: Steps) -> None:
    session.changes = {"steps": dict(steps)}
    hold = small.put("hold-stack")
    async with session:
        await session.ask("run-auto", options={"until": "copy"})
        await session.acting("stack")
        await session.ask("pause", who="Ana")
        hold.unlink()
        await session.until("stack", "done")
        async with asyncio.timeout(90):
            while (await session.send("ping")).text != "paused":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        broken(small.work, "stack")
        await session.ask("resume")
        await session.until("copy", "done")
    assert small.ledger().count("act stack") == 2


async def test_what_a_person_skipped_is_left_to_that_person(
    session: Session, small: Small, steps: Steps
) -> None:
    session.changes = {"steps": dict(steps)}
    async with session:
        for name in ("backup", "stop-old"):
            await session.ask("skip", name, who="Ana", note="done by hand")
        await session.ask("run-item", "stack")
        await session.until("stack", "done")
    assert "act stop-old" not in small.ledger()
    assert states(small)["stop-old"] == "skipped"


async def test_once_the_new_service_is_open_its_rows_are_not_touched_again(
    small: Small, steps: Steps
) -> None:
    await serve(options(small, steps, "test-api"))
    broken(small.work, "copy")  # users deleted what was copied
    broken(small.work, "stop-old")
    assert await serve(options(small, steps, "dashboards")) == 0
    assert small.ledger().count("act copy") == 1
    assert small.ledger().count("act stop-old") == 2
    assert "copy" not in set_back(small)


async def test_stopping_the_old_service_again_then_begins_no_downtime(small: Small, steps: Steps) -> None:
    await serve(options(small, steps, "test-api"))
    before = view(small).write_downtime_seconds
    broken(small.work, "stop-old")
    await serve(options(small, steps, "dashboards"))
    assert view(small).write_downtime_seconds == before
    assert [e.running for e in history(small) if isinstance(e, Downtime)] == [True, False]


def downtimes(small: Small) -> list[tuple[bool, float, float | None]]:
    """The write downtime clock as the journal tells it."""
    return [(e.running, e.started_at, e.ended_at) for e in history(small) if isinstance(e, Downtime)]


async def test_the_downtime_ends_when_the_old_service_ran_again_and_begins_anew_with_its_stop(
    small: Small, steps: Steps
) -> None:
    await serve(options(small, steps, "stack"))
    ((_, stopped, _),) = downtimes(small)
    broken(small.work, "stop-old")
    steps["stop-old"].broken_at = stopped + 0.001  # type: ignore[attr-defined]
    await serve(options(small, steps, "test-api"))
    first, up, second, ended = downtimes(small)
    assert up == (False, stopped, stopped + 0.001)
    assert second[0]
    assert second[1] > first[1]
    assert ended[1] == second[1]
    seconds = view(small).write_downtime_seconds
    assert seconds is not None
    assert ended[2] is not None
    assert seconds == pytest.approx(0.001 + ended[2] - second[1], abs=1e-6)


async def test_the_downtime_runs_on_where_nothing_tells_since_when_the_old_service_ran(
    small: Small, steps: Steps
) -> None:
    await serve(options(small, steps, "stack"))
    broken(small.work, "stop-old")
    await serve(options(small, steps, "test-api"))
    assert [running for running, _, _ in downtimes(small)] == [True, False]


async def test_an_item_after_the_migration_stops_no_service(small: Small, steps: Steps) -> None:
    await serve(options(small, steps))
    broken(small.work, "stop-old")
    made = dataclasses.replace(options(small, steps), auto=False, items=("bench",))
    assert await serve(made) == 0
    assert states(small)["bench"] == "done"
    assert small.ledger().count("act stop-old") == 1
