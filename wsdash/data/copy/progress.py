"""How far a copy is, truthfully: rows and index builds as the target's own progress views count them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg

from wsdash.data.limits import TICK_SECONDS, VIEW_SECONDS
from wsdash.model import Progress

EVENTS_PER_TICK = 4

VIEWS = """
SELECT pid, '' AS phase, tuples_processed AS done, 0::bigint AS total FROM pg_stat_progress_copy
WHERE datname = current_database()
UNION ALL
SELECT pid, phase, CASE WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END,
       CASE WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END
FROM pg_stat_progress_create_index WHERE datname = current_database()
"""


@dataclass
class _Subject:
    activity: str
    total_rows: int | None
    rows: int = 0
    bytes: int = 0
    phase: str = ""
    """Of an index build: the server counts each phase anew."""
    flying: dict[int, int] = field(default_factory=dict)
    """Rows that a session of the target (by its pid) has taken but not committed yet."""
    changed: bool = True


class Reporter:
    """Collects what the workers do, and tells it at most ten times a second; the end of each always."""

    def __init__(self, emit: Callable[[Progress], None], item: str) -> None:
        self._emit = emit
        self._item = item
        self._subjects: dict[str, _Subject] = {}
        self._working: dict[int, str] = {}
        self._ended: list[Progress] = []

    def begin(
        self, subject: str, activity: str, total_rows: int | None, rows: int = 0, bytes: int = 0
    ) -> None:
        """A subject is taken up; rows and bytes are there already."""
        self._subjects[subject] = _Subject(activity, total_rows, rows, bytes)

    def works(self, pid: int, subject: str) -> None:
        """The target's session `pid` works on `subject` from now on."""
        self._working[pid] = subject

    def moved(self, subject: str, bytes: int) -> None:
        """Bytes have passed."""
        found = self._subjects[subject]
        found.bytes += bytes
        found.changed = True

    def committed(self, pid: int, rows: int) -> None:
        """What the session `pid` worked on is committed."""
        found = self._subjects[self._working.pop(pid)]
        found.flying.pop(pid, None)
        found.rows += rows
        found.changed = True

    def finish(self, subject: str) -> None:
        """The subject is complete; its counts are final."""
        self._ended.append(self._event(subject, self._subjects.pop(subject), finished=True))

    def close(self) -> None:
        """Report what is still to be reported."""
        for event in self._ended:
            self._emit(event)
        self._ended.clear()

    async def watch(self, conn: asyncpg.Connection) -> None:
        """Read the target's progress views and tell what has changed, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for row in await conn.fetch(VIEWS, timeout=VIEW_SECONDS):
                self._seen(row["pid"], row["phase"], row["done"] or 0, row["total"] or 0)
            self._tick()

    def _tick(self) -> None:
        ended, self._ended = self._ended[:EVENTS_PER_TICK], self._ended[EVENTS_PER_TICK:]
        for event in ended:
            self._emit(event)
        changed = [name for name, found in self._subjects.items() if found.changed]
        for name in changed[: EVENTS_PER_TICK - len(ended)]:
            found = self._subjects.pop(name)
            self._emit(self._event(name, found, finished=False))
            self._subjects[name] = found  # last in line for the next tick

    def _seen(self, pid: int, phase: str, done: int, total: int) -> None:
        found = self._subjects.get(self._working.get(pid, ""))
        if found is None:
            return
        if phase:
            if found.phase != phase:
                found.phase, found.rows, found.total_rows = phase, 0, None
            # parallel builders report when they please: what was reported once is not taken back
            found.rows, found.total_rows = max(found.rows, done), total or None
            found.changed = True
        elif found.flying.get(pid) != done:
            found.flying[pid] = done
            found.changed = True

    def _event(self, subject: str, found: _Subject, *, finished: bool) -> Progress:
        rows = found.rows + sum(found.flying.values())
        total = found.total_rows
        if finished:
            total = rows
        elif total is not None:
            total = max(total, rows)
        found.changed = False
        return Progress(
            item=self._item,
            subject=subject,
            activity=found.activity if finished or not found.phase else _activity(found),
            rows=rows,
            total_rows=total,
            bytes=found.bytes,
            total_bytes=found.bytes if finished else None,
            finished=finished,
        )


def _activity(found: _Subject) -> str:
    return f"{found.activity}: {found.phase.removeprefix('building index: ')}"
