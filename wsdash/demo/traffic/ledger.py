"""What clients learnt of their writes, row by row, and as figures; the files in which it outlives them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar

import msgspec

from wsdash.demo.limits import GAP_SECONDS
from wsdash.demo.world.files import write_durably
from wsdash.errors import InputError
from wsdash.outside import DocumentError, read_file, read_json

TALLY = "tally.json"
LARGEST = 512 << 20
"""Bytes of a ledger: a few hundred a row."""
SHOWN = 50
"""So many faults and gaps are kept."""

T = TypeVar("T")
State = tuple[str, str, str]
"""Description, priority and status of an item."""


class Row(msgspec.Struct):
    """What may be stored of one item: one state (None: no such row), more where an answer was lost.

    past: states that were acknowledged before. writes: acknowledged changes; unknown: those without answer.
    """

    id: str = ""
    states: list[State | None] = msgspec.field(default_factory=lambda: [None])
    past: list[State] = []
    writes: int = 0
    unknown: int = 0

    @property
    def certain(self) -> bool:
        """Whether it is there and known as it is."""
        return bool(self.id) and len(self.states) == 1 and self.states[0] is not None

    def acknowledge(self, state: State | None) -> None:
        """The service said that it is so now."""
        self.past += [one for one in self.states if one is not None]
        self.states = [state]
        self.writes += 1

    def leave_open(self, state: State | None) -> None:
        """It may be so now: the answer was lost."""
        self.states.append(state)
        self.unknown += 1


class Gap(msgspec.Struct, frozen=True):
    """A time without any acknowledged write. until: epoch seconds."""

    until: float
    seconds: float


class Tally(msgspec.Struct):
    """The figures. refused counts attempts that were refused, writes and reads apart; a read that was refused
    counts once in reads_answered when it was answered at last.

    interval: seconds between two writes at the rate that was asked for. longest_read_refusal_ms: from a
    read's first refusal to the attempt that was answered, less what this process was late by. reads_stale: of
    an acknowledged row that was not found. faults: answers that must not be. notes: how the first answers
    were lost, and which reads were refused for over 100 ms, attempt by attempt.
    """

    run: str
    interval: float
    began: float
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    reads_answered: int = 0
    reads_refused: int = 0
    reads_stale: int = 0
    longest_read_refusal_ms: float = 0.0
    gaps: list[Gap] = []
    faults: list[str] = []
    notes: list[str] = []
    written: float = 0.0

    def gap(self, since: float = 0.0) -> float:
        """The client write gap: the longest time without an acknowledged write that ended after `since`
        (epoch seconds), less the usual interval."""
        return max((gap.seconds - self.interval for gap in self.gaps if gap.until >= since), default=0.0)

    def note(self, text: str) -> None:
        """Something that explains a figure."""
        if len(self.notes) < SHOWN:
            self.notes.append(text)

    def fault(self, text: str) -> None:
        """An answer that must not be."""
        if len(self.faults) < SHOWN:
            self.faults.append(text)


class Ledger(msgspec.Struct):
    """The tally, and every row by its title, which is nobody else's."""

    tally: Tally
    rows: dict[str, Row] = {}


class Book:
    """A ledger that is being written."""

    def __init__(self, run: str, interval: float) -> None:
        self.ledger = Ledger(Tally(run, interval, time.time()))
        self._last = 0.0

    @property
    def tally(self) -> Tally:
        """The figures so far."""
        return self.ledger.tally

    def acknowledged(self) -> None:
        """One more write was, now."""
        now = time.monotonic()
        tally = self.tally
        if self._last and now - self._last > GAP_SECONDS:
            gaps = [*tally.gaps, Gap(time.time(), now - self._last)]
            if len(gaps) > SHOWN:
                gaps.remove(min(gaps, key=lambda gap: gap.seconds))
            tally.gaps = gaps
        self._last = now
        tally.acknowledged += 1

    def write_tally(self, directory: Path) -> None:
        """Replace the tally's file. Raises OSError."""
        self.tally.written = time.time()
        write_durably(directory / TALLY, msgspec.json.encode(self.tally))

    def write(self, directory: Path) -> None:
        """Both files, when nobody writes any more. Raises OSError."""
        self.write_tally(directory)
        write_durably(directory / f"ledger-{self.tally.run}.json", msgspec.json.encode(self.ledger))


def read_tally(directory: Path) -> Tally | None:
    """The newest figures; None before there are any. Raises InputError."""
    path = directory / TALLY
    if not path.exists():
        return None
    return _read(path, Tally)


def read_ledgers(directory: Path) -> list[Ledger]:
    """The ledgers of all that has ended, oldest first. Raises InputError."""
    ledgers = [_read(path, Ledger) for path in directory.glob("ledger-*.json")]
    return sorted(ledgers, key=lambda ledger: ledger.tally.began)


def _read(path: Path, kind: type[T]) -> T:
    try:
        return read_json(read_file(path, largest=LARGEST), kind, largest=LARGEST)
    except (OSError, DocumentError) as error:
        raise InputError(
            f"the traffic's ledger cannot be read: {error}",
            where=str(path),
            remedy="nothing tells what clients were acknowledged: compare both databases (wsdash verify)",
        ) from error
