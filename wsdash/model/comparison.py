"""Both sides compared by content because somebody asked: how they were at that moment. No item's evidence."""

from __future__ import annotations

import msgspec

from wsdash.model.base import Event

COMPARE = "compare"
"""The intent."""
EQUAL, DIFFERS, MOVING = "equal", "differs", "moving"
"""How a table compares; moving: it is written to too fast for an answer."""


class TableCompared(msgspec.Struct, frozen=True):
    """One table. how: EQUAL, DIFFERS (seen twice) or MOVING.

    written: the sides that were written to meanwhile. differences: those seen twice, at most 20 lines for
    people. moved: how many other differences were gone, or read otherwise, the second time.
    """

    name: str
    how: str
    source_rows: int
    target_rows: int
    written: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    moved: int = 0


class ComparisonBegan(Event, frozen=True, tag="comparison-began"):
    """Somebody has both sides compared now."""

    who: str


class SidesCompared(Event, frozen=True, tag="sides-compared"):
    """The comparison is over. began_at: epoch seconds; nothing in it was read before.

    error: why there is no answer, '' when there is one.
    """

    who: str
    began_at: float
    tables: tuple[TableCompared, ...] = ()
    error: str = ""
