"""Why a service did not start, out of the last lines that it wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 200
_KNOWN = re.compile(
    r"address already in use|permission denied|no space left|cannot allocate memory|out of memory"
    r"|no such file or directory|read-only file system|too many open files|connection refused"
    r"|authentication failed|could not bind|exec format error|executable file not found|is not recognized",
    re.I,
)
"""What operating systems and servers say of the causes that somebody can do something about."""
_GRAVE = re.compile(r"\b(?:FATAL|PANIC|CRITICAL|ERROR)\b|\w(?:Error|Exception)\b|\berror:|\bpanic:")


def cause_of(lines: Sequence[str], *, or_last: bool = True) -> str:
    """The line that names the cause, '' when there is none: the first that says something well known, else
    the first grave one, else (or_last) the last. At most LONGEST characters."""
    written = [line.strip() for line in lines if line.strip()]
    for sign in (_KNOWN, _GRAVE):
        for line in written:
            if sign.search(line):
                return _cut(line, sign)
    return written[-1][:LONGEST] if written and or_last else ""


def _cut(line: str, sign: re.Pattern[str]) -> str:
    """The line, or of a long one the part that holds the cause."""
    if len(line) <= LONGEST:
        return line
    found = sign.search(line)
    start = max(0, (found.end() if found else LONGEST) - LONGEST)
    return ("…" if start else "") + line[start : start + LONGEST]
