"""The run's clock is part of the run: days that were lived fast are gone on with, never begun again."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.engine.short_days import (
    TICK,
    TICKS,
    ShortDays,
    begun_at,
    history,
    image,
    made,
    minutes,
    samples,
    told,
)
from tests.engine.small_world import Small
from wsdash.clock import ShiftedClock, VirtualClock
from wsdash.demo.days import Life, ScriptedDays
from wsdash.engine.journal.writer import Journal, JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import wait_for_engine
from wsdash.engine.options import EngineOptions
from wsdash.engine.process import serve
from wsdash.engine.run.decisions import decide_at_rest
from wsdash.errors import InputError
from wsdash.model import (
    AlertChanged,
    CriterionConfirmed,
    HostReading,
    Intent,
    ItemChanged,
    ItemState,
    Notice,
    TimePassing,
    run_time,
)
from wsdash.model.facts import Fact
from wsdash.review.story import read_story

MOMENTS = (0, 59, 70, 119, 120, 215, 255, TICKS - 1)
"""Ticks: the first, at the slow spell, when a person speaks, unwatched, between two restarts, the last."""


def photographed(directory: Path, state: Path) -> ShortDays:
    """The days, with an image of the disk at each of the moments."""

    def shot(number: int) -> Callable[[Life], Awaitable[None]]:
        async def take(life: Life) -> None:
            journal = life._journal
            while journal.waiting:  # noqa: ASYNC110 - its thread is waited for
                await asyncio.sleep(0.001)
            await journal.put(Fact("moment", int), number)  # written: all before it is, too
            image(state, directory / f"at-{number}")

        return take

    return ShortDays(at_tick={number: shot(number) for number in MOMENTS})


async def test_days_that_a_killed_engine_left_are_lived_to_the_same_end(tmp_path: Path) -> None:
    small, undisturbed = made(tmp_path, ShortDays())
    undisturbed = dataclasses.replace(undisturbed, source=ScriptedDays(photographed(tmp_path, small.state)))
    assert await serve(undisturbed) == 0
    begun = begun_at(small.state)
    wanted, kept = told(small.state, begun), samples(small.state, begun)
    assert {type(event) for _, event in wanted} >= {AlertChanged, CriterionConfirmed}
    for number in MOMENTS:
        state = tmp_path / f"at-{number}"
        assert (
            await serve(dataclasses.replace(undisturbed, state=state, source=ScriptedDays(ShortDays()))) == 0
        )
        assert told(state, begun) == wanted, number
        assert samples(state, begun) == kept, number
        assert_time_never_goes_back(state)


def assert_time_never_goes_back(state: Path) -> None:
    reader = JournalReader(state)
    times = [recorded.at for recorded in reader.events(0, 1_000_000)]
    reader.close()
    assert all(before <= after for before, after in pairwise(times))


async def lived(directory: Path) -> tuple[Small, EngineOptions, TimePassing]:
    """Days that are over."""
    small, options = made(directory, ShortDays())
    assert await serve(options) == 0
    return small, options, passing(small.state)


def passing(state: Path) -> TimePassing:
    reader = JournalReader(state)
    try:
        found, _ = reader.time()
    finally:
        reader.close()
    assert found is not None
    return found


async def test_when_the_days_are_over_time_passes_as_the_machines_for_everybody(tmp_path: Path) -> None:
    small, _, over = await lived(tmp_path)
    assert over.over
    assert over.at > begun_at(small.state) + (TICKS - 1) * TICK
    assert over.at % 60 == 0  # no minute holds samples of both
    ahead = over.at - over.machine_at
    journal = Journal.open(small.state)
    assert isinstance(journal.clock, ShiftedClock)
    assert journal.clock.shift == ahead
    await journal.close()
    assert read_story(small.state, small.config).now - time.time() == pytest.approx(ahead, abs=60)
    reader = JournalReader(small.state)
    assert reader.run_time(over.machine_at + 7200) == pytest.approx(over.at + 7200, abs=0.001)
    reader.close()


async def test_a_decision_without_an_engine_is_made_at_the_runs_time(tmp_path: Path) -> None:
    small, _, over = await lived(tmp_path)
    intent = Intent("confirm-criterion", "rollback-tested", "Bruno", "twice")
    assert (await decide_at_rest(small.state, small.config, intent)).ok
    at = next(r.at for r in history(small.state) if getattr(r.event, "who", "") == "Bruno")
    assert at >= over.at


async def test_an_engine_on_days_that_are_over_watches_the_world_and_lives_them_no_more(
    tmp_path: Path,
) -> None:
    small, options, over = await lived(tmp_path)
    begun = begun_at(small.state)
    before = told(small.state, begun), minutes(small.state, begun)
    again = dataclasses.replace(
        options, exit_when_done=False, watch=True, auto=False, source=ScriptedDays(ShortDays())
    )
    engine = asyncio.create_task(serve(again))
    try:
        assert await wait_for_engine(small.state)
        at = await read_after(small.state, over.at)
        assert run_time(over, time.time(), 0.0) - at < 600
    finally:
        await ControlClient(small.state).send(Intent("stop"))
        await asyncio.wait_for(engine, 90)
    after = minutes(small.state, begun)
    assert told(small.state, begun) == before[0]
    assert {name: after[name] for name in before[1]} == before[1]
    assert_time_never_goes_back(small.state)
    texts = [r.event.text for r in history(small.state) if isinstance(r.event, Notice)]
    assert any("was lived after this migration" in text for text in texts)


async def test_after_the_days_the_same_engine_watches_the_world_at_the_runs_time(tmp_path: Path) -> None:
    small, options = made(tmp_path, ShortDays(), exit_when_done=False, watch=True)
    engine = asyncio.create_task(serve(options))
    try:
        assert await wait_for_engine(small.state)
        async with asyncio.timeout(60):
            while not any(  # noqa: ASYNC110 - the journal is what is waited for
                isinstance(r.event, TimePassing) and r.event.over for r in history(small.state)
            ):
                await asyncio.sleep(0.05)
        over = passing(small.state)
        at = await read_after(small.state, over.at)
        assert at < over.at + 600
    finally:
        await ControlClient(small.state).send(Intent("stop"))
        await asyncio.wait_for(engine, 90)
    assert_time_never_goes_back(small.state)
    joined = [r.event for r in history(small.state) if isinstance(r.event, AlertChanged) and r.at >= over.at]
    known = {
        r.event.alert for r in history(small.state) if isinstance(r.event, AlertChanged) and r.at < over.at
    }
    assert all(not change.raised or change.alert in known for change in joined)


async def read_after(state: Path, at: float) -> float:
    """When the world itself was read first after that time of the run."""
    async with asyncio.timeout(60):
        while True:
            reader = JournalReader(state)
            found = [
                recorded.at
                for recorded in reader.events(0, 1_000_000)
                if isinstance(recorded.event, HostReading) and recorded.at >= at
            ]
            reader.close()
            if found:
                return found[0]
            await asyncio.sleep(0.05)


async def test_an_engine_that_does_not_live_the_days_leaves_them_where_they_stood(tmp_path: Path) -> None:
    small, undisturbed = made(tmp_path, ShortDays())
    undisturbed = dataclasses.replace(undisturbed, source=ScriptedDays(photographed(tmp_path, small.state)))
    assert await serve(undisturbed) == 0
    begun, state = begun_at(small.state), tmp_path / "at-119"
    other = dataclasses.replace(undisturbed, state=state, source=None, auto=False, items=("benchmarks",))
    await serve(other)
    stood = passing(state)
    assert not stood.over
    assert stood.at == begun + 119 * TICK
    assert await serve(dataclasses.replace(undisturbed, state=state, source=ScriptedDays(ShortDays()))) == 0
    assert passing(state).over
    assert_time_never_goes_back(state)
    assert {"Ana"} == {r.event.who for r in history(state) if isinstance(r.event, CriterionConfirmed)}


async def test_an_item_that_ran_when_the_engine_died_does_not_end_the_days(tmp_path: Path) -> None:
    small, undisturbed = made(tmp_path, ShortDays())
    undisturbed = dataclasses.replace(undisturbed, source=ScriptedDays(photographed(tmp_path, small.state)))
    assert await serve(undisturbed) == 0
    begun, state = begun_at(small.state), tmp_path / "at-70"
    journal = Journal.open(state)
    await journal.record(ItemChanged("benchmarks", ItemState.RUNNING))
    await journal.close()
    again = dataclasses.replace(undisturbed, state=state, source=ScriptedDays(ShortDays()), auto=False)
    assert await serve(again) == 0
    assert passing(state).over
    assert passing(state).at > begun + (TICKS - 1) * TICK


async def test_days_of_a_migration_that_was_taken_back_are_over(tmp_path: Path) -> None:
    small, undisturbed = made(tmp_path, ShortDays())
    undisturbed = dataclasses.replace(undisturbed, source=ScriptedDays(photographed(tmp_path, small.state)))
    assert await serve(undisturbed) == 0
    begun, state = begun_at(small.state), tmp_path / "at-70"
    journal = Journal.open(state)
    await journal.record(ItemChanged("migrate-data", ItemState.UNDONE))
    await journal.close()
    await serve(dataclasses.replace(undisturbed, state=state, source=None, auto=False))
    assert passing(state).over
    assert 0 < passing(state).at - (begun + 70 * TICK) < 120


async def test_other_days_than_those_under_way_are_refused(tmp_path: Path) -> None:
    small, undisturbed = made(tmp_path, ShortDays())
    undisturbed = dataclasses.replace(undisturbed, source=ScriptedDays(photographed(tmp_path, small.state)))
    assert await serve(undisturbed) == 0
    other = dataclasses.replace(
        undisturbed, state=tmp_path / "at-70", source=ScriptedDays(ShortDays("other"))
    )
    with pytest.raises(InputError, match=r"the fortnight short \(seed 1\) is being lived here"):
        await serve(other)


def test_a_journal_without_days_is_on_the_machines_clock(tmp_path: Path) -> None:
    assert run_time(None, 5.0, 99.0) == 5.0
    journal = Journal.open(tmp_path)
    assert not isinstance(journal.clock, ShiftedClock | VirtualClock)
    asyncio.run(journal.close())
