"""What a report is built of: cells, tables, sections and times, which Markdown and HTML render alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple


def iso(at: float) -> str:
    """An epoch time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def minute(stamp: str) -> str:
    """An ISO 8601 time in UTC as people read it, to the minute."""
    return stamp[:16].replace("T", " ")


def second(stamp: str) -> str:
    """The same to the second."""
    return stamp[:19].replace("T", " ")


GOOD, BAD, WAIT, DIM, NUMBER = "good", "bad", "wait", "dim", "num"
INSUFFICIENT = "insufficient data"


class Cell(NamedTuple):
    """What a cell says. look: good, bad, wait, dim, num or ''."""

    text: str
    look: str = ""


@dataclass(frozen=True)
class Grid:
    """A table. long: its last column holds sentences; Markdown tells them below the table. widths: per cent
    of a page for each column; without them the columns are as wide as their words."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    long: bool = False
    widths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading, sentences, tables, and sections below it."""

    title: str
    lead: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    below: tuple[Section, ...] = field(default=())
    key: str = ""
    look: str = ""


def ms(seconds: float | None) -> Cell:
    """A time in milliseconds; what was not measured is said so."""
    if seconds is None:
        return Cell("not measured", DIM)
    return Cell(f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms", NUMBER)
