"""The report: what was done, when, on which evidence, read from the journal alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from wsdash.engine.fold import ItemView, RunView, fold_all, outcome
from wsdash.engine.journal import JournalReader
from wsdash.model import BackupTaken, ItemState, TableVerified
from wsdash.plan import Item, load_plan
from wsdash.review.testing import LoadReport, TestReport, checklist_tests, load_reports
from wsdash.runtime import world_config


class ItemReport(msgspec.Struct):
    """One item: seconds it took in all, and its evidence (or its error)."""

    id: str
    phase: str
    state: str
    seconds: float = 0.0
    evidence: str = ""
    who: str = ""
    note: str = ""


class TableReport(msgspec.Struct):
    """One table, compared by content."""

    name: str
    source_rows: int
    target_rows: int
    source_checksum: str
    target_checksum: str
    match: bool


class BackupReport(msgspec.Struct):
    """The backup that was read back."""

    path: str
    bytes: int
    sha256: str
    rows: dict[str, int]
    restore_proven: bool


class CriterionReport(msgspec.Struct):
    """A success criterion; holds is None while the data is insufficient."""

    id: str
    holds: bool | None
    measured: str
    threshold: str


class Report(msgspec.Struct):
    """The contract's JSON object; times are ISO 8601 in UTC."""

    run: str
    mode: str
    outcome: str
    started_at: str
    finished_at: str
    write_downtime_seconds: float | None
    items: list[ItemReport]
    tables: list[TableReport]
    backup: BackupReport | None
    criteria: list[CriterionReport]
    tests: list[TestReport] = []
    load_test: list[LoadReport] = []


def build_report(state: Path) -> Report:
    """Read the run's journal, whether or not its engine is alive. Raises InputError when there is none."""
    view, last = read_run(state)
    plan = load_plan(world_config(state))
    items = [_item(item, view.item(item.id)) for item in plan.items]
    return Report(
        run=view.run,
        mode=view.mode,
        outcome=str(outcome(view, plan)),
        started_at=_iso(view.started_at or last),
        finished_at=_iso(view.finished_at or last),
        write_downtime_seconds=_rounded(view.write_downtime_seconds),
        items=items,
        tables=[_table(view.tables[name]) for name in sorted(view.tables)],
        backup=_backup(view.backup),
        criteria=_criteria(view),
        tests=checklist_tests(view, plan),
        load_test=load_reports(view),
    )


def read_run(state: Path) -> tuple[RunView, float]:
    """The folded journal, and the time of its last event. Raises InputError when there is none."""
    reader = JournalReader(state)
    view, last, after = RunView(), 0.0, 0
    try:
        while batch := reader.events(after):
            view = fold_all(batch, view)
            last, after = batch[-1].at, batch[-1].seq
    finally:
        reader.close()
    return view, last


def _item(item: Item, seen: ItemView) -> ItemReport:
    return ItemReport(
        item.id, str(item.phase), str(seen.state), round(seen.seconds, 3), seen.evidence, seen.who, seen.note
    )


def _table(seen: TableVerified) -> TableReport:
    return TableReport(
        seen.name, seen.source_rows, seen.target_rows, seen.source_checksum, seen.target_checksum, seen.match
    )


def _backup(taken: BackupTaken | None) -> BackupReport | None:
    if taken is None:
        return None
    return BackupReport(taken.path, taken.bytes, taken.sha256, taken.rows, taken.restore_proven)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def write_report(state: Path, file: Path) -> None:
    """Write the report as JSON; a half-written file never stands at `file`."""
    text = msgspec.json.format(msgspec.json.encode(build_report(state)), indent=2)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(text + b"\n")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def report_markdown(report: Report) -> str:
    """The report for people."""
    lines = [
        f"# Workspace migration, run {report.run}",
        "",
        f"Outcome: **{report.outcome}** · mode {report.mode} · {report.started_at} to {report.finished_at}",
        "",
        "Write downtime: "
        + (
            f"{report.write_downtime_seconds:.1f} s"
            if report.write_downtime_seconds is not None
            else "not measured"
        ),
        "",
        "| item | state | seconds | who | evidence |",
        "| --- | --- | ---: | --- | --- |",
    ]
    for item in report.items:
        note = "" if item.note in item.evidence else item.note
        evidence = " ".join(part for part in (item.evidence, note) if part).replace("|", "\\|")
        lines.append(f"| {item.id} | {item.state} | {item.seconds:.1f} | {item.who} | {evidence} |")
    lines += [
        "",
        "| table | source | target | equal by content | checksum |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for table in report.tables:
        equal = "yes" if table.match else "**no**"
        lines.append(
            f"| {table.name} | {table.source_rows:,} | {table.target_rows:,} | {equal} "
            f"| `{table.source_checksum}` |"
        )
    if report.backup is not None:
        proven = "restored and compared" if report.backup.restore_proven else "not proven"
        lines += [
            "",
            f"Backup: `{report.backup.path}`, {report.backup.bytes:,} bytes, "
            f"sha256 `{report.backup.sha256}`, {proven}",
        ]
    if report.criteria:
        lines += ["", "| criterion | holds | measured | threshold |", "| --- | --- | --- | --- |"]
        words = {True: "yes", False: "**no**", None: "insufficient data"}
        lines += [f"| {c.id} | {words[c.holds]} | {c.measured} | {c.threshold} |" for c in report.criteria]
    return "\n".join(lines)


def _criteria(view: RunView) -> list[CriterionReport]:
    """What was measured, and the criteria that follow from the rest of the story."""
    measured = [CriterionReport(c.id, c.holds, c.measured, c.threshold) for c in view.criteria.values()]
    differing = sum(1 for table in view.tables.values() if not table.match)
    count = len(view.tables)
    loss = CriterionReport(
        "zero-data-loss",
        None if not count else differing == 0,
        f"{count - differing} of {count} tables equal by content" if count else "not compared yet",
        "every table equal by content",
    )
    stack = view.item("start-stack")
    healthy = CriterionReport(
        "containers-healthy",
        True if stack.state is ItemState.DONE else None,
        stack.evidence or "not started yet",
        "all 4 containers running and healthy",
    )
    return [*measured, loss, healthy]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
