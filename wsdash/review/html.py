"""The report as one HTML file: plots as SVG, no script, no reference to anything outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from wsdash.review.plots import plots
from wsdash.review.report import CriterionReport, DayCriterionReport, DayReport, Report
from wsdash.review.story import KnownStory

STYLE = Path(__file__).with_name("report.css")
HOLDS = {True: ("good", "✓ yes"), False: ("bad", "✗ no"), None: ("wait", "? insufficient")}
ADVICE = {"go": "good", "no-go": "bad", "insufficient-data": "wait"}
ITEM = {"done": "good", "failed": "bad"}


def report_html(report: Report, known: KnownStory) -> str:
    """The whole page."""
    title = f"Workspace migration, run {report.run}"
    body = [
        f"<h1>{escape(title)}</h1>",
        *_head(report),
        "<h2>Timeline</h2>",
        *(part for day in report.timeline for part in _day(day)),
        "<h2>Decisions</h2>",
        _decisions(report),
        "<h2>Success criteria</h2>",
        _criteria(report.criteria),
        "<h2>What was measured</h2>",
        *_plots(known),
        "<h2>Alerts</h2>",
        _alerts(report),
        "<h2>What was done</h2>",
        _items(report),
        "<h2>The data</h2>",
        _tables(report),
        *_backup(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _head(report: Report) -> list[str]:
    down = report.write_downtime_seconds
    downtime = f"{down:.1f} s" if down is not None else "not measured"
    lines = [
        f"<p>Outcome <strong>{escape(report.outcome)}</strong>, mode {escape(report.mode)}, "
        f"{_time(report.started_at)} to {_time(report.finished_at)} UTC, write downtime {downtime}. "
        f'Written <time datetime="{escape(report.written_at)}">{_time(report.written_at)}</time> UTC.</p>'
    ]
    if report.fortnight:
        told = f"The days after the migration are a stand-in's, not measured: fortnight {report.fortnight}."
        lines.append(f'<p class="note">{escape(told)}</p>')
    return lines


def _day(day: DayReport) -> list[str]:
    kind = ADVICE[day.recommendation]
    due = f" · due {_time(day.due)} UTC" if day.due else ""
    reached = "" if day.reached else " · not reached yet"
    heading = (
        f'<h3>Day {day.day}: {escape(day.title)} <span class="{kind}">{day.recommendation}</span></h3>'
        f'<p class="dim">{escape(day.guide)}{due}{reached}</p>'
    )
    rows = [(_holds(c.holds), c.title or c.id, c.measured, c.threshold, _watched(c)) for c in day.criteria]
    return [heading, _table(("holds", "criterion", "measured", "threshold", "watched"), rows, 1)]


def _decisions(report: Report) -> str:
    if not report.decisions:
        return '<p class="dim">None was recorded.</p>'
    head = ("day", "decision", "by", "when", "why", "the evidence said")
    rows = [(str(d.day), d.decision, d.who, _time(d.at), d.why, d.recommended) for d in report.decisions]
    return _table(head, rows)


def _criteria(criteria: Sequence[CriterionReport]) -> str:
    rows = [(_holds(c.holds), c.board, c.title or c.id, c.measured, c.threshold) for c in criteria]
    return _table(("holds", "list", "criterion", "measured", "threshold"), rows, 1)


def _plots(known: KnownStory) -> list[str]:
    drawn = plots(known, known.settings.thresholds)
    if not drawn:
        return ['<p class="dim">No samples were recorded.</p>']
    legend = "Line: median; band: the upper edge; dashed: the limit; red: an alert; grey: nobody watched."
    return [f'<p class="dim">{legend}</p>', *(f"<h3>{escape(t)}</h3>{svg}" for t, svg in drawn)]


def _alerts(report: Report) -> str:
    if not report.alerts:
        return '<p class="dim">None.</p>'
    rows = [
        (a.alert or a.rule, a.severity, _time(a.since), _time(a.until) if a.until else "goes on", a.text)
        for a in report.alerts
    ]
    return _table(("alert", "severity", "from", "to", "newest words"), rows)


def _items(report: Report) -> str:
    rows = []
    for item in report.items:
        note = "" if item.note in item.evidence else f" {item.note}"
        state = f'<span class="{ITEM.get(item.state, "dim")}">{escape(item.state)}</span>'
        rows.append((state, item.id, f"{item.seconds:.1f} s", item.who, item.evidence + note))
    return _table(("state", "item", "took", "by", "evidence"), rows, 1)


def _tables(report: Report) -> str:
    rows = []
    for t in report.tables:
        same = '<span class="good">✓ equal</span>' if t.match else '<span class="bad">✗ differs</span>'
        rows.append((same, t.name, f"{t.source_rows:,}", f"{t.target_rows:,}", t.source_checksum))
    return _table(("content", "table", "source", "target", "checksum"), rows, 1)


def _backup(report: Report) -> list[str]:
    if report.backup is None:
        return []
    b = report.backup
    proven = "restored and compared" if b.restore_proven else "not proven"
    return [f"<p>Backup {escape(b.path)}, {b.bytes:,} bytes, sha256 {escape(b.sha256)}, {proven}.</p>"]


def _holds(holds: bool | None) -> str:
    kind, word = HOLDS[holds]
    return f'<span class="{kind}">{word}</span>'


def _watched(criterion: DayCriterionReport) -> str:
    return f"{criterion.coverage:.0%}" if criterion.coverage is not None else ""


def _time(iso: str) -> str:
    return escape(iso[:16].replace("T", " "))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], raw: int = 0) -> str:
    """raw: how many cells of a row, from the left, are HTML already."""
    lines = ["<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    for row in rows:
        cells = [cell if n < raw else escape(cell) for n, cell in enumerate(row)]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join(lines) + "\n</table>"
