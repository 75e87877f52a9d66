"""Lines of any age: the moment that somebody means, and the spool's lines around it. Blocks for I/O."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from wsdash.engine.background.spool import SpoolReader
from wsdash.errors import InputError
from wsdash.model import LogLine
from wsdash.tui.loglines import MOST_LINES

BEFORE = MOST_LINES // 5
"""So many of the lines that are read lie before the moment."""
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"-\s*(\d{1,7})\s*(s|min|m|h|d)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
DAY = 86400.0


def moment(text: str, now: float) -> float:
    """What 10:32, 10:32:05, -5m, -2h, -3d or 2025-11-30 10:32 means at `now`; epoch seconds, local time.

    A time of day is the last one that has been. Raises InputError.
    """
    text = text.strip()
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        if clock := _CLOCK.fullmatch(text):
            hour, minute, second = (int(part or 0) for part in clock.groups())
            today = datetime.fromtimestamp(now).replace(
                hour=hour, minute=minute, second=second, microsecond=0
            )
            at = today.timestamp()
            return at if at <= now else at - DAY
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(
            f"{text!r} is no time", where="logs, go to a time", remedy="10:32, -5m, -2h or 2025-11-30 10:32"
        ) from error


def around(state: Path, at: float) -> list[LogLine]:
    """The lines that the spool holds around that moment, some of them before it; oldest first."""
    reader = SpoolReader(state)
    cursor = reader.at(at)
    found: list[LogLine] = []
    while True:
        lines, cursor = reader.read(cursor)
        found += lines
        place = next((number for number, line in enumerate(found) if line.at >= at), len(found))
        if place > BEFORE and len(found) > BEFORE:
            found, place = found[place - BEFORE :], BEFORE
        if not lines or len(found) - place >= MOST_LINES - BEFORE:
            return found[:MOST_LINES]


def older(state: Path, than: float) -> list[LogLine]:
    """The lines that the spool holds before that moment, as many as a screen keeps; oldest first."""
    reader = SpoolReader(state)
    found: list[LogLine] = []
    for lines in reader.backwards(than):
        found = [line for line in lines if line.at < than] + found
        if len(found) >= MOST_LINES:
            break
    return found[-MOST_LINES:]
