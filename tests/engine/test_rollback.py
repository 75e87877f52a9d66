"""A rollback takes every item back in reverse order, stops where it fails, and can be taken up again."""

from __future__ import annotations

import pytest

from tests.engine.session import Session, history, states, view
from tests.engine.small_world import AUTOMATIC, Small
from wsdash.engine.process import serve
from wsdash.engine.run.ticks import tick_at_rest
from wsdash.errors import InputError, RefusedError
from wsdash.model import Downtime, Intent, ItemState, Outcome


def undone(small: Small) -> list[str]:
    return [line.removeprefix("undo ") for line in small.ledger() if line.startswith("undo ")]


async def test_everything_is_taken_back_in_reverse_with_evidence(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    assert await serve(small.options(rollback=True)) == 0
    assert undone(small) == list(reversed(AUTOMATIC))
    assert {name: states(small)[name] for name in AUTOMATIC} == dict.fromkeys(AUTOMATIC, "undone")
    assert view(small).item("copy").evidence == "files removed"
    assert view(small).item("backup").evidence == "nothing to take back"
    assert view(small).finished is Outcome.ROLLED_BACK
    assert small.files() == {f"backup.{number}" for number in range(4)}


async def test_what_was_never_begun_is_not_taken_back(small: Small) -> None:
    await serve(small.options(auto=True, yes=True, until="stop-old"))
    await serve(small.options(rollback=True))
    assert undone(small) == ["stop-old", "backup"]


async def test_a_failed_item_is_taken_back_too(small: Small) -> None:
    small.put("refuse-copy", "no")
    await serve(small.options(auto=True, yes=True))
    await serve(small.options(rollback=True))
    assert undone(small) == ["copy", "stop-old", "backup"]


async def test_what_a_person_confirmed_is_about_one_migration_and_ends_with_it(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    await serve(small.options(rollback=True))
    assert states(small)["review"] == "undone"
    assert "it was done for the migration that is rolled back" in view(small).item("review").evidence


async def test_a_failing_undo_stops_the_rollback_and_the_next_one_goes_on(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    refusal = small.put("refuse-undo-copy", "it is in use")
    assert await serve(small.options(rollback=True)) == 1
    item = view(small).item("copy")
    assert (item.state, item.evidence) == (ItemState.FAILED, "it is in use")
    assert states(small)["stop-old"] == "done"
    assert "copy" in view(small).detail
    refusal.unlink()
    assert await serve(small.options(rollback=True)) == 0
    assert undone(small) == ["test-api", "copy", "copy", "stop-old", "backup"]


async def test_no_migration_goes_forward_over_half_a_rollback(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    small.put("refuse-undo-copy", "it is in use")
    await serve(small.options(rollback=True))
    with pytest.raises(RefusedError, match="wsdash rollback"):
        await serve(small.options(auto=True, yes=True))


async def test_a_rollback_that_stopped_names_a_way_back_and_a_way_forward(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    refusal = small.put("refuse-undo-copy", "it is in use")
    await serve(small.options(rollback=True))
    assert "wsdash skip copy --who NAME --why TEXT" in view(small).detail
    assert "wsdash migrate --abandon-rollback" in view(small).detail
    refusal.unlink()
    assert await serve(small.options(auto=True, yes=True, abandon_rollback=True)) == 0
    assert states(small)["test-api"] == "done"
    with pytest.raises(InputError, match="nothing to abandon"):
        await serve(small.options(auto=True, yes=True, abandon_rollback=True))


async def test_an_item_that_cannot_be_taken_back_can_be_left_as_it_is(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    small.put("refuse-undo-copy", "it is in use")
    await serve(small.options(rollback=True))
    options = small.options()
    skip = Intent("skip", "copy", "Ana", "we keep the files")
    assert (await tick_at_rest(options.state, options.config, skip, options.steps)).ok
    assert await serve(small.options(rollback=True)) == 0
    assert undone(small) == ["test-api", "copy", "stop-old", "backup"]
    assert "left as it is by Ana: we keep the files" in view(small).item("copy").evidence
    assert view(small).finished is Outcome.ROLLED_BACK


async def test_a_backup_is_only_named_for_a_rollback_that_restores_it(small: Small) -> None:
    with pytest.raises(InputError, match="would restore nothing: stop-old is pending"):
        await serve(small.options(rollback=True, restore="backup.sql"))
    await serve(small.options(auto=True, yes=True))
    assert await serve(small.options(rollback=True)) == 0
    with pytest.raises(InputError, match="would restore nothing: stop-old is undone"):
        await serve(small.options(rollback=True, restore="backup.sql"))


async def test_after_a_rollback_the_migration_can_be_run_again(small: Small) -> None:
    await serve(small.options(auto=True, yes=True))
    await serve(small.options(rollback=True))
    assert await serve(small.options(auto=True, yes=True)) == 0
    assert view(small).finished is Outcome.MIGRATED
    assert len(small.files()) == 16


async def test_a_rollback_in_the_middle_ends_the_downtime(small: Small) -> None:
    await serve(small.options(auto=True, yes=True, until="copy"))
    await serve(small.options(rollback=True))
    clock = [event for event in history(small) if isinstance(event, Downtime)]
    assert [event.running for event in clock] == [True, False]
    assert clock[0].started_at == clock[1].started_at


async def test_an_operator_rolls_back_out_of_a_running_item(session: Session, small: Small) -> None:
    small.put("hold-copy")
    async with session:
        await session.ask("run-auto", options={"yes": True})
        await session.acting("copy")
        assert not (await session.send("rollback", phrase="yes")).ok
        await session.ask("rollback", phrase="ROLLBACK")
        await session.until("backup", "undone")
        await session.idle()
    assert undone(small) == ["copy", "stop-old", "backup"]
    assert view(small).finished is Outcome.ROLLED_BACK


async def test_an_item_interrupted_inside_its_act_is_taken_back(session: Session, small: Small) -> None:
    small.put("hold-copy")
    async with session:
        await session.ask("run-auto", options={"yes": True})
        await session.acting("copy")
    assert states(small)["copy"] == "pending"
    await serve(small.options(rollback=True))
    assert undone(small) == ["copy", "stop-old", "backup"]
