"""What shows a run's events to somebody may fail; the run goes on."""

from __future__ import annotations

import errno
import os

import pytest

from wsdash.engine.life import Outlet
from wsdash.model import Notice, Recorded


@pytest.mark.parametrize(
    ("number", "shown"),
    [(errno.ENOSPC, ["second", "third"]), (errno.EDQUOT, ["second", "third"]), (errno.EIO, [])],
    ids=["a full disk may have room again", "a quota too", "a terminal that is gone stays gone"],
)
async def test_after_an_event_that_could_not_be_shown(number: int, shown: list[str]) -> None:
    seen: list[str] = []

    def show(recorded: Recorded) -> None:
        assert isinstance(recorded.event, Notice)
        if recorded.event.text == "first":
            raise OSError(number, os.strerror(number))
        seen.append(recorded.event.text)

    outlet = Outlet(show)
    for text in ("first", "second", "third"):
        outlet.put(Recorded(1, 0.0, Notice("info", text)))
    await outlet.close()
    assert seen == shown
