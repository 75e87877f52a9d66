"""The report section by section, as words and tables: Markdown and HTML render the same ones."""

from __future__ import annotations

from collections.abc import Sequence

from wsdash.model import SATISFIED, ItemState
from wsdash.review.report.blocks import (
    BAD,
    DIM,
    GOOD,
    INSUFFICIENT,
    NUMBER,
    WAIT,
    Cell,
    Grid,
    Section,
    minute,
    ms,
    second,
)
from wsdash.review.report.form import CriterionReport, DayReport, ItemReport, Report, VerdictReport
from wsdash.review.report.load_tests import load_section
from wsdash.review.report.verdict import whose
from wsdash.watch.alerting.judge import amount

LATENCIES, APPENDIX = "latencies", "appendix"
"""Keys of the section that a plot is drawn in, and of the one that plots precede."""
REHEARSED = {"clean": GOOD, "interrupted": WAIT}
SHOWN_CLIENTS = 5
"""So many clients of the old port are named."""
PHASES = {"pre": "Pre-Migration", "migration": "Migration Steps", "post": "Post-Migration"}
GROUPS = {"functional": "Functional", "performance": "Performance", "neon": "Neon-specific"}


def sections(report: Report) -> list[Section]:
    """The whole report but its head."""
    return [
        Section("Timeline", below=tuple(_day(day) for day in report.timeline)),
        _decisions(report),
        _criteria(report),
        _rehearsals(report),
        Section("What was done", below=_items(report)),
        _data(report),
        _latencies(report),
        _tests(report),
        load_section(report),
        _branching(report),
        _alerts(report),
        _checksums(report),
    ]


def verdict_lines(report: Report, shown: VerdictReport) -> list[tuple[str, Cell]]:
    """What comes first: the day and what is said of it first."""
    look = {"go": GOOD, "no-go": BAD}.get(shown.recommendation, WAIT)
    unknown = f", {INSUFFICIENT} for {shown.insufficient}" if shown.insufficient else ""
    held = f"{shown.held} of {shown.criteria} hold, {shown.failed} failed{unknown}"
    undecided = ", ".join(f"Day {day}" for day in shown.open_decisions)
    down, stretches = report.write_downtime_seconds, len(report.write_downtime_stretches)
    apart = f" in {stretches} stretches" if stretches > 1 else ""
    return [
        ("Verdict", Cell(shown.headline, look)),
        ("Criteria", Cell(held if shown.criteria else "no day has come", BAD if shown.failed else "")),
        (
            "Decided",
            Cell(f"{shown.decided} by {shown.decided_by}" if shown.decided else "nothing for this day"),
        ),
        ("Open decisions", Cell(undecided or "none", WAIT if undecided else "")),
        ("P1 incidents", Cell(f"{shown.p1_incidents}", BAD if shown.p1_incidents else "")),
        ("Write downtime", Cell("not measured", WAIT) if down is None else Cell(f"{down:.1f} s{apart}")),
    ]


def summary(report: Report) -> list[tuple[str, Cell]]:
    """The head: name and value of what one wants to know first."""
    # that it was migrated is no good news in itself: the verdict is
    look = {"migrated": "", "failed": BAD}.get(report.outcome, WAIT)
    lines = [
        ("Outcome", Cell(report.outcome, look)),
        ("Mode", Cell(report.mode)),
        ("Begun", Cell(f"{second(report.started_at)} UTC")),
        ("Ended", Cell(f"{second(report.finished_at)} UTC")),
        ("Carried out by", Cell("wsdash on " + (", ".join(report.hosts) or "an unknown host"))),
    ]
    lines += _online(report)
    if report.fortnight:
        shown = f"a stand-in's, not measured: fortnight {report.fortnight}"
        lines.append(("The days after the migration", Cell(shown, WAIT)))
    return lines


