"""The report: what was done, when, on which evidence, read from the journal alone."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from wsdash.engine.run.due import outcome
from wsdash.errors import InputError
from wsdash.model import (
    BackupTaken,
    DayFound,
    DecisionRecorded,
    ItemState,
    Rehearsed,
    RunStarted,
    StepId,
    TableVerified,
)
from wsdash.model.alert_board import AlertSpan, alert_spans
from wsdash.model.fold import ItemView, RunView
from wsdash.plan import Item
from wsdash.review.report.blocks import iso
from wsdash.review.report.form import (
    AlertReport,
    BackupReport,
    BranchingReport,
    CriterionReport,
    DayCriterionReport,
    DayReport,
    DecisionReport,
    DowntimeReport,
    ItemReport,
    OldPortReport,
    ReadsReport,
    RehearsalReport,
    Report,
    RollbackReport,
    TableReport,
    WritesReport,
)
from wsdash.review.report.load_tests import checklist_tests, load_reports
from wsdash.review.report.verdict import latencies, verdict
from wsdash.review.story import KnownStory, read_story
from wsdash.watch.world import rules_of

ITSELF = StepId.UPDATE_DOCS
"""The item that writes the report."""
THIS = "this report; `wsdash report --check DIR` says whether it is still true"


def build_report(state: Path, config: Path | None = None) -> Report:
    """Read the run's journal, whether or not its engine is alive. Raises InputError when there is none."""
    return report_of(read_story(state, config))


def report_of(known: KnownStory) -> Report:
    """The report of a run that was read; it holds no secret that the settings lead to."""
    view, plan = known.view, known.plan
    units = _units(known)
    report = Report(
        run=view.run,
        mode=view.mode,
        outcome=str(outcome(view, plan)),
        started_at=iso(view.started_at or known.last),
        finished_at=iso(view.finished_at or known.last),
        write_downtime_seconds=_rounded(view.write_downtime_seconds),
        write_downtime_stretches=[round(each, 3) for each in view.downtime_stretches(known.last)],
        items=[_item(item, _itself(item.id, view.item(item.id))) for item in plan.items],
        tables=[_table(view.tables[name]) for name in sorted(view.tables)],
        backup=_backup(view.backup),
        criteria=_criteria(known),
        timeline=[_day(known, day) for day in known.judged.days],
        alerts=[_alert(span, units) for span in alert_spans(known.events)],
        decisions=[_decision(at, made) for at, made in known.story.decisions],
        tests=checklist_tests(view, plan),
        load_test=load_reports(view),
        latencies=latencies(known),
        branching=_branching(view.item("branching")),
        rehearsals=[_rehearsal(r.event) for r in known.events if isinstance(r.event, Rehearsed)],
        hosts=_hosts(known),
        written_at=iso(known.now),
        fortnight=known.story.run.passing.source if known.story.run.passing is not None else "",
    )
    _add_online(report, view)
    report.verdict = verdict(report)
    return known.redactor.value(report)


def _add_online(report: Report, view: RunView) -> None:
    """What an online run has besides."""
    seen, back = view.traffic, view.went_back
    if seen is not None:
        report.client_write_gap_seconds = _rounded(seen.gap)
        report.writes = WritesReport(seen.acknowledged, seen.lost, seen.duplicated, seen.wrong, seen.unknown)
        longest = round(seen.longest_read_refusal, 3)
        report.reads = ReadsReport(seen.reads_answered, seen.reads_refused, longest)
    if view.old_port is not None:
        busiest = sorted(view.old_port.others, key=lambda client: -client.requests)
        report.old_port_clients = [
            OldPortReport(client.address, client.requests, iso(client.last_seen)) for client in busiest
        ]
    if back is not None:
        lost = seen.lost if seen is not None and seen.side == "source" else back.given_up
        report.rollback = RollbackReport(round(back.seconds, 3), back.carried, lost, back.conflicts)


def _itself(item: str, seen: ItemView) -> ItemView:
    """A report that an item writes can only say of that item that it is this report."""
    if item != ITSELF or seen.state is not ItemState.RUNNING:
        return seen
    return msgspec.structs.replace(seen, evidence=THIS)


def _item(item: Item, seen: ItemView) -> ItemReport:
    return ItemReport(
        item.id,
        str(item.phase),
        str(seen.state),
        round(seen.seconds, 3),
        seen.evidence,
        seen.who,
        seen.note,
        item.title,
        _iso(seen.changed_at or None),
    )


def _hosts(known: KnownStory) -> list[str]:
    begun = [recorded.event for recorded in known.events]
    return list(dict.fromkeys(event.host for event in begun if isinstance(event, RunStarted)))


def _branching(seen: ItemView) -> BranchingReport:
    proven = {ItemState.DONE: True, ItemState.FAILED: False}.get(seen.state)
    return BranchingReport(proven, seen.evidence, _iso(seen.changed_at or None))


def _rehearsal(found: Rehearsed) -> RehearsalReport:
    expected = found.downtime
    return RehearsalReport(
        found.id,
        str(found.outcome),
        iso(found.started_at),
        iso(found.finished_at),
        found.where,
        DowntimeReport(expected.low, expected.likely, expected.high, expected.basis) if expected else None,
        found.blocked,
        found.differed,
        found.moved,
        found.left,
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
    """Write the report: .html and .md for people, else JSON. `file` is never half written."""
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
        from wsdash.review.report.render import report_html

        return report_html(report, known)
    from wsdash.review.report.render import report_markdown

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
    for criterion in measured:
        if criterion.measured == f"0 of 1 hold; not done: {ITSELF} ({ItemState.RUNNING})":
            criterion.measured = THIS
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


def _alert(span: AlertSpan, units: dict[str, str]) -> AlertReport:
    return AlertReport(
        span.rule,
        iso(span.begun),
        _iso(span.ended),
        span.worst,
        span.alert,
        span.severity,
        span.text,
        units.get(span.rule, ""),
        span.acknowledged_by,
        _iso(span.acknowledged_at),
        span.note,
    )


def _units(known: KnownStory) -> dict[str, str]:
    """The unit of each rule's values; without readable rules the values have no unit."""
    try:
        return {rule.id: rule.unit for rule in rules_of(known.settings)}
    except InputError:
        return {}


def _decision(at: float, made: DecisionRecorded) -> DecisionReport:
    return DecisionReport(
        made.day, "go" if made.go else "no-go", made.who, iso(at), made.why, made.recommendation
    )


def _iso(at: float | None) -> str | None:
    return None if at is None else iso(at)
