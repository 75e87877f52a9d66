"""Asking an engine to end: once, and only where there is something to end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from wsdash.engine.life import INTERRUPTED, Ending
from wsdash.engine.process import EngineOptions


def ending() -> Ending:
    return Ending(EngineOptions(state=Path("nowhere")), lambda text: None)


async def test_only_the_first_reason_to_end_counts() -> None:
    asked = ending()
    asked.main = asyncio.create_task(asyncio.sleep(60, 0))
    asked.stop("the operator left", 0)
    asked.stop("SIGTERM", 130)
    assert (asked.reason, asked.code) == ("the operator left", 0)
    with pytest.raises(asyncio.CancelledError):
        await asked.main


async def test_before_there_is_anything_to_end_nothing_is_noted() -> None:
    asked = ending()
    asked.stop("SIGTERM", 130)
    assert (asked.reason, asked.code) == ("", INTERRUPTED)