def _online(report: Report) -> list[tuple[str, Cell]]:
    """What users met of an online move, and of its way back."""
    lines = []
    if (gap := report.client_write_gap_seconds) is not None:
        lines.append(("Longest pause of users' writes", Cell(f"{gap:.2f} s")))
    if (writes := report.writes) is not None:
        amiss = writes.lost or writes.duplicated or writes.wrong
        text = f"{writes.acknowledged:,} acknowledged, {writes.lost} lost, {writes.duplicated} twice, "
        text += f"{writes.wrong} wrong, {writes.unknown} without an answer"
        lines.append(("Users' writes", Cell(text, BAD if amiss else GOOD)))
    if (reads := report.reads) is not None:
        text = f"{reads.answered:,} answered, {reads.refused} refused (at most for "
        lines.append(("Users' reads", Cell(f"{text}{reads.longest_refusal_seconds * 1000:.0f} ms)")))
    if report.old_port_clients:
        named = ", ".join(
            f"{client.address} ({client.requests:,} requests, last {minute(client.last_seen)})"
            for client in report.old_port_clients[:SHOWN_CLIENTS]
        )
        more = len(report.old_port_clients) - SHOWN_CLIENTS
        lines.append(("Still at the old port", Cell(named + (f" and {more} more" if more > 0 else ""), WAIT)))
    if (back := report.rollback) is not None:
        text = f"{back.changes_carried:,} changes carried back, {back.conflicts} conflicts decided; "
        if back.lost:
            text += f"{back.lost:,} changes of users are lost; "
        text += f"the old service took writes after {back.seconds:.1f} s"
        lines.append(("Way back", Cell(text, BAD if back.lost else "")))
    return lines


def holds(answer: bool | None) -> Cell:
    """yes, no, or insufficient data."""
    return {True: Cell("✓ yes", GOOD), False: Cell("✗ no", BAD), None: Cell(f"? {INSUFFICIENT}", WAIT)}[
        answer
    ]


def _day(day: DayReport) -> Section:
    look = {"go": GOOD, "no-go": BAD}.get(day.recommendation, WAIT)
    due = f" Due {minute(day.due)} UTC." if day.due else ""
    reached = "" if day.reached else " Not reached yet."
    rows = tuple(
        (
            holds(c.holds),
            Cell(c.title or c.id),
            Cell(c.measured),
            Cell(c.threshold),
            Cell("" if c.coverage is None else f"{c.coverage:.0%}", NUMBER),
        )
        for c in day.criteria
    )
    grid = Grid(("holds", "criterion", "measured", "wanted", "watched"), rows, widths=(13, 24, 33, 21, 9))
    title = f"Day {day.day}: {day.title}: {day.recommendation}"
    return Section(title, (f"{day.guide}.{due}{reached}",), (grid,), look=look)


def _decisions(report: Report) -> Section:
    if not report.decisions:
        return Section("Decisions", ("None was recorded.",))
    rows = tuple(
        (
            Cell(f"Day {d.day}"),
            Cell(d.decision, GOOD if d.decision == "go" else BAD),
            Cell(whose(d.who, "nobody")),
            Cell(minute(d.at)),
            Cell(d.recommended or "nothing"),
            Cell(d.why),
        )
        for d in report.decisions
    )
    return Section(
        "Decisions", (), (Grid(("day", "decision", "by", "when (UTC)", "evidence said", "why"), rows),)
    )


def _criteria(report: Report) -> Section:
    def row(c: CriterionReport) -> tuple[Cell, ...]:
        return holds(c.holds), Cell(c.title or c.id), Cell(c.measured or "nothing"), Cell(c.threshold)

    below = []
    for board in dict.fromkeys(c.board for c in sorted(report.criteria, key=lambda c: not c.board)):
        rows = tuple(row(c) for c in report.criteria if c.board == board)
        grid = Grid(("holds", "criterion", "measured", "wanted"), rows, widths=(13, 24, 41, 22))
        below.append(Section(board.capitalize() or "Measured by the steps", (), (grid,)))
    return Section("Success criteria", below=tuple(below))


