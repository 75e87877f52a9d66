"""The report: what was done, when, on which evidence, read from the journal alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from wsdash.engine.fold import ItemView, outcome
from wsdash.model import BackupTaken, DayFound, DecisionRecorded, TableVerified
from wsdash.model.standing import AlertSpan, alert_spans
from wsdash.plan import Item
from wsdash.review.story import KnownStory, read_story
from wsdash.review.testing import LoadReport, TestReport, checklist_tests, load_reports


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
    """A success criterion; holds is None while the data is insufficient. board: technical, ... or ''."""

    id: str
    holds: bool | None
    measured: str
    threshold: str
    title: str = ""
    board: str = ""


class DayCriterionReport(msgspec.Struct):
    """A criterion of one day. coverage: share (0..1) of the window's minutes that were watched, or None."""

    id: str
    holds: bool | None
    measured: str
    threshold: str
    coverage: float | None
    title: str = ""
    since: str | None = None
    until: str | None = None
    who: str = ""


class DecisionReport(msgspec.Struct):
    """A recorded decision, and what the evidence recommended when it was made."""

    day: int
    decision: str
    who: str
    at: str
    why: str
    recommended: str


class DayReport(msgspec.Struct):
    """A day of the timeline. recommendation: go, no-go or insufficient-data."""

    day: int
    title: str
    guide: str
    due: str | None
    reached: bool
    criteria: list[DayCriterionReport]
    recommendation: str
    decision: DecisionReport | None = None


class AlertReport(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """One alert. worst: in the unit of its series; None: no answer. to: None while raised."""

    rule: str
    since: str
    until: str | None
    worst: float | None
    alert: str = ""
    severity: str = ""
    text: str = ""


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
    timeline: list[DayReport]
    alerts: list[AlertReport]
    decisions: list[DecisionReport]
    tests: list[TestReport] = []
    load_test: list[LoadReport] = []
    written_at: str = ""
    """When this was written, in the run's own time."""
    fortnight: str = ""
    """The demo's fortnight whose readings are a stand-in's, '' for a real run."""


def build_report(state: Path) -> Report:
    """Read the run's journal, whether or not its engine is alive. Raises InputError when there is none."""
    return report_of(read_story(state))


def report_of(known: KnownStory) -> Report:
    """The report of a run that was read; no secret that the settings lead to stands in it."""
    view, plan = known.view, known.plan
    report = Report(
        run=view.run,
        mode=view.mode,
        outcome=str(outcome(view, plan)),
        started_at=iso(view.started_at or known.last),
        finished_at=iso(view.finished_at or known.last),
        write_downtime_seconds=_rounded(view.write_downtime_seconds),
        items=[_item(item, view.item(item.id)) for item in plan.items],
        tables=[_table(view.tables[name]) for name in sorted(view.tables)],
        backup=_backup(view.backup),
        criteria=_criteria(known),
        timeline=[_day(known, day) for day in known.judged.days],
        alerts=[_alert(span) for span in alert_spans(known.events)],
        decisions=[_decision(at, made) for at, made in known.story.decisions],
        tests=checklist_tests(view, plan),
        load_test=load_reports(view),
        written_at=iso(known.now),
        fortnight=known.story.passing.fortnight if known.story.passing is not None else "",
    )
    return known.redactor.value(report)


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


def write_report(state: Path, file: Path, config: Path | None = None) -> None:
    """Write the report: .html and .md for people, else JSON. Half a file never stands at `file`."""
    known = read_story(state, config)
    write_whole(
        file, rendered(known, file.suffix.lower() if file.suffix.lower() in (".html", ".md") else ".json")
    )


def rendered(known: KnownStory, suffix: str) -> str:
    """The report as .html, .json or (any other suffix) Markdown."""
    report = report_of(known)
    if suffix == ".json":
        return as_json(report)
    if suffix in (".html", ".htm"):
        from wsdash.review.html import report_html

        return report_html(report, known)
    from wsdash.review.markdown import report_markdown

    return report_markdown(report) + "\n"


def as_json(report: Report) -> str:
    """The contract's JSON object."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def write_whole(file: Path, text: str) -> None:
    """Replace a file at once."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _criteria(known: KnownStory) -> list[CriterionReport]:
    """What steps measured, and the board of success criteria."""
    measured = [CriterionReport(c.id, c.holds, c.measured, c.threshold) for c in known.view.criteria.values()]
    for name, criteria in known.judged.board.items():
        measured += [CriterionReport(c.id, c.holds, c.measured, c.threshold, c.title, name) for c in criteria]
    return measured


def _day(known: KnownStory, day: DayFound) -> DayReport:
    made = known.story.decision(day.day)
    return DayReport(
        day=day.day,
        title=day.title,
        guide=day.guide,
        due=iso(day.at) if day.at is not None else None,
        reached=day.at is not None and known.now >= day.at,
        criteria=[
            DayCriterionReport(
                c.id,
                c.holds,
                c.measured,
                c.threshold,
                c.coverage,
                c.title,
                _iso(c.since),
                _iso(c.until),
                c.who,
            )
            for c in day.criteria
        ],
        recommendation=day.recommendation,
        decision=_decision(*made) if made is not None else None,
    )


def _alert(span: AlertSpan) -> AlertReport:
    ended = iso(span.ended) if span.ended is not None else None
    return AlertReport(span.rule, iso(span.begun), ended, span.worst, span.alert, span.severity, span.text)


def _decision(at: float, made: DecisionRecorded) -> DecisionReport:
    return DecisionReport(
        made.day, "go" if made.go else "no-go", made.who, iso(at), made.why, made.recommendation
    )


def _iso(at: float | None) -> str | None:
    return None if at is None else iso(at)


def iso(at: float) -> str:
    """An epoch time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
