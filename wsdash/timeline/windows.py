"""The window that a criterion is judged over, its days, and which of them were watched well enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdash.config import Thresholds
from wsdash.timeline.evidence import DAY, SampleEvidence, Slice, slices


@dataclass(frozen=True)
class Window:
    """From the migration to a day; times are epoch seconds.

    least: the share (0..1) of a day's minutes that must have been watched; longest_hole: for how many seconds
    at a time nobody may have looked. now: nothing after it was seen yet.
    """

    since: float
    until: float
    least: float
    longest_hole: float
    thresholds: Thresholds
    now: float

    @property
    def parts(self) -> list[Slice]:
        """Its days."""
        return slices(self.since, self.until)

    def later(self, seconds: float) -> Window:
        """The same for a series whose values look back that long: not beyond the migration's end."""
        return Window(
            self.since + seconds, self.until, self.least, self.longest_hole, self.thresholds, self.now
        )

    def name(self, part: Slice) -> str:
        """A slice for people: the day after the migration, counted from 1."""
        return f"24 h no. {int((part.since - self.since) // DAY) + 1}"


@dataclass(frozen=True)
class CriterionFinding:
    """A measure's answer."""

    holds: bool | None
    measured: str
    threshold: str
    coverage: float | None = None
    who: str = ""


def watched(evidence: SampleEvidence, series: Sequence[str], window: Window) -> float:
    """The share of the whole window that was watched, of the series watched least."""
    seconds = sum(part.until - part.since for part in window.parts)
    if not seconds:
        return 0.0
    seen = sum(evidence.coverage(series, part) * (part.until - part.since) for part in window.parts)
    return seen / seconds


def seen_enough(evidence: SampleEvidence, series: Sequence[str], part: Slice, window: Window) -> bool:
    """Whether a day was watched well enough for a word on it: enough minutes, and no hole among them."""
    if evidence.coverage(series, part) < window.least:
        return False
    return evidence.hole(series, part) <= window.longest_hole


def unseen(evidence: SampleEvidence, series: Sequence[str], window: Window) -> list[Slice]:
    """The days that were watched too little."""
    return [part for part in window.parts if not seen_enough(evidence, series, part, window)]


def unseen_words(
    parts: Sequence[Slice], evidence: SampleEvidence, series: Sequence[str], window: Window
) -> str:
    """How many days were watched too little, and what was wrong with the first of them."""
    first = parts[0]
    covered, hole = evidence.coverage(series, first), evidence.hole(series, first)
    if first.since >= window.now:
        why = "still to come"
    elif covered < window.least:
        why = f"{covered:.0%} of the minutes, wanted {window.least:.0%}"
    else:
        why = f"nobody looked for {minutes(hole)}, at most {minutes(window.longest_hole)} may pass"
    days = len(window.parts)
    return f"{len(parts)} of {days} × 24 h watched too little (first: {window.name(first)}, {why})"


def minutes(seconds: float) -> str:
    """A time for people: 45 s, 12 min, 2 h 20 min."""
    if round(seconds) < 120:
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    if whole < 120:
        return f"{whole} min"
    return f"{whole // 60} h {whole % 60} min" if whole % 60 else f"{whole // 60} h"