def _rehearsals(report: Report) -> Section:
    if not report.rehearsals:
        return Section("Rehearsals", ("None ended in this run.",))
    rows = []
    for one in report.rehearsals:
        faults = (*one.blocked, *one.differed, *(f"left behind: {text}" for text in one.left))
        only = "" if one.where == "target" else "only the schema, on a scratch server. "
        moved = f"moved meanwhile, no fault: {'; '.join(one.moved)}" if one.moved else "nothing"
        down = one.downtime
        expected = Cell(f"{down.likely:.0f} s ({down.low:.0f} to {down.high:.0f})", NUMBER) if down else None
        rows.append(
            (
                Cell(one.outcome, REHEARSED.get(one.outcome, BAD)),
                Cell(second(one.finished_at)),
                expected or Cell("not measured", DIM),
                Cell(only + ("; ".join(faults) or moved)),
            )
        )
    head = ("outcome", "ended (UTC)", "downtime to expect", "found")
    return Section("Rehearsals", (), (Grid(head, tuple(rows), long=True, widths=(11, 17, 20, 52)),))


def _items(report: Report) -> tuple[Section, ...]:
    return tuple(
        Section(title, (), (_done([one for one in report.items if one.phase == phase]),))
        for phase, title in PHASES.items()
    )


def _done(items: Sequence[ItemReport]) -> Grid:
    rows = []
    for one in items:
        note = "" if one.note in one.evidence else f" {one.note}"
        shown = f"{one.evidence}{note}".strip() or "nothing was read yet"
        when = Cell(second(one.at)) if one.at else Cell("never", DIM)
        by = whose(one.who, "wsdash" if one.at else "nobody")
        rows.append(
            (
                state(one.state),
                Cell(one.id),
                when,
                Cell(f"{one.seconds:.1f} s", NUMBER),
                Cell(by),
                Cell(shown),
            )
        )
    head = ("state", "item", "when (UTC)", "took", "by", "evidence")
    return Grid(head, tuple(rows), long=True, widths=(9, 13, 15, 7, 14, 42))


def state(name: str) -> Cell:
    """An item's or a test's state."""
    look = {ItemState.DONE: GOOD, ItemState.FAILED: BAD, ItemState.PENDING: DIM}.get(ItemState(name), WAIT)
    if name == ItemState.INSUFFICIENT:
        return Cell(f"? {INSUFFICIENT}", WAIT)
    glyph = {GOOD: "✓ ", BAD: "✗ "}.get(look, "")
    return Cell(f"{glyph}{name}", look)


def _data(report: Report) -> Section:
    lead = []
    if report.backup is None:
        lead.append("No backup was taken in this run.")
    else:
        b = report.backup
        proven = "restored and compared" if b.restore_proven else "not proven"
        rows = f"{sum(b.rows.values()):,} rows in {len(b.rows)} tables"
        lead.append(f"Backup {b.path}: {b.bytes:,} bytes, {rows}, {proven}.")
    if not report.tables:
        return Section("The data", ("No table was compared yet.", *lead))
    shown = tuple(
        (
            Cell("✓ equal", GOOD) if t.match else Cell("✗ differs", BAD),
            Cell(t.name),
            Cell(f"{t.source_rows:,}", NUMBER),
            Cell(f"{t.target_rows:,}", NUMBER),
        )
        for t in report.tables
    )
    head = ("content", "table", "rows, old", "rows, new")
    return Section("The data", tuple(lead), (Grid(head, shown),))


def _checksums(report: Report) -> Section:
    rows = [
        (
            Cell(t.name),
            Cell(t.source_checksum),
            Cell("the same" if t.source_checksum == t.target_checksum else t.target_checksum),
        )
        for t in report.tables
    ]
    if report.backup is not None:
        rows.append((Cell("the backup's file (sha256)"), Cell(report.backup.sha256), Cell("")))
    if not rows:
        return Section("Appendix: checksums", ("Nothing was compared or backed up yet.",), key=APPENDIX)
    grid = Grid(("table", "old", "new"), tuple(rows), widths=(30, 40, 30))
    return Section("Appendix: checksums", (), (grid,), key=APPENDIX)


