"""The log pane's lines without the screen: bounded, filtered, searchable. No drawing.

Lines of any age come from the spool, around the moment that somebody means; reading them blocks for I/O.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

from wsdash.engine.background.spool import SpoolReader
from wsdash.errors import InputError
from wsdash.model import LogLine
from wsdash.outside import read_json, without_sequences
from wsdash.outside.severity import severity as severity_of_text

MOST_LINES = 10_000
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")
_BREAK = re.compile(r"\s*[\n\x0b\x0c\r\x85\u2028\u2029]\s*")
"""What a JSON record may hold within a line, and what would break the screen's lines."""
OWN_PROBE = "wsdash-probe"
"""The part of an access log's line about a request of wsdash's pollers: they say so as their agent."""
LEVELS = ("all", "warnings", "errors")


def severity(line: LogLine) -> int:
    """2 for an error, 1 for a warning, 0 for the rest; our own markers count by their glyph."""
    if line.stream == "wsdash":
        return 2 if line.text.startswith("✗") else 1 if line.text.startswith(("▲", "–", "↶")) else 0
    return severity_of_text(line.text)


@lru_cache(MOST_LINES)
def readable(text: str) -> str:
    """A line as people read it: LEVEL message key=value for a JSON record with a message, else as written."""
    if not text.startswith("{"):
        return clean(text)
    try:
        record = read_json(text)
        parts = [str(record.pop("level", "")).upper(), str(record.pop("message"))]
    except (ValueError, KeyError, AttributeError):
        return clean(text)
    for name in ("time", "timestamp", "ts"):
        record.pop(name, None)
    parts += [f"{name}={value}" for name, value in record.items()]
    return clean(" ".join(part for part in parts if part))


def clean(text: str) -> str:
    """Text as one line, without control codes, tabs expanded."""
    if text.isprintable():
        return text
    return _BREAK.sub(" ", _CONTROL.sub("", without_sequences(text))).expandtabs(4)


def pattern(text: str) -> re.Pattern[str]:
    """What somebody typed as a search: a regular expression when it is one, else literally. Ignores case."""
    try:
        return re.compile(text, re.I)
    except re.error:
        return re.compile(re.escape(text), re.I)


def own_probe(line: LogLine) -> bool:
    """Whether a line only tells of a probe of ours that went well."""
    return OWN_PROBE in line.text and severity(line) < 2


@dataclass
class LogLines:
    """The newest lines of all, and those of them that pass the filters.

    container: '' for all. level: 0 all, 1 warnings and errors, 2 errors. include: only lines that it is found
    in, with `context` lines before and after each. dropped counts lines let go here.
    """

    container: str = ""
    level: int = 0
    probes: bool = False
    """Whether lines about wsdash's own probes are shown."""
    hidden: int = 0
    """Lines about own probes that are kept and not shown."""
    include: re.Pattern[str] | None = None
    context: int = 0
    all: deque[LogLine] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    shown: deque[LogLine] = field(default_factory=deque)
    containers: dict[str, int] = field(default_factory=dict)
    """Containers that wrote, in the order they were first heard of, with their number of lines so far."""
    dropped: int = 0
    gone: int = 0
    """Shown lines that went at the top: added to a place in `shown` it is a number that a line keeps."""
    _before: deque[LogLine] = field(default_factory=deque)
    """Lines that would be context if the next one is included."""
    _after: int = 0
    """How many more lines are context of the last one that was included."""

    def extend(self, lines: Iterable[LogLine]) -> tuple[int, int]:
        """Take in new lines; how many of them are shown, and how many shown ones went at the top."""
        added = pruned = 0
        for line in lines:
            self.containers[line.container] = self.containers.get(line.container, 0) + 1
            if len(self.all) == self.all.maxlen:
                self.dropped += 1
                if self.shown and self.shown[0] is self.all[0]:
                    self.shown.popleft()
                    pruned += 1
            self.all.append(line)
            self.hidden += self._own(line)
            added += self._show(line)
        self.gone += pruned
        return added, pruned

    def includes(self, line: LogLine) -> bool:
        """Whether the line itself is wanted, not only shown around one that is."""
        return self.include is None or self.include.search(as_text(line)) is not None

    def _show(self, line: LogLine) -> int:
        """Take a line into what is shown, if it is; how many lines that adds."""
        if not self.passes(line):
            return 0
        if self.include is None:
            self.shown.append(line)
            return 1
        if self.includes(line):
            added = [*self._before, line]
            self._before.clear()
            self._after = self.context
        elif self._after > 0:
            added, self._after = [line], self._after - 1
        else:
            self._before.append(line)
            if len(self._before) > self.context:
                self._before.popleft()
            return 0
        self.shown.extend(added)
        return len(added)

    def passes(self, line: LogLine) -> bool:
        """Whether the filters show it."""
        if self._own(line):
            return False
        if self.container and line.container not in (self.container, "wsdash"):
            return False
        return not self.level or severity(line) >= self.level

    def _own(self, line: LogLine) -> bool:
        """Whether it only tells of a probe of ours that went well, and such lines are hidden."""
        return not self.probes and own_probe(line)

    def refilter(self) -> None:
        """Apply changed filters to what is kept."""
        self.shown.clear()
        self._before.clear()
        self._after = self.gone = 0
        for line in self.all:
            self._show(line)
        self.hidden = sum(self._own(line) for line in self.all)

    def next_container(self) -> str:
        """The filter after the present one: all, then each container."""
        names = ["", *(name for name in self.containers if name != "wsdash")]
        place = names.index(self.container) if self.container in names else 0
        return names[(place + 1) % len(names)]


class Search:
    """What is sought in the lines, and which have it, by the numbers that they keep (see LogLines.gone)."""

    def __init__(self) -> None:
        self.text = ""
        self.wanted: re.Pattern[str] | None = None
        self.found: list[int] = []

    def begin(self, text: str, lines: LogLines) -> None:
        """Seek another text; '' for nothing."""
        self.text, self.wanted = text, pattern(text) if text else None
        self.look(lines)

    def look(self, lines: LogLines, newest: int | None = None) -> None:
        """Look through all that is shown, or only the newest lines: the others were looked through."""
        if self.wanted is None:
            self.found = []
            return
        begin = 0 if newest is None else max(0, len(lines.shown) - newest)
        new = islice(lines.shown, begin, None)
        found = [n + lines.gone for n, line in enumerate(new, begin) if self.wanted.search(as_text(line))]
        kept = [] if newest is None else self.found[bisect_left(self.found, lines.gone) :]
        self.found = kept + found

    def place(self, number: int) -> int:
        """Which of the matches that line is, from 1 on; 0 where it is none."""
        place = bisect_left(self.found, number)
        return place + 1 if place < len(self.found) and self.found[place] == number else 0

    def until(self, number: int) -> int:
        """The last match at or before that line, else the first; -1 where there is none."""
        return self.found[max(0, bisect_right(self.found, number) - 1)] if self.found else -1

    def step(self, number: int, by: int) -> int:
        """The next match, or the one before, around the end; -1 where there is none."""
        if not self.found:
            return -1
        known = self.place(number) - 1
        place = known if known >= 0 else -1 if by > 0 else 0
        return self.found[(place + by) % len(self.found)]


def as_text(line: LogLine, width: int = 0) -> str:
    """A line as it is shown: time, container (padded to `width`), a mark for stderr, text."""
    when = time.strftime("%H:%M:%S", time.localtime(line.at))
    mark = {"stderr": "err", "wsdash": " ──"}.get(line.stream, "   ")
    return f"{when} {line.container:<{width}} {mark} {readable(line.text)}"


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
