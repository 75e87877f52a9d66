"""The polling loop: schedule, timeout, reconnecting, liveness."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watch.support import EPOCH, FakeClock, Recorder, polling
from wsdash.model import Liveness, SourceState
from wsdash.watch.pollers.poller import Pace, Poller
from wsdash.watch.sources import NotAskedError, NotStartedError, SilentError, backoff


def poller_of(
    probe: Callable[[], Awaitable[None]], clock: FakeClock, seen: Recorder, pace: Pace | None = None
) -> Poller:
    return Poller("it", probe, seen.emit, pace or Pace(), clock=clock, chance=lambda: 1.0)


async def test_probes_start_on_the_grid_whatever_time_an_answer_takes() -> None:
    clock, seen, begun = FakeClock(), Recorder(), list[float]()

    async def probe() -> None:
        begun.append(clock.monotonic())
        await clock.sleep(2.5)

    async with polling(poller_of(probe, clock, seen, Pace(overlap=5)).run):
        await clock.advance(6)
    assert begun == [0, 1, 2, 3, 4, 5, 6]


async def test_a_tick_that_finds_the_one_allowed_probe_under_way_is_left_out() -> None:
    clock, seen, begun = FakeClock(), Recorder(), list[float]()

    async def probe() -> None:
        begun.append(clock.monotonic())
        await clock.sleep(2.5)

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(7)
    assert begun == [0, 3, 6]


async def test_failures_are_tried_again_for_ever_with_growing_capped_pauses() -> None:
    clock, seen, begun = FakeClock(), Recorder(), list[float]()

    async def probe() -> None:
        begun.append(clock.monotonic())
        raise ConnectionRefusedError(111, "Connection refused")

    async with polling(poller_of(probe, clock, seen, Pace(longest_pause=5.0)).run):
        await clock.advance(40)
    pauses = [b - a for a, b in pairwise(begun)]
    assert pauses[:3] == [1, 2, 4]
    assert set(pauses[3:]) == {5}
    states = seen.of(SourceState)
    assert [state.attempt for state in states] == list(range(1, len(begun) + 1))
    assert states[0].liveness is Liveness.RECONNECTING
    assert states[-1].liveness is Liveness.DOWN
    assert states[-1].detail == "connection refused"


async def test_a_source_that_takes_questions_and_is_silent_is_asked_ever_less() -> None:
    """It may be at work on every one of them still."""
    clock, seen, begun = FakeClock(), Recorder(), list[float]()

    async def probe() -> None:
        begun.append(clock.monotonic())
        if len(begun) == 8:
            return
        raise SilentError("no answer within 5 s")

    pace = Pace(longest_pause=5.0, silent_pause=20.0)
    async with polling(poller_of(probe, clock, seen, pace).run):
        await clock.advance(100)
    assert [b - a for a, b in pairwise(begun)][:9] == [1, 2, 4, 8, 16, 20, 20, 1, 1]


async def test_a_source_rests_as_long_as_an_answer_took_and_is_not_stale_meanwhile() -> None:
    clock, seen, begun = FakeClock(), Recorder(), list[float]()
    took = [0.2, 0.2, 1.4, 4.0, 0.4]

    async def probe() -> None:
        begun.append(clock.monotonic())
        await clock.sleep(took[len(begun) - 1] if len(begun) <= len(took) else 0.1)

    async with polling(poller_of(probe, clock, seen, Pace(timeout=11.0, rest=1.0)).run):
        await clock.advance(20)
    assert [b - a for a, b in pairwise(begun)][:6] == [1, 1, 3, 8, 1, 1]
    assert seen.states("it") == [Liveness.LIVE]


def test_an_answer_stands_for_the_ticks_of_its_rest() -> None:
    pace = Pace(rest=1.0)
    assert [pace.ticks(seconds) for seconds in (0.0, 0.2, 0.5, 0.51, 1.0, 4.0)] == [1, 1, 1, 2, 2, 8]
    assert Pace(overlap=6).ticks(5.0) == 1


async def test_a_refused_question_costs_nothing_and_is_asked_again_soon() -> None:
    clock, seen, begun = FakeClock(), Recorder(), list[float]()

    async def probe() -> None:
        begun.append(clock.monotonic())
        raise SilentError("no answer") if len(begun) < 5 else ConnectionRefusedError(111, "refused")

    async with polling(poller_of(probe, clock, seen, Pace(longest_pause=5.0, silent_pause=20.0)).run):
        await clock.advance(60)
    assert [b - a for a, b in pairwise(begun)][:7] == [1, 2, 4, 8, 5, 5, 5]


async def test_next_try_at_names_the_moment_of_the_next_probe() -> None:
    clock, seen, begun = FakeClock(), Recorder(), list[float]()

    async def probe() -> None:
        begun.append(clock.time())
        raise OSError("gone")

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(30)
    promised = [state.next_try_at for state in seen.of(SourceState)]
    assert promised[: len(begun) - 1] == begun[1:]


async def test_a_source_that_comes_back_is_live_again_and_told_once() -> None:
    clock, seen = FakeClock(), Recorder()
    down = True

    async def probe() -> None:
        if down:
            raise OSError("gone")

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(3)
        down = False
        await clock.advance(20)
    assert seen.states("it")[-1] is Liveness.LIVE
    assert seen.states("it").count(Liveness.LIVE) == 1


async def test_a_silent_source_turns_stale_with_its_age() -> None:
    clock, seen = FakeClock(), Recorder()
    answers = True

    async def probe() -> None:
        if not answers:
            await asyncio.Event().wait()

    async with polling(poller_of(probe, clock, seen, Pace(timeout=60)).run):
        await clock.advance(2)
        answers = False
        await clock.advance(5)
    last = seen.of(SourceState)[-1]
    assert (last.liveness, last.detail) == (Liveness.STALE, "no news for 4 s")


async def test_a_probe_that_never_returns_is_given_up_after_its_timeout() -> None:
    seen = Recorder()

    async def probe() -> None:
        await asyncio.Event().wait()

    poller = Poller("it", probe, seen.emit, Pace(interval=0.05, timeout=0.1))
    async with polling(poller.run):
        await seen.until(lambda: len(seen.of(SourceState)) >= 2)
    assert seen.of(SourceState)[0].detail == "no answer within 0.1 s"


async def test_a_late_failure_does_not_overrule_newer_good_news() -> None:
    clock, seen = FakeClock(), Recorder()
    calls = 0

    async def probe() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await clock.sleep(2.5)
            raise OSError("late")

    async with polling(poller_of(probe, clock, seen, Pace(overlap=5)).run):
        await clock.advance(6)
    assert seen.states("it") == [Liveness.LIVE]


async def test_what_is_deliberately_not_there_is_down_without_attempts_and_found_at_the_next_tick() -> None:
    clock, seen = FakeClock(), Recorder()
    started = False

    async def probe() -> None:
        if not started:
            raise NotStartedError("not started: it is created")

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(20)
        started = True
        await clock.advance(1)
    assert seen.of(SourceState) == [
        SourceState("it", Liveness.DOWN, "not started: it is created", attempt=0, next_try_at=None),
        SourceState("it", Liveness.LIVE),
    ]


async def test_a_tick_on_which_nothing_was_asked_changes_nothing() -> None:
    clock, seen, ticks = FakeClock(), Recorder(), 0

    async def probe() -> None:
        nonlocal ticks
        ticks += 1
        raise NotAskedError if ticks % 2 == 0 else NotStartedError("not started: it is stopped")

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(10)
    assert ticks > 9
    assert [state.liveness for state in seen.of(SourceState)] == [Liveness.DOWN]


async def test_a_source_that_is_asked_seldom_does_not_turn_stale() -> None:
    clock, seen, ticks = FakeClock(), Recorder(), 0

    async def probe() -> None:
        nonlocal ticks
        ticks += 1
        if ticks % 10 != 1:
            raise NotAskedError

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(30)
    assert [state.liveness for state in seen.of(SourceState)] == [Liveness.LIVE]


async def test_any_error_of_a_probe_is_told_and_does_not_end_the_loop() -> None:
    clock, seen = FakeClock(), Recorder()

    async def probe() -> None:
        raise ZeroDivisionError("nothing to divide by")

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(10)
    assert "ZeroDivisionError: nothing to divide by" in seen.of(SourceState)[-1].detail


async def test_after_a_long_stall_the_missed_ticks_are_not_made_up_for() -> None:
    clock, seen, begun = FakeClock(), Recorder(), list[float]()

    async def probe() -> None:
        begun.append(clock.monotonic())
        if len(begun) == 2:
            clock.stall(3600)

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(1)
        await clock.advance(2)
    assert begun == [0, 1, 3601, 3602, 3603]


async def test_next_try_is_in_wall_clock_time() -> None:
    clock, seen = FakeClock(), Recorder()

    async def probe() -> None:
        raise OSError("gone")

    async with polling(poller_of(probe, clock, seen).run):
        await clock.advance(0.5)
    assert seen.of(SourceState)[0].next_try_at == EPOCH + 1


@settings(max_examples=200)
@given(st.integers(1, 10_000), st.floats(0.01, 10), st.floats(10, 100), st.floats(0, 1))
def test_a_pause_is_never_longer_than_its_cap_nor_shorter_than_half_the_first(
    attempt: int, first: float, longest: float, chance: float
) -> None:
    pause = backoff(attempt, first, longest, lambda: chance)
    assert first / 2 <= pause <= longest


async def test_a_nudge_asks_at_once_and_never_twice_at_a_time() -> None:
    clock, seen = FakeClock(), Recorder()
    asked: list[float] = []
    gate = asyncio.Event()

    async def probe() -> None:
        asked.append(clock.monotonic())
        await gate.wait()

    poller = Poller("containers", probe, seen.emit, Pace(interval=1.0, timeout=60.0), clock=clock)
    async with polling(poller.run):
        await clock.advance(0.25)
        for _ in range(5):
            poller.nudge()
        await clock.advance(0.25)
        assert asked == [0.0]
        gate.set()
        await clock.advance(0.0)
        assert asked == [0.0, 0.5]
        poller.nudge()
        await clock.advance(0.4)
        assert asked == [0.0, 0.5, 0.5]
        await clock.advance(0.2)
        assert asked == [0.0, 0.5, 0.5, 1.0]


async def test_a_nudge_does_not_wait_for_the_pause_after_a_failure() -> None:
    clock, seen = FakeClock(), Recorder()
    asked: list[float] = []

    async def probe() -> None:
        asked.append(clock.monotonic())
        if len(asked) < 4:
            raise ConnectionRefusedError

    poller = Poller("containers", probe, seen.emit, Pace(interval=1.0), clock=clock, chance=lambda: 1.0)
    async with polling(poller.run):
        await clock.advance(3.1)
        before = len(asked)
        poller.nudge()
        await clock.advance(0.1)
        assert len(asked) == before + 1
