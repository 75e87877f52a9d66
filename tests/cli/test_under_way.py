"""Which fortnight an engine goes on with that is started again without one being named."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from wsdash.cli.running.demo_engine import under_way
from wsdash.demo.days import FORTNIGHT, FortnightBegun, ScriptedDays
from wsdash.demo.days.fortnight import FortnightScript
from wsdash.engine.journal.writer import Journal
from wsdash.model import TimePassing


async def begin(state: Path, *, over: bool) -> None:
    journal = Journal.open(state)
    begun = time.time()
    await journal.put(FORTNIGHT, msgspec.to_builtins(FortnightBegun("gap", 7, 60.0, begun, 0.01)))
    await journal.record(TimePassing(60.0, begun, begun, "gap"))
    if over:
        await journal.record(TimePassing(1.0, begun + 14 * 86_400, begun + 60, "gap", over=True))
    await journal.close()


async def test_the_fortnight_that_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    await begin(tmp_path, over=False)
    assert under_way(tmp_path) == ScriptedDays(FortnightScript("gap", 60.0, 7))


async def test_one_that_is_over_is_not(tmp_path: Path) -> None:
    await begin(tmp_path, over=True)
    assert under_way(tmp_path) is None


async def test_a_run_without_a_fortnight_has_none(tmp_path: Path) -> None:
    assert under_way(tmp_path) is None
    await Journal.open(tmp_path).close()
    assert under_way(tmp_path) is None
