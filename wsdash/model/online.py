"""Events of the online move: how far changes are applied, what speaks against the switch, how it went."""

from __future__ import annotations

from typing import Literal

import msgspec

from wsdash.model.checklist import Event

Side = Literal["source", "target"]
KEEPS_UP_SECONDS = 3.0
"""At most so far behind, the side that is entered keeps up; the switch itself waits for shorter deltas."""


class Followed(Event, frozen=True, tag="followed"):
    """The state of the move. open: the side that takes writes, '' while neither does.

    lag: seconds that the other side is behind; None while that is not known. carried: log lines since the
    engine began to follow. log_bytes: what the log of changes takes on the open side. overhead: seconds
    that capture adds to a write of one row there; None while it was not measured. trouble: why nothing is
    carried, or ''. kept: changes that are not carried but only kept, for the way back (or, after a rollback,
    for going forward again).
    """

    open: Side | Literal[""]
    lag: float | None = None
    carried: int = 0
    log_bytes: int = 0
    overhead: float | None = None
    trouble: str = ""
    kept: int | None = None

    @property
    def keeps_up(self) -> bool:
        """Whether a switch could be thought of."""
        return not self.trouble and self.lag is not None and self.lag <= KEEPS_UP_SECONDS


class GoNoGoLine(msgspec.Struct, frozen=True):
    """One line of the panel before the switch. ok: nothing speaks against it here; else remedy says what to
    do."""

    name: str
    ok: bool
    text: str
    remedy: str = ""


class GoNoGo(Event, frozen=True, tag="go-no-go"):
    """What was seen when it was asked whether the switch may begin."""

    lines: tuple[GoNoGoLine, ...]

    @property
    def against(self) -> tuple[GoNoGoLine, ...]:
        """The lines that say no."""
        return tuple(line for line in self.lines if not line.ok)


class SwitchedOver(Event, frozen=True, tag="switched-over"):
    """Users write to another side. seconds: how long writers were refused, from asking for the fence to the
    opening; None where the switch was taken up after a crash. changes: carried inside the fence; carried: on
    the whole way back."""

    opened: Side
    seconds: float | None
    changes: int
    carried: int = 0
    conflicts: int = 0
    """Rows of which a person chose which side's stays."""
    given_up: int | None = None
    """Changes known to have been made on the other side that a person gave up; None: nothing was given up."""


class OldPortClient(msgspec.Struct, frozen=True):
    """Somebody who asked at the old port. requests: since the relay took it; last_seen: epoch seconds."""

    address: str
    requests: int
    last_seen: float


class OldPortClients(Event, frozen=True, tag="old-port-clients"):
    """Who still comes to the old service's port, as its relay counted them since `since` (epoch seconds)."""

    since: float
    clients: tuple[OldPortClient, ...]

    @property
    def others(self) -> tuple[OldPortClient, ...]:
        """Those at other addresses than wsdash's own probes."""
        return tuple(client for client in self.clients if client.address not in ("127.0.0.1", "::1"))


class TrafficJudged(Event, frozen=True, tag="traffic-judged"):
    """What the demo's users learnt of their writes, compared with the side that serves, row by row.

    unknown: writes whose answer was lost. longest_read_refusal, gap: seconds. gap: the longest time without
    an acknowledged write about the switch, less the usual interval; None without a switch.
    """

    side: str
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    unknown: int = 0
    reads_answered: int = 0
    reads_refused: int = 0
    longest_read_refusal: float = 0.0
    gap: float | None = None
    findings: tuple[str, ...] = msgspec.field(default=(), name="told")
    """What is amiss, the first of it."""

    @property
    def clean(self) -> bool:
        """Whether each acknowledged write is there, once, and as it was."""
        return not (self.lost or self.duplicated or self.wrong)


class ConflictCell(msgspec.Struct, frozen=True):
    """A column that differs, as text that is shortened about the difference."""

    column: str
    target: str
    source: str


class ConflictFound(msgspec.Struct, frozen=True):
    """A row that both sides changed. id: what a choice names it by; lines: the cells that differ.

    cells: the same side by side; none where a side has no such row. gone: the side that has none, or ''.
    """

    id: str
    lines: tuple[str, ...]
    cells: tuple[ConflictCell, ...] = ()
    gone: Side | Literal[""] = ""


class ConflictsFound(Event, frozen=True, tag="conflicts-found"):
    """Rows of the closed source that somebody else changed: they stop the way back until a person chose."""

    rows: tuple[ConflictFound, ...]
    total: int


class WayBackBlocked(Event, frozen=True, tag="way-back-blocked"):
    """A rollback stopped: what users wrote to the target cannot be carried back. text: why, what is lost."""

    text: str
