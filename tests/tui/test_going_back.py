"""What the rollback's dialog and the question before a second run say, as pure words."""

from __future__ import annotations

from tests.tui.drawing import NOW, seen
from tests.tui.support import ITEMS, done, halfway, started
from wsdash.model import BackupTaken, ItemChanged, ItemState, RowsReading, TableVerified
from wsdash.plan import load_plan
from wsdash.tui.drawn.consequences import consequences, rollback_lines

PLAN = load_plan()
BACKUP = BackupTaken("/backups/b.sql", 3 << 20, "ab" * 32, {ITEMS: 10_000, "s.c": 6}, True)
COMPARED = TableVerified(ITEMS, 10_000, 10_000, "a", "a", True)


def told(*events: object) -> str:
    return "\n".join(rollback_lines(PLAN, seen(*events), NOW))  # type: ignore[arg-type]


def test_the_backup_is_named_as_kept_with_its_numbers() -> None:
    text = told(started(), *done("backup"), BACKUP, *done("stop-old"))
    assert "backup: KEPT: /backups/b.sql (10,006 rows, 3.0 MiB, restored once to prove it)" in text


def test_a_backup_that_was_not_restored_is_called_unproven() -> None:
    text = told(started(), *done("backup"), BackupTaken("/b.sql", 1, "ab", {}, False))
    assert "NOT proven by a restore" in text


def test_it_stands_in_the_order_in_which_it_happens() -> None:
    text = told(started(), *done("backup"), *done("stop-old"), *done("start-stack"), *done("init-neon"))
    places = [text.index(f"{name}:") for name in ("init-neon", "start-stack", "stop-old", "backup")]
    assert places == sorted(places)


def test_what_runs_is_interrupted_first() -> None:
    assert "1. migrate-data is interrupted" in told(*halfway())


def test_what_people_said_no_longer_counts() -> None:
    skipped = ItemChanged("neon-image", ItemState.SKIPPED, "skipped by ana", who="ana")
    text = told(started(), *done("review-adr"), skipped, *done("stop-old"))
    assert "what people said no longer counts: neon-image (skipped), review-adr" in text


def test_rows_written_since_the_switch_are_told_with_their_number_and_fate() -> None:
    text = told(
        started(), *done("migrate-data"), COMPARED, *done("verify-data"), RowsReading(ITEMS, 10_000, 10_042)
    )
    assert "Rows since the switch in the new database: workspace_items +42, counted 0 s ago." in text
    assert "kept in a file; the old service does not get them back" in text


def test_estimated_counts_are_marked() -> None:
    reading = RowsReading(ITEMS, 10_000, 9_900, estimated=True)
    assert "workspace_items −~100" in told(started(), *done("migrate-data"), COMPARED, reading)


def test_unchanged_counts_are_not_called_nothing_written() -> None:
    reading = RowsReading(ITEMS, 10_000, 10_000)
    text = told(started(), *done("migrate-data"), COMPARED, reading)
    assert "the number of rows in the new database has not changed" in text


def test_uncounted_is_said() -> None:
    assert "is not known" in told(started(), *done("migrate-data"))


def test_before_the_copy_nothing_is_said_of_rows() -> None:
    assert "switch" not in told(started(), *done("backup"))


def test_nothing_begun_is_said() -> None:
    assert "1. nothing: no item has changed anything yet" in told(started())


def migrated() -> list[object]:
    names = [item.id for item in PLAN.items if item.phase != "post"]
    return [started(), *(event for name in names for event in done(name))]


def test_a_second_run_names_what_it_can_set_back() -> None:
    view = seen(*migrated())  # type: ignore[arg-type]
    text = "\n".join(consequences(PLAN, view, PLAN.item("verify-data")))
    assert "First what it depends on is read again: stop-old, start-stack, init-neon, migrate-data." in text
    back = "stop-old, start-stack, init-neon, migrate-data, verify-data, test-api, update-dashboards"
    assert f"That can set back: {back}." in text
    assert "Where it still holds, nothing is done." in text


def test_an_item_of_another_phase_sets_nothing_back() -> None:
    view = seen(*migrated())  # type: ignore[arg-type]
    text = "\n".join(consequences(PLAN, view, PLAN.item("backup")))
    assert "set back" not in text
    assert "another backup is taken" in text
