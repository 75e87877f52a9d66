"""The engine and its world: it is made first, and a run goes on only in the same one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.session import history, states
from tests.engine.small_world import Small
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import wait_for_engine
from wsdash.engine.process import serve
from wsdash.errors import InputError
from wsdash.model import EngineStopped, Intent, Notice, RunStarted, SetupProgress
from wsdash.runtime import current_state


async def test_the_newest_run_can_be_found(small: Small) -> None:
    await serve(small.options())
    assert current_state() == small.state.resolve()


async def test_the_world_is_made_first_and_its_progress_told(small: Small) -> None:
    torn_down = []

    async def prepare(progress: Callable[[SetupProgress], None]) -> Path:
        progress(SetupProgress("servers", 1, 2))
        return small.config

    async def teardown() -> None:
        torn_down.append(True)

    options = small.options(config=None, prepare=prepare, teardown=teardown, auto=True, yes=True)
    assert await serve(options) == 0
    kinds = [type(event) for event in history(small)]
    assert kinds.index(RunStarted) < kinds.index(SetupProgress)
    started = next(event for event in history(small) if isinstance(event, RunStarted))
    assert started.world == "demo"
    assert torn_down == [True]


async def test_a_world_that_cannot_be_made_is_told_and_taken_down(small: Small) -> None:
    torn_down = []

    async def prepare(progress: Callable[[SetupProgress], None]) -> Path:
        raise InputError("port 5433 is taken", where="pid 1", remedy="stop it")

    async def teardown() -> None:
        torn_down.append(True)

    with pytest.raises(InputError, match="port 5433 is taken"):
        await serve(small.options(config=None, prepare=prepare, teardown=teardown))
    assert torn_down == [True]
    assert history(small)[-1] == EngineStopped("port 5433 is taken")
    assert any(isinstance(e, Notice) and "port 5433" in e.text for e in history(small))


async def test_while_the_world_is_made_intents_wait_and_stop_works(small: Small) -> None:
    async def prepare(progress: Callable[[SetupProgress], None]) -> Path:
        await asyncio.sleep(60)
        return small.config

    serving = asyncio.create_task(serve(small.options(config=None, prepare=prepare, exit_when_done=False)))
    assert await wait_for_engine(small.state)
    client = ControlClient(small.state)
    assert not (await client.send(Intent("run-auto"))).ok
    assert (await client.send(Intent("stop"))).ok
    assert await asyncio.wait_for(serving, 90) == 0


async def test_a_run_is_not_carried_on_in_another_world(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(small.options(auto=True, yes=True, until="backup"))
    monkeypatch.setenv("WSDASH__SOURCE__PORT", "6543")
    with pytest.raises(InputError, match=r"another world.*6543.*--state"):
        await serve(small.options(auto=True, yes=True))
    assert states(small) == {"backup": "done"}


async def test_before_its_first_effect_the_world_may_be_corrected(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(small.options())
    monkeypatch.setenv("WSDASH__SOURCE__PORT", "6543")
    assert await serve(small.options(auto=True, yes=True)) == 0


async def test_a_run_is_not_carried_on_with_another_plan(small: Small) -> None:
    await serve(small.options(auto=True, yes=True, until="backup"))
    plan = small.config / "plan.yaml"
    plan.write_text(plan.read_text().replace("backup", "save"))
    options = small.options(auto=True)
    assert options.steps is not None
    options.steps["save"] = options.steps["backup"]
    with pytest.raises(InputError, match=r"another plan.*backup"):
        await serve(options)


async def test_an_automatic_item_without_a_step_is_refused(small: Small) -> None:
    with pytest.raises(InputError, match="backup"):
        await serve(small.options(steps={}))
