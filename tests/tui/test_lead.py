"""The line that leads, state by state, for the operator and for a watcher."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as replaced

from tests.tui.drawing import FRAME, NOW, seen
from tests.tui.support import done, halfway, started
from wsdash.model import (
    AnyEvent,
    DayFound,
    EngineStopped,
    ItemChanged,
    ItemState,
    JobsAsked,
    Notice,
    Outcome,
    PauseChanged,
    Progress,
    RunFinished,
    SetupProgress,
    TimelineJudged,
)
from wsdash.plan import load_plan
from wsdash.tui.drawn.lead import attention, lead
from wsdash.tui.state.viewstate import ViewState

PLAN = load_plan()
AUTOMATIC = ("backup", "neon-image", "ports-free")


def migrated(*more: AnyEvent) -> tuple[AnyEvent, ...]:
    """A run whose pre and migration items are done."""
    items = [item.id for item in PLAN.items if item.phase != "post"]
    return (
        started(),
        *(event for item in items for event in done(item)),
        RunFinished(Outcome.MIGRATED),
        *more,
    )


def days(at: float) -> TimelineJudged:
    """A timeline whose Day 7 is at that time, and undecided."""
    return TimelineJudged(NOW - 1000, (DayFound(7, "Day 7", "", "go", (), at),), {})


def pre(*items: str) -> tuple[AnyEvent, ...]:
    """A run in which these items are done."""
    return (started(), *(event for item in items for event in done(item)))


FAILED = ItemChanged("backup", ItemState.FAILED, "the server refused\nthe password", 1.0, remedy="see it")
INSUFFICIENT = ItemChanged("ports-free", ItemState.INSUFFICIENT, "port 5433 could not be asked", 0.1)

RUNNING = (started(), ItemChanged("backup", ItemState.RUNNING))
ROWS = Progress("backup", "s.items", "checking", rows=10, total_rows=10, finished=True)
SAID = Notice("info", "measuring how fast the old API answers", item="backup")

CASES: dict[str, tuple[ViewState, str, str]] = {
    "an item's rows are done, and it goes on with something else": (
        seen(*RUNNING, ROWS, SAID),
        f'⠋ RUNNING "Backup current workspace data from TimescaleDB" · 0:02 · {SAID.text}',
        f'⠋ RUNNING "Backup current workspace data from TimescaleDB" · 0:02 · {SAID.text}',
    ),
    "what it said before its rows is over": (
        seen(*RUNNING, SAID, replaced(ROWS, rows=5, finished=False)),
        '⠋ RUNNING "Backup current workspace data from TimescaleDB" · 0:02 · 50% of 10 rows',
        '⠋ RUNNING "Backup current workspace data from TimescaleDB" · 0:02 · 50% of 10 rows',
    ),
    "nothing is known yet": (
        seen(beat=None),
        "◌ STARTING the engine; keys that act wait for it",
        "◌ NO ENGINE yet; the operator's `wsdash run` starts one",
    ),
    "the world is being built": (
        seen(SetupProgress("servers", 1, 3)),
        "◌ BUILDING the world: servers · 0 stages done",
        "◌ BUILDING the world: servers · 0 stages done",
    ),
    "the world cannot be built": (
        seen(SetupProgress("ports", 0, 3, detail="5432: address already in use", failed=True)),
        "✗ SETUP FAILED ports: 5432: address already in use",
        "✗ SETUP FAILED ports: 5432: address already in use",
    ),
    "nothing was run": (
        seen(started()),
        '▶ NEXT a runs all that is automatic from "Backup current data"',
        '▶ NEXT the operator starts "Backup current data"',
    ),
    "it is asked whether background jobs are paused": (
        seen(started(), JobsAsked("backup", ("job 1000", "job 1001"))),
        "? ASKED a answers · pause 2 background jobs of the source before backup?",
        "? ASKED waits for the operator · pause 2 background jobs of the source before backup?",
    ),
    "it waits for people": (
        seen(*pre(*AUTOMATIC)),
        '▶ NEXT ⏎ confirms "Review ADR 007" (then Notify team of maintenance)',
        '▶ NEXT the operator confirms "Review ADR 007" (then Notify team of maintenance)',
    ),
    "it waits for one more person": (
        seen(*pre(*AUTOMATIC, "review-adr")),
        '▶ NEXT ⏎ confirms "Notify team of maintenance"',
        '▶ NEXT the operator confirms "Notify team of maintenance"',
    ),
    "an item failed": (
        seen(started(), FAILED),
        "✗ FAILED backup the server refused the password r tries again · R rolls back · e shows it all",
        "✗ FAILED backup the server refused the password",
    ),
    "two items failed": (
        seen(started(), FAILED, ItemChanged("ports-free", ItemState.FAILED, "5433 is taken", 1.0)),
        "✗ FAILED backup (and 1 more) the server refused the password "
        "r tries again · R rolls back · e shows it all",
        "✗ FAILED backup (and 1 more) the server refused the password",
    ),
    "an item could not be proven": (
        seen(*pre("backup", "neon-image", "review-adr", "notify-team"), INSUFFICIENT),
        "? NOT PROVEN Verify ports are available port 5433 could not be asked r looks again",
        "? NOT PROVEN Verify ports are available port 5433 could not be asked",
    ),
    "it is paused": (
        seen(*pre(*AUTOMATIC), PauseChanged(True)),
        "‖ PAUSED p goes on · next: Review ADR 007 "
        "(docs/content/reference/adrs/007-workspace-neon-migration.md)",
        "‖ PAUSED by the operator · next: Review ADR 007 "
        "(docs/content/reference/adrs/007-workspace-neon-migration.md)",
    ),
    "it was rolled back": (
        seen(*pre(*AUTOMATIC), RunFinished(Outcome.ROLLED_BACK)),
        "↶ ROLLED BACK the old service serves; the backup is kept · a migrates again",
        "↶ ROLLED BACK the old service serves; the backup is kept",
    ),
    "the engine is gone": (
        seen(*pre(*AUTOMATIC), beat=30),
        "✗ ENGINE GONE 30 s ago: leave with q, then `wsdash run` goes on; nothing is lost",
        "✗ ENGINE GONE 30 s ago: an operator's `wsdash run` goes on; nothing is lost",
    ),
    "the engine lives and its disk is full": (
        replaced(seen(*pre(*AUTOMATIC), beat=30), unwritten="its disk is full: free space in /s"),
        "✗ ENGINE CANNOT WRITE its disk is full: free space in /s; it goes on by itself, nothing is lost",
        "✗ ENGINE CANNOT WRITE its disk is full: free space in /s; it goes on by itself, nothing is lost",
    ),
    "the engine was stopped": (
        seen(*pre(*AUTOMATIC), EngineStopped("as asked by ann"), beat=2),
        "■ ENGINE STOPPED as asked by ann · leave with q, then `wsdash run` goes on",
        "■ ENGINE STOPPED as asked by ann · an operator's `wsdash run` goes on",
    ),
    "migrated, and the engine was stopped": (
        seen(*migrated(days(NOW + 4 * 86_400)), EngineStopped("nothing more to do"), beat=2),
        "✓ MIGRATED the new service serves · the engine stopped, nobody watches "
        "· leave with q, then `wsdash run` goes on",
        "✓ MIGRATED the new service serves · the engine stopped, nobody watches "
        "· an operator's `wsdash run` goes on",
    ),
    "migrated, and no day is near": (
        seen(*migrated(days(NOW + 4 * 86_400))),
        '✓ MIGRATED the new service serves · Day 7 in 4 d · next space ⏎ "Run performance benchmarks" '
        "· R rolls back",
        "✓ MIGRATED the new service serves · Day 7 in 4 d",
    ),
    "migrated, and a day is due": (
        seen(*migrated(days(NOW - 60))),
        "✓ MIGRATED the new service serves · Day 7 is due y decides · R rolls back",
        "✓ MIGRATED the new service serves · Day 7 is due",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_line_says_what_is_next(case: str) -> None:
    view, operator, monitor = CASES[case]
    cursor = PLAN.items[0] if "migrated" in case else attention(PLAN, view)
    wide = replace(FRAME, width=200)
    assert lead(PLAN, view, wide, cursor).plain == operator
    assert lead(PLAN, view, replace(wide, operator=False), cursor).plain == monitor


def test_what_runs_is_named_with_how_far_it_is() -> None:
    line = lead(PLAN, seen(*halfway()), FRAME, PLAN.items[0]).plain
    assert 'RUNNING "Migrate data from TimescaleDB"' in line
    assert "50% of 10,000 rows" in line


def test_enter_is_named_only_where_it_acts_on_what_is_named() -> None:
    view = seen(*pre(*AUTOMATIC))
    assert "space ⏎ confirms" in lead(PLAN, view, FRAME, PLAN.items[0]).plain


@pytest.mark.parametrize("width", [20, 60, 80])
@pytest.mark.parametrize("case", CASES)
def test_it_is_one_line_in_any_width(case: str, width: int) -> None:
    line = lead(PLAN, CASES[case][0], replace(FRAME, width=width), PLAN.items[0])
    assert "\n" not in line.plain
    assert line.cell_length <= width


def test_a_failure_names_its_keys_where_there_is_room_for_little_else() -> None:
    view = seen(started(), ItemChanged("backup", ItemState.FAILED, "very " * 60, 1.0))
    line = lead(PLAN, view, replace(FRAME, width=110), PLAN.items[0]).plain
    assert line.endswith("r tries again · R rolls back · e shows it all")
