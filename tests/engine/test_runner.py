"""The runner: intended before done, done only by evidence, needs enforced, and each intent's meaning."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.engine.session import Session, done_events, history, states, view
from tests.engine.small_world import AUTOMATIC, PARTS, Small
from wsdash.engine.process import serve
from wsdash.engine.run.due import outcome
from wsdash.errors import InputError, RefusedError
from wsdash.model import (
    Downtime,
    EngineStopped,
    Intent,
    ItemChanged,
    ItemIntended,
    ItemState,
    Notice,
    Outcome,
    PauseChanged,
    RunFinished,
    RunStarted,
)
from wsdash.plan import load_plan


async def test_everything_automatic_is_done_and_the_run_is_migrated(small: Small) -> None:
    assert await serve(small.options(auto=True, yes=True)) == 0
    assert {states(small)[name] for name in AUTOMATIC} == {"done"}
    assert len(small.files()) == PARTS * len(AUTOMATIC)
    assert outcome(view(small), load_plan(small.config)) is Outcome.MIGRATED
    assert "watch" not in states(small)


async def test_each_action_is_intended_before_it_is_begun(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    told = [e for e in history(small) if isinstance(e, ItemIntended | ItemChanged) and e.item == "copy"]
    shape = [event.action if isinstance(event, ItemIntended) else str(event.state) for event in told]
    assert shape == ["check", "running", "act", "check", "done"]


async def test_the_evidence_of_done_is_the_second_checks(small: Small) -> None:
    await serve(small.options(auto=True, yes=True, until="backup"))
    assert [event.evidence for event in done_events(small, "backup")] == [f"{PARTS} of {PARTS} files"]


async def test_what_already_holds_is_not_done_again(small: Small) -> None:
    for number in range(PARTS):
        small.put(f"backup.{number}")
    await serve(small.options(auto=True, yes=True, until="backup"))
    assert states(small)["backup"] == "done"
    assert "act backup" not in small.ledger()


async def test_an_act_that_changes_nothing_is_a_failure_not_a_tick(small: Small) -> None:
    options = small.options(auto=True, yes=True)
    assert options.steps is not None

    class Idle(type(options.steps["copy"])):  # type: ignore[misc]
        async def act(self, ctx: object) -> None:
            return

    options.steps["copy"] = Idle("copy", small.work)
    assert await serve(options) == 1
    item = view(small).item("copy")
    assert (item.state, item.evidence) == (ItemState.FAILED, f"0 of {PARTS} files")
    assert item.remedy
    assert "test-api" not in states(small)


async def test_a_failure_is_told_with_what_where_and_remedy_and_stops_the_run(small: Small) -> None:
    refusal = small.put("refuse-copy", "the disk is on fire")
    assert await serve(small.options(auto=True, yes=True)) == 1
    item = view(small).item("copy")
    assert item.state is ItemState.FAILED
    assert item.evidence == f"the disk is on fire ({refusal})"
    assert item.remedy == "remove refuse-copy"
    assert "test-api" not in states(small)
    assert view(small).finished is Outcome.FAILED


async def test_a_defect_in_a_step_fails_its_item_and_keeps_the_traceback_in_the_log(small: Small) -> None:
    options = small.options(auto=True, yes=True)
    assert options.steps is not None

    class Broken(type(options.steps["copy"])):  # type: ignore[misc]
        async def act(self, ctx: object) -> None:
            raise ZeroDivisionError("oops")

    options.steps["copy"] = Broken("copy", small.work)
    assert await serve(options) == 1
    assert "ZeroDivisionError" in view(small).item("copy").evidence
    assert "Traceback" in (small.state / "engine.log").read_text()


async def test_a_told_failure_inside_a_group_is_shown_as_itself(small: Small) -> None:
    options = small.options(auto=True, yes=True)
    assert options.steps is not None

    class Group(type(options.steps["copy"])):  # type: ignore[misc]
        async def act(self, ctx: object) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.fail())
                group.create_task(asyncio.sleep(60))

        async def fail(self) -> None:
            raise RefusedError("foreign rows", remedy="--force")

    options.steps["copy"] = Group("copy", small.work)
    assert await serve(options) == 1
    assert view(small).item("copy").evidence == "foreign rows"


async def test_without_yes_a_headless_run_says_for_whom_it_waits(small: Small) -> None:
    assert await serve(small.options(auto=True)) == 1
    assert states(small) == {"backup": "done"}
    assert "review" in view(small).detail
    assert "--yes" in view(small).detail


async def test_yes_ticks_plainly_and_only_before_the_end_of_the_migration(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    (review,) = done_events(small, "review")
    assert review.who == "--yes"
    assert "no person" in review.evidence
    assert done_events(small, "watch") == []


async def test_until_stops_after_the_item(small: Small) -> None:
    assert await serve(small.options(auto=True, yes=True, until="stop-old")) == 0
    assert set(states(small)) == {"backup", "review", "stop-old"}
    assert view(small).finished is Outcome.INCOMPLETE


async def test_from_does_not_jump_over_needs(small: Small) -> None:
    assert await serve(small.options(auto=True, yes=True, from_item="copy")) == 1
    assert "copy" not in states(small)
    assert "stop-old" in view(small).detail


async def test_from_proves_done_items_again_and_does_what_no_longer_holds(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    (small.work / "copy.2").unlink()
    assert await serve(small.options(auto=True, yes=True, from_item="copy")) == 0
    assert (small.work / "copy.2").exists()
    assert len(done_events(small, "copy")) == 2
    assert len(done_events(small, "backup")) == 1


async def test_an_unknown_item_is_refused_before_anything_is_begun(small: Small) -> None:
    with pytest.raises(InputError, match="test-api"):
        await serve(small.options(auto=True, until="tset-api"))
    assert not small.state.exists()


async def test_force_without_its_typed_word_is_refused(small: Small) -> None:
    with pytest.raises(InputError, match="OVERWRITE"):
        await serve(small.options(auto=True, force=True))


async def test_a_second_run_does_nothing_twice(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    before = small.ledger()
    assert await serve(small.options(auto=True, yes=True)) == 0
    assert small.ledger() == before
    started = [event for event in history(small) if isinstance(event, RunStarted)]
    assert [event.resumed for event in started] == [False, True]
    assert len({event.run for event in started}) == 1


async def test_a_failed_item_is_tried_again_by_the_next_run(small: Small) -> None:
    refusal = small.put("refuse-copy", "not now")
    await serve(small.options(auto=True, yes=True))
    refusal.unlink()
    assert await serve(small.options(auto=True, yes=True)) == 0
    assert view(small).item("copy").attempts == 2


async def test_the_downtime_runs_from_the_stop_to_the_first_write(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    events = history(small)
    clock = [event for event in events if isinstance(event, Downtime)]
    assert [event.running for event in clock] == [True, False]
    act = events.index(ItemIntended("stop-old", "act", 1))
    assert events[act + 1] == clock[0]
    seconds = view(small).write_downtime_seconds
    assert seconds is not None
    assert seconds > 0


async def test_an_operator_runs_items_one_by_one(session: Session, small: Small) -> None:
    async with session:
        refused = await session.send("run-item", "stop-old")
        assert not refused.ok
        assert "backup (pending)" in refused.text
        await session.ask("run-item", "backup")
        await session.until("backup", "done")
        assert not (await session.send("confirm", "review")).ok
        await session.ask("confirm", "review", who="Ana", note="read it")
        await session.ask("run-item", "stop-old")
        await session.until("stop-old", "done")
    (review,) = done_events(small, "review")
    assert (review.who, review.note) == ("Ana", "read it")
    assert "Ana" in review.evidence
    assert session.code == 0


async def test_what_a_person_says_does_not_hold_has_failed_until_somebody_says_it_holds(
    session: Session, small: Small
) -> None:
    async with session:
        await session.ask("run-item", "backup")
        await session.until("backup", "done")
        await session.ask("confirm", "review", who="Ana", note="page 3 is wrong", options={"holds": False})
        assert states(small)["review"] == "failed"
        assert view(small).item("review").evidence == "does not hold, says Ana: page 3 is wrong"
        assert not (await session.send("run-item", "stop-old")).ok
        await session.ask("confirm", "review", who="Ana", options={"holds": True})
        assert states(small)["review"] == "done"


async def test_an_automatic_run_waits_for_the_person_and_goes_on(session: Session, small: Small) -> None:
    async with session:
        await session.ask("run-auto")
        await session.until("backup", "done")
        await session.idle()
        assert "stop-old" not in states(small)
        await session.ask("confirm", "review", who="Ana")
        await session.until("test-api", "done")
        await session.idle()
    assert view(small).finished is Outcome.MIGRATED
    assert sum(isinstance(e, Notice) and "review" in e.text for e in history(small)) == 1


async def test_pause_stops_after_the_current_item_and_resume_goes_on(session: Session, small: Small) -> None:
    hold = small.put("hold-backup")
    async with session:
        await session.ask("run-auto", options={"yes": True})
        await session.until("backup", "running")
        await session.ask("pause", who="Ana")
        hold.unlink()
        await session.until("backup", "done")
        await asyncio.sleep(0.2)
        assert "review" not in states(small)
        await session.ask("resume")
        await session.until("test-api", "done")
    assert [e.paused for e in history(small) if isinstance(e, PauseChanged)] == [True, False]


async def test_a_person_can_confirm_while_an_item_runs(session: Session, small: Small) -> None:
    hold = small.put("hold-backup")
    async with session:
        await session.ask("run-item", "backup")
        await session.until("backup", "running")
        await session.ask("confirm", "review", who="Ana")
        assert states(small) == {"backup": "running", "review": "done"}
        busy = await session.send("run-item", "copy")
        assert "backup is running" in busy.text
        hold.unlink()
        await session.until("backup", "done")


async def test_retry_runs_a_failed_item_again(session: Session, small: Small) -> None:
    refusal = small.put("refuse-backup", "no space")
    async with session:
        await session.ask("run-auto", options={"yes": True})
        await session.until("backup", "failed")
        await session.idle()
        refusal.unlink()
        await session.ask("retry", "backup")
        await session.until("backup", "done")


async def test_a_key_pressed_twice_orders_once(session: Session, small: Small) -> None:
    hold = small.put("hold-backup")
    async with session:
        first, second = await asyncio.gather(
            session.send("run-item", "backup"), session.send("run-item", "backup")
        )
        await session.until("backup", "running")
        hold.unlink()
        await session.until("backup", "done")
        await session.idle()
        assert (first.ok, second.ok) == (True, False)
        assert "backup is" in second.text
        await session.ask("run-item", "backup")  # once it is done it may be asked for again
        await session.idle()
    attempts = [e.attempt for e in history(small) if isinstance(e, ItemIntended) and e.action == "check"]
    assert max(attempts) == 2


async def test_skipping_wants_a_name_and_a_reason(session: Session, small: Small) -> None:
    async with session:
        for who, note in (("", ""), ("Ana", ""), ("", "why not")):
            assert not (await session.send("skip", "backup", who=who, note=note)).ok
        await session.ask("skip", "backup", who="Ana", note="taken by hand")
    item = view(small).item("backup")
    assert (item.state, item.who, item.note) == (ItemState.SKIPPED, "Ana", "taken by hand")


async def test_a_skipped_item_fulfils_a_need(session: Session) -> None:
    async with session:
        await session.ask("skip", "backup", who="Ana", note="taken by hand")
        await session.ask("skip", "review", who="Ana", note="known")
        await session.ask("run-item", "stop-old")
        await session.until("stop-old", "done")


async def test_no_person_can_tick_an_automatic_item(session: Session, small: Small) -> None:
    async with session:
        refused = await session.send("confirm", "backup", who="Ana")
    assert not refused.ok
    assert states(small) == {}


async def test_running_a_done_item_proves_it_again(session: Session, small: Small) -> None:
    async with session:
        await session.ask("run-item", "backup")
        await session.until("backup", "done")
        (small.work / "backup.1").unlink()
        await session.ask("run-item", "backup")
        await session.idle()
        assert (small.work / "backup.1").exists()


@pytest.mark.parametrize(
    ("intent", "told"),
    [
        (Intent("fly"), "run-auto"),
        (Intent("run-item", "nothing"), "test-api"),
        (Intent("run-item", "review"), "person"),
        (Intent("run-auto", options={"until": "nothing"}), "test-api"),
        (Intent("run-auto", force=True), "OVERWRITE"),
        (Intent("rollback"), "ROLLBACK"),
        (Intent("restore"), "wsdash restore"),
    ],
)
async def test_senseless_intents_are_refused_with_a_reason(
    session: Session, small: Small, intent: Intent, told: str
) -> None:
    async with session:
        reply = await session.send(intent.do, intent.item, force=intent.force, options=intent.options)
    assert not reply.ok
    assert told in reply.text
    assert states(small) == {}


async def test_force_and_its_word_reach_the_step(session: Session, small: Small) -> None:
    seen: list[tuple[bool, object]] = []
    options = small.options()
    assert options.steps is not None

    class Forced(type(options.steps["backup"])):  # type: ignore[misc]
        async def act(self, ctx: object) -> None:
            seen.append((ctx.force, ctx.options.get("phrase")))  # type: ignore[attr-defined]
            await super().act(ctx)

    session.changes = {"steps": options.steps | {"backup": Forced("backup", small.work)}}
    async with session:
        await session.ask("run-item", "backup", force=True, phrase="OVERWRITE")
        await session.until("backup", "done")
    assert seen == [(True, "OVERWRITE")]


async def test_stopping_interrupts_the_item_and_saves_the_run(session: Session, small: Small) -> None:
    small.put("hold-backup")
    async with session:
        await session.ask("run-item", "backup")
        await session.until("backup", "running")
    item = view(small).item("backup")
    assert (item.state, item.note) == (ItemState.PENDING, "interrupted")
    last = history(small)[-1]
    assert last == EngineStopped("stopped by the operator")


async def test_all_intents_at_once_leave_a_consistent_history(session: Session, small: Small) -> None:
    intents = ["run-auto", "pause", "resume", "ping"]
    async with session:
        await asyncio.gather(*(session.send(do) for do in itertools.islice(itertools.cycle(intents), 40)))
        await session.send("resume")
        await session.ask("run-auto", options={"yes": True})
        await session.until("test-api", "done")
        await session.idle()
    for name in AUTOMATIC:
        assert len(done_events(small, name)) == 1
    assert [e.outcome for e in history(small) if isinstance(e, RunFinished)][-1] is Outcome.MIGRATED
