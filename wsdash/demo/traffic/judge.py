"""A ledger and a database, row by row: is everything there that was acknowledged, once, and as it was?

After a run the traffic is ended, and its ledger is held against the side that serves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.demo.limits import JUDGE_SECONDS, SETTLE_SECONDS
from wsdash.demo.traffic.ledger import SHOWN, Ledger, Row, State, Tally, read_ledgers
from wsdash.demo.world.services import TRAFFIC
from wsdash.model import TrafficJudged
from wsdash.stack.local.stack import LocalStack

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
    """How many acknowledged writes are lost, there twice, or wrong; and the first of them in sentences."""

    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is amiss."""
        return not (self.lost or self.duplicated or self.wrong)

    def note(self, text: str) -> None:
        """One finding in words; the first ones are kept."""
        if len(self.findings) < SHOWN:
            self.findings.append(text)


async def compare(ledger: Ledger, side: Endpoint) -> Judged:
    """Judge what that side holds. No client of the ledger may be at work any more. Raises WsdashError."""
    ids = [row.id for row in ledger.rows.values() if row.id]
    async with connection(side, read_only=True) as conn:
        with ServerErrors(side, "comparing the traffic's ledger"):
            found = await conn.fetch(ITEMS, ledger.tally.run, timeout=JUDGE_SECONDS)
            lines: Counter[str] | None = None
            if await conn.fetchval(HAS_AUDIT, timeout=JUDGE_SECONDS):
                lines = Counter(
                    {r["id"]: r["lines"] for r in await conn.fetch(AUDIT, ids, timeout=JUDGE_SECONDS)}
                )
    return judge(ledger, found, lines)


def judge(ledger: Ledger, found: list[asyncpg.Record], lines: Counter[str] | None) -> Judged:
    """The same of rows that were read. lines: of the audit by item; None where there is none."""
    judged = Judged(wrong=len(ledger.tally.faults), findings=list(ledger.tally.faults))
    stored: dict[str, list[asyncpg.Record]] = {}
    for one in found:
        stored.setdefault(one["title"], []).append(one)
    for title in stored.keys() - ledger.rows.keys():
        judged.wrong += 1
        judged.note(f"{title} is there, and nobody wrote it")
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
        judged.note(f"{title} is there {len(found)} times")
    state = found[0] if found else None
    if state in row.states:
        return
    if state is None or state in row.past:
        judged.lost += 1  # the row, or the change or removal that came last
    else:
        judged.wrong += 1
    judged.note(f"{title} is {state}, and was acknowledged as {row.states}")


def _judge_lines(judged: Judged, title: str, row: Row, lines: int) -> None:
    if lines < row.writes:
        judged.lost += 1
    elif lines > row.writes + row.unknown:
        judged.duplicated += 1
    else:
        return
    judged.note(f"{title} has {lines} lines in the audit, of {row.writes} acknowledged changes")


async def witness(
    world: Path, side: Endpoint, label: str, window: tuple[float, float] | None
) -> TrafficJudged | None:
    """End the traffic of this world and judge what it was acknowledged; None where it had none.

    side: the database that serves now, label: source or target. window: from when to when (epoch seconds)
    writers were refused by the switch, None where none was. Raises WsdashError.
    """
    directory = world / TRAFFIC
    if not await asyncio.to_thread(directory.exists):
        return None
    stack = LocalStack(world)
    try:
        await stack.stop([TRAFFIC], lambda _: None)
    finally:
        await stack.close()
    whole, tallies = Judged(), []
    for ledger in read_ledgers(directory):
        found = await compare(ledger, side)
        whole.lost += found.lost
        whole.duplicated += found.duplicated
        whole.wrong += found.wrong
        whole.findings += found.findings
        tallies.append(ledger.tally)
    return TrafficJudged(
        label,
        acknowledged=sum(tally.acknowledged for tally in tallies),
        lost=whole.lost,
        duplicated=whole.duplicated,
        wrong=whole.wrong,
        unknown=sum(tally.unknown for tally in tallies),
        reads_answered=sum(tally.reads_answered for tally in tallies),
        reads_refused=sum(tally.reads_refused for tally in tallies),
        longest_read_refusal=max((tally.longest_read_refusal_ms for tally in tallies), default=0.0) / 1000,
        gap=None if window is None else max((_gap(tally, window) for tally in tallies), default=0.0),
        findings=tuple(whole.findings[:10]),
    )


def _gap(tally: Tally, window: tuple[float, float]) -> float:
    """The longest time without an acknowledged write about the switch, less the usual interval."""
    began, ended = window
    gaps = [gap.seconds for gap in tally.gaps if began <= gap.until <= ended + SETTLE_SECONDS]
    return max((seconds - tally.interval for seconds in gaps), default=0.0)
