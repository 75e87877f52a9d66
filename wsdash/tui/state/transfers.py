"""How far a running item is, subject by subject and over all: counts, rates and the time left."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wsdash.model import Progress

MARKS = 10
MOST = 0.99
"""What is not finished is never shown as whole: totals are the servers' estimates."""
ALL = "all tables"


class Mark(msgspec.Struct, frozen=True):
    """How far a transfer was at one time; the rate is measured between marks."""

    at: float
    rows: int
    bytes: int


class Transfer(msgspec.Struct, frozen=True):
    """An item's progress with one subject, and its newest marks."""

    progress: Progress
    marks: tuple[Mark, ...]

    @property
    def rows_per_second(self) -> float | None:
        """Over the newest marks; None while unknown."""
        first, last = self.marks[0], self.marks[-1]
        if last.at <= first.at or last.rows <= first.rows:
            return None
        return (last.rows - first.rows) / (last.at - first.at)

    @property
    def bytes_per_second(self) -> float | None:
        """Over the newest marks; None while unknown."""
        first, last = self.marks[0], self.marks[-1]
        if last.at <= first.at or last.bytes <= first.bytes:
            return None
        return (last.bytes - first.bytes) / (last.at - first.at)

    @property
    def fraction(self) -> float | None:
        """Done part, 0..1; None while the total is unknown."""
        p = self.progress
        if p.finished:
            return 1.0
        for done, total in ((p.rows, p.total_rows), (p.bytes, p.total_bytes)):
            if total:
                return min(MOST, done / total)
        return None

    @property
    def seconds_left(self) -> float | None:
        """Time left at the present rate; None while unknown."""
        p = self.progress
        if p.finished:
            return 0.0
        pairs = (
            (p.rows, p.total_rows, self.rows_per_second),
            (p.bytes, p.total_bytes, self.bytes_per_second),
        )
        for done, total, rate in pairs:
            if total and rate:
                return max(0.0, (total - done) / rate)
        return None


def advance(before: Transfer | None, progress: Progress, at: float) -> Transfer:
    """The transfer after one more word of its progress; a new activity is measured anew."""
    mark = Mark(at, progress.rows, progress.bytes)
    restarted = before is None or before.progress.activity != progress.activity
    if before is None or restarted or progress.rows < before.progress.rows:
        return Transfer(progress, (mark,))
    return Transfer(progress, (*before.marks, mark)[-MARKS:])


def over_all(newest: Progress, transfers: Iterable[Transfer]) -> Progress | None:
    """All subjects together that an item works on as it does on the newest; None for less than two.

    Builds of indexes are not added up: the server counts each of their phases anew.
    """
    if newest.activity.startswith("indexing"):
        return None
    alike = [one.progress for one in transfers if one.progress.activity == newest.activity]
    if len(alike) < 2:
        return None
    totals = [one.total_rows for one in alike]
    known = [total for total in totals if total is not None]
    return Progress(
        item=newest.item,
        subject=ALL,
        activity=newest.activity,
        rows=sum(one.rows for one in alike),
        total_rows=sum(known) if len(known) == len(totals) else None,
        bytes=sum(one.bytes for one in alike),
        finished=all(one.finished for one in alike),
    )
