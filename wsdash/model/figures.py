"""Figures for people."""

from __future__ import annotations

import math
from collections.abc import Callable

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