def _latencies(report: Report) -> Section:
    title = "Latencies before and after"
    shown = report.latencies
    if shown is None or not shown.windows:
        return Section(title, (f"{INSUFFICIENT.capitalize()}: no answer was timed.",))
    rows = tuple(
        (
            Cell(f"{row.api} API, {row.window}"),
            Cell(f"{minute(row.since)} to {minute(row.until)}"),
            *(ms(getattr(row, part)) for part in ("p50", "p90", "p95", "p99")),
            Cell(f"{row.samples:,}", NUMBER),
            Cell(f"{row.failures:,}", NUMBER),
            Cell(f"{row.coverage:.0%}", NUMBER),
            Cell(f"{INSUFFICIENT}: {row.lacking}", WAIT) if row.lacking else Cell("enough", GOOD),
        )
        for row in shown.windows
    )
    head = (
        "API, window",
        "from, to (UTC)",
        "p50",
        "p90",
        "p95",
        "p99",
        "answers",
        "failed",
        "watched",
        "data",
    )
    lead = f"GET /api/items as the pollers timed it. {shown.verdict[:1].upper()}{shown.verdict[1:]}."
    return Section(title, (lead,), (Grid(head, rows, long=True),), key=LATENCIES)


def _tests(report: Report) -> Section:
    if not report.tests:
        return Section("Testing checklist", ("This plan lists no test.",))
    held = sum(one.state in SATISFIED for one in report.tests)
    rows = tuple(
        (
            state(one.state),
            Cell(GROUPS.get(one.group, one.group)),
            Cell(one.title.replace("`", "")),
            Cell(second(one.at)) if one.at else Cell("never", DIM),
            Cell(whose(one.who, "wsdash" if one.at else "nobody")),
            Cell(one.evidence or "not tried yet"),
        )
        for one in report.tests
    )
    head = ("state", "group", "test", "when (UTC)", "by", "evidence")
    failed = sum(one.state == ItemState.FAILED for one in report.tests)
    unknown = sum(one.state == ItemState.INSUFFICIENT for one in report.tests)
    lead = f"{held} of {len(report.tests)} hold, {failed} failed; {INSUFFICIENT} for {unknown}."
    grid = Grid(head, rows, long=True, widths=(10, 11, 22, 15, 14, 28))
    return Section("Testing checklist", (lead,), (grid,))


def _branching(report: Report) -> Section:
    proof = report.branching
    if proof is None or proof.proven is None:
        return Section("Branching proof", (f"{INSUFFICIENT.capitalize()}: no branch was made in this run.",))
    word = "Proven" if proof.proven else "Not proven"
    when = f" ({minute(proof.at)} UTC)" if proof.at else ""
    return Section("Branching proof", (f"{word}{when}: {proof.evidence}.",))


def _alerts(report: Report) -> Section:
    if not report.alerts:
        return Section("Alerts", ("None was raised.",))
    rows = []
    for a in report.alerts:
        look = {"critical": BAD, "warning": WAIT}.get(a.severity, DIM)
        seen = Cell(f"by {a.acknowledged_by}", "") if a.acknowledged_by else Cell("by nobody", DIM)
        if a.note:
            seen = Cell(f"{seen.text}: {a.note}")
        rows.append(
            (
                Cell(a.severity, look),
                Cell(a.alert or a.rule),
                Cell(minute(a.since)),
                Cell(minute(a.until)) if a.until else Cell("goes on", BAD),
                Cell(amount(a.worst, a.unit), NUMBER),
                seen,
            )
        )
    head = ("severity", "alert", "from (UTC)", "to (UTC)", "worst", "acknowledged")
    return Section("Alerts", (), (Grid(head, tuple(rows)),))
