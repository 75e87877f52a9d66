"""A ledger and a database, row by row: is everything there that was acknowledged, once, and as it was?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import asyncpg

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.demo.traffic.ledger import SHOWN, Ledger, Row, State

SECONDS = 300.0

ITEMS = """
select id::text as id, title, description, priority, status
from workspace.workspace_items where $1::text = any(tags)
"""
AUDIT = """
select item_id::text as id, count(*) as lines
from workspace.workspace_audit_log where item_id = any($1::uuid[]) group by 1
"""
"""The table's trigger writes one line a change: a change that was made twice leaves two."""
HAS_AUDIT = "select to_regclass('workspace.workspace_audit_log') is not null"


@dataclass
class Judged:
    """How many acknowledged writes are lost, there twice, or wrong; told: the first of them, as sentences."""

    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is amiss."""
        return not (self.lost or self.duplicated or self.wrong)

    def tell(self, text: str) -> None:
        """One finding in words; the first ones are kept."""
        if len(self.told) < SHOWN:
            self.told.append(text)


async def compare(ledger: Ledger, side: Endpoint) -> Judged:
    """Judge what that side holds. No client of the ledger may be at work any more. Raises WsdashError."""
    ids = [row.id for row in ledger.rows.values() if row.id]
    async with connection(side, read_only=True) as conn:
        with ServerErrors(side, "comparing the traffic's ledger"):
            found = await conn.fetch(ITEMS, ledger.tally.run, timeout=SECONDS)
            lines: Counter[str] | None = None
            if await conn.fetchval(HAS_AUDIT, timeout=SECONDS):
                lines = Counter({r["id"]: r["lines"] for r in await conn.fetch(AUDIT, ids, timeout=SECONDS)})
    return judge(ledger, found, lines)


def judge(ledger: Ledger, found: list[asyncpg.Record], lines: Counter[str] | None) -> Judged:
    """The same of rows that were read. lines: of the audit by item; None where there is none."""
    judged = Judged(wrong=len(ledger.tally.faults), told=list(ledger.tally.faults))
    stored: dict[str, list[asyncpg.Record]] = {}
    for one in found:
        stored.setdefault(one["title"], []).append(one)
    for title in stored.keys() - ledger.rows.keys():
        judged.wrong += 1
        judged.tell(f"{title} is there, and nobody wrote it")
    for title, row in ledger.rows.items():
        _judge_row(judged, title, row, [_state(one) for one in stored.get(title, [])])
        if lines is not None and row.id:
            _judge_lines(judged, title, row, lines[row.id])
    return judged


def _state(row: asyncpg.Record) -> State:
    return (row["description"], row["priority"], row["status"])


def _judge_row(judged: Judged, title: str, row: Row, found: list[State]) -> None:
    if len(found) > 1:
        judged.duplicated += len(found) - 1
        judged.tell(f"{title} is there {len(found)} times")
    state = found[0] if found else None
    if state in row.states:
        return
    if state is None or state in row.past:
        judged.lost += 1  # the row, or the change or removal that came last
    else:
        judged.wrong += 1
    judged.tell(f"{title} is {state}, and was acknowledged as {row.states}")


def _judge_lines(judged: Judged, title: str, row: Row, lines: int) -> None:
    if lines < row.writes:
        judged.lost += 1
    elif lines > row.writes + row.unknown:
        judged.duplicated += 1
    else:
        return
    judged.tell(f"{title} has {lines} lines in the audit, of {row.writes} acknowledged changes")
