"""The race between an event and an answer: who answered is not silent, whatever happened since."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wsdash.errors import UnreachableError, WsdashError
from wsdash.stack.docker.inspect import Inspections, _number


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


def answering(**answers: Any) -> Inspections:
    """Containers by name, each with what the engine answers about it: a value, or what is raised."""

    async def inspect(name: str) -> dict[str, Any]:
        if isinstance(answers[name], Exception):
            raise answers[name]
        return {"Id": answers[name]}

    return Inspections(inspect, answers)


async def test_an_answer_that_cannot_be_used_hides_no_other_container() -> None:
    found = await answering(ill=WsdashError("too large"), well="7").current()
    assert {name: (one.inspected, one.trouble) for name, one in found.items()} == {
        "ill": (None, "too large"),
        "well": ({"Id": "7"}, ""),
    }


async def test_when_no_answer_can_be_used_the_reason_is_raised() -> None:
    with pytest.raises(WsdashError, match="forbidden"):
        await answering(one=WsdashError("forbidden"), two=WsdashError("forbidden")).current()


async def test_an_engine_that_is_gone_is_no_trouble_of_one_container() -> None:
    with pytest.raises(UnreachableError):
        await answering(one=UnreachableError("gone"), two="2").current()


@pytest.mark.parametrize(("label", "number"), [("3", 3), ("", 0), ("x", 0), ("-1", 0), ("9" * 5_000, 0)])
def test_a_containers_number_is_whatever_somebody_wrote(label: str, number: int) -> None:
    assert _number({"Labels": {"com.docker.compose.container-number": label}}) == number
