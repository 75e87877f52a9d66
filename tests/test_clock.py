"""Clocks that pass as they are told to."""

from __future__ import annotations

import asyncio

import pytest

from wsdash.clock import ScaledClock, VirtualClock


async def test_whoever_sleeps_on_a_virtual_clock_wakes_in_the_order_of_time() -> None:
    clock = VirtualClock(1000.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.time()))

    tasks = [asyncio.create_task(sleeper(name, at)) for name, at in (("late", 20.0), ("early", 5.0))]
    await asyncio.sleep(0)
    await clock.advance(4)
    assert woken == []
    await clock.advance(30)
    assert woken == [("early", 1005.0), ("late", 1020.0)]
    assert clock.time() == 1034.0
    await asyncio.gather(*tasks)


async def test_a_sleeper_that_was_cancelled_does_not_hold_the_others() -> None:
    clock = VirtualClock()
    gone = asyncio.create_task(clock.sleep(1))
    waiting = asyncio.create_task(clock.sleep(2))
    await asyncio.sleep(0)
    gone.cancel()
    await clock.advance(2)
    await asyncio.wait_for(waiting, 90)


def test_a_scaled_clock_passes_so_many_times_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = [50.0]
    monkeypatch.setattr("wsdash.clock.time.monotonic", lambda: machine[0])
    clock = ScaledClock(3600, start=1_000_000.0)
    machine[0] += 24
    assert clock.time() == pytest.approx(1_000_000.0 + 86_400)
    assert clock.monotonic() == pytest.approx(86_400)


def test_time_must_pass() -> None:
    with pytest.raises(ValueError, match="time must pass"):
        ScaledClock(0)
