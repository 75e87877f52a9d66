"""Which side serves at the end of an online move, also where the other one is away."""

from __future__ import annotations

import pytest

from wsdash.data.online.capture.position import State
from wsdash.data.pg.connect import Endpoint
from wsdash.engine.run import traces
from wsdash.engine.run.traces import serving_side
from wsdash.errors import RefusedError, UnreachableError

AWAY = UnreachableError("it is stopped")


def side(state: str, turn: int = 1) -> State:
    assert state in ("open", "closed")
    return State("run", state, turn, None, "", None, None, "", frozenset(), "", "", "")  # type: ignore[arg-type]


async def asked(
    source: State | None, target: State | UnreachableError | None, monkeypatch: pytest.MonkeyPatch
) -> str:
    async def read(endpoint: Endpoint) -> State | None:
        found = source if endpoint.label == "data-timescale" else target
        if isinstance(found, UnreachableError):
            raise found
        return found

    monkeypatch.setattr(traces, "read_side_state", read)
    return await serving_side(None)


@pytest.mark.parametrize(
    ("source", "target", "serves"),
    [
        (None, None, ""),
        (None, AWAY, ""),
        (side("open"), AWAY, "source"),
        (side("open"), side("closed"), "source"),
        (side("closed"), side("open"), "target"),
        (side("open", 3), side("open", 2), "source"),
    ],
)
async def test_the_side_that_takes_writes_serves(
    source: State | None,
    target: State | UnreachableError | None,
    serves: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await asked(source, target, monkeypatch) == serves


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (side("closed"), AWAY, "the source is closed, the target is not part of a move"),
        (side("closed"), side("closed"), "the source is closed, the target is closed"),
        (side("open", 2), side("open", 2), "the source is open, the target is open"),
        (None, side("open"), "the source is not part of a move, the target is open"),
    ],
)
async def test_what_is_no_end_of_a_move_is_refused(
    source: State | None, target: State | UnreachableError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RefusedError, match=said):
        await asked(source, target, monkeypatch)
