"""Numbers, sizes, durations and moments as people read them: one way on screens, in reports, in messages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


def clock(seconds: float | None) -> str:
    """A duration as 0:41, 12:05 or 3:12:05; – when unknown."""
    if seconds is None:
        return "–"
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    if hours >= 100:
        return f"{hours // 24}d {hours % 24}h"
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def took(seconds: float) -> str:
    """How long something took: 0.42 s, 12.3 s, then as a clock."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def age(seconds: float | None) -> str:
    """An age in one unit: 3 s, 12 min, 5 h, 2 d."""
    if seconds is None:
        return "–"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def calm(seconds: float) -> float:
    """An age for a line among many: in steps of 10 seconds, so that not each of them ticks each second.

    The first ten stay as they are: what has just happened is seen to be new.
    """
    return seconds if seconds < 10 else seconds // 10 * 10


def when(at: float) -> str:
    """A moment in the one zone of all that people read, this machine's (see zone): Nov 29 22:12."""
    return time.strftime("%b %d %H:%M", time.localtime(at))


def stamp(at: float) -> str:
    """A moment to the second with its zone, for use by itself: 2025-11-29 22:12:05 CET."""
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))


def zone() -> str:
    """The name of the zone of every time; shown once, where times are."""
    return time.strftime("%Z") or "local time"


def size(amount: float | None) -> str:
    """Bytes as people read them (1 KiB = 1024 B): 512 B, 3.4 MiB; – when unknown."""
    if amount is None:
        return "–"
    value = float(amount)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def count(number: int | None) -> str:
    """A count in groups of three, as f"{number:,}" has it everywhere: 10,000; – when unknown."""
    return "–" if number is None else f"{number:,}"


def at_least(number: int) -> str:
    """A count that grows all the time, from a hundred on in steps of a hundred: 87, 1,200+."""
    return count(number) if number < 100 else f"{count(number // 100 * 100)}+"


def milliseconds(seconds: float | None) -> str:
    """A latency in ms: 3.4, 12, 1204; – when there is none."""
    if seconds is None:
        return "–"
    value = seconds * 1000
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


MOST_DIGITS = 8


def distinct_from(value: float, limit: float, say: Callable[[float, int], str]) -> str:
    """A value that was compared with a limit, in as many digits as it takes to read another than the limit,
    where it is another. say: a value and how many digits more than usual -> its words."""
    text = say(value, 0)
    for more in range(1, MOST_DIGITS):
        if value == limit or math.isinf(value) or text != say(limit, more - 1):
            break
        text = say(value, more)
    return text
