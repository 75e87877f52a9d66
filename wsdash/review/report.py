"""The report: what was done, when, on which evidence, read from the journal alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from wsdash.engine.journal import JournalReader
from wsdash.model import (
    AnyEvent,
    BackupTaken,
    CriterionMeasured,
    Downtime,
    ItemChanged,
    ItemState,
    Outcome,
    Phase,
    RunFinished,
    RunStarted,
    TableVerified,
)
from wsdash.plan import load_plan


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


class _Story:
    """Folds the journal into the report."""

    def __init__(self) -> None:
        self.run = self.mode = ""
        self.outcome = Outcome.INCOMPLETE
        self.started_at = self.finished_at = 0.0
        self.items = {
            item.id: ItemReport(item.id, str(item.phase), str(ItemState.PENDING))
            for item in load_plan().items
        }
        self.tables: dict[str, TableReport] = {}
        self.backup: BackupReport | None = None
        self.criteria: dict[str, CriterionReport] = {}
        self.downtime: Downtime | None = None

    def take(self, at: float, event: AnyEvent) -> None:
        match event:
            case RunStarted():
                self.run, self.mode = event.run, event.mode
                self.started_at = self.started_at or at
                self.outcome = Outcome.INCOMPLETE
            case RunFinished():
                self.outcome, self.finished_at = event.outcome, at
            case ItemChanged():
                self._item(event)
            case TableVerified():
                self.tables[event.name] = TableReport(
                    event.name,
                    event.source_rows,
                    event.target_rows,
                    event.source_checksum,
                    event.target_checksum,
                    event.match,
                )
            case BackupTaken():
                self.backup = BackupReport(
                    event.path, event.bytes, event.sha256, event.rows, event.restore_proven
                )
            case CriterionMeasured():
                self.criteria[event.id] = CriterionReport(
                    event.id, event.holds, event.measured, event.threshold
                )
            case Downtime():
                self.downtime = event
            case _:
                pass

    def _item(self, event: ItemChanged) -> None:
        item = self.items.setdefault(event.item, ItemReport(event.item, str(Phase.POST), ""))
        item.state = str(event.state)
        if event.state is ItemState.RUNNING:
            return
        item.seconds = round(event.seconds, 3)
        item.evidence = event.evidence
        item.who, item.note = event.who, event.note

    @property
    def downtime_seconds(self) -> float | None:
        if self.downtime is None or self.downtime.ended_at is None:
            return None
        return round(self.downtime.ended_at - self.downtime.started_at, 3)


def build_report(state: Path) -> Report:
    """Read the run's journal, whether or not its engine is alive. Raises InputError when there is none."""
    reader = JournalReader(state)
    story = _Story()
    last = 0.0
    try:
        after = 0
        while batch := reader.events(after):
            for recorded in batch:
                story.take(recorded.at, recorded.event)
                last = recorded.at
            after = batch[-1].seq
    finally:
        reader.close()
    _add_criteria(story)
    return Report(
        run=story.run,
        mode=story.mode,
        outcome=str(story.outcome),
        started_at=_iso(story.started_at or last),
        finished_at=_iso(story.finished_at or last),
        write_downtime_seconds=story.downtime_seconds,
        items=list(story.items.values()),
        tables=sorted(story.tables.values(), key=lambda table: table.name),
        backup=story.backup,
        criteria=list(story.criteria.values()),
    )


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
        evidence = " ".join(part for part in (item.evidence, item.note) if part).replace("|", "\\|")
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


def _add_criteria(story: _Story) -> None:
    """The criteria that follow from the rest of the story."""
    tables = story.tables.values()
    differing = sum(1 for table in tables if not table.match)
    story.criteria["zero-data-loss"] = CriterionReport(
        "zero-data-loss",
        None if not tables else differing == 0,
        f"{len(tables) - differing} of {len(tables)} tables equal by content"
        if tables
        else "not compared yet",
        "every table equal by content",
    )
    stack = story.items["start-stack"]
    story.criteria["containers-healthy"] = CriterionReport(
        "containers-healthy",
        True if stack.state == ItemState.DONE else None,
        stack.evidence or "not started yet",
        "all 4 containers running and healthy",
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
