"""The race between an event and an answer: who answered is not silent, whatever happened since."""

from __future__ import annotations

import asyncio
from typing import Any

from wsdash.stack.docker.inspect import Inspections


async def test_an_event_while_another_container_is_slow_makes_no_silence() -> None:
    slow = asyncio.Event()

    async def inspect(name: str) -> dict[str, Any]:
        if name == "slow":
            await slow.wait()
        return {"Id": name}

    inspections = Inspections(inspect, ("quick", "slow"))
    reading = asyncio.create_task(inspections.current())
    await asyncio.sleep(0.01)
    inspections.touch("quick")  # it answered already; the reading waits for the slow one
    slow.set()
    found = await reading
    assert {name: one.silent for name, one in found.items()} == {"quick": False, "slow": False}
    inspections.following = True
    assert "quick" in inspections._due()
