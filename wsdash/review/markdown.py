"""The report for people, as Markdown: what one attaches to the ADR."""

from __future__ import annotations

from wsdash.review.report import Report

HOLDS = {True: "yes", False: "**no**", None: "insufficient data"}


def report_markdown(report: Report) -> str:
    """The report for people."""
    lines = [
        f"# Workspace migration, run {report.run}",
        "",
        *_standin(report),
        f"Outcome: **{report.outcome}** · mode {report.mode} · {report.started_at} to {report.finished_at}",
        "",
        f"Written: {report.written_at}",
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
    lines += _timeline(report) + _decisions(report) + _alerts(report) + _criteria(report)
    return "\n".join(lines)


def _standin(report: Report) -> list[str]:
    if not report.fortnight:
        return []
    return [f"**The days after the migration are a stand-in's** (fortnight {report.fortnight}).", ""]


def _timeline(report: Report) -> list[str]:
    lines = ["", "## Timeline"]
    for day in report.timeline:
        due = f", due {day.due[:16].replace('T', ' ')} UTC" if day.due else ""
        lines += [
            "",
            f"### Day {day.day}: {day.title}: **{day.recommendation}**",
            "",
            f"{day.guide}{due}.",
            "",
        ]
        lines += [
            "| criterion | holds | measured | threshold | watched |",
            "| --- | --- | --- | --- | ---: |",
        ]
        for c in day.criteria:
            watched = f"{c.coverage:.0%}" if c.coverage is not None else ""
            cells = (c.title or c.id, HOLDS[c.holds], c.measured, c.threshold, watched)
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return lines


def _decisions(report: Report) -> list[str]:
    lines = ["", "## Decisions", ""]
    if not report.decisions:
        return [*lines, "None was recorded."]
    lines += [
        "| day | decision | by | when | why | evidence said |",
        "| ---: | --- | --- | --- | --- | --- |",
    ]
    for made in report.decisions:
        cells = (str(made.day), made.decision, made.who, made.at, made.why, made.recommended)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return lines


def _alerts(report: Report) -> list[str]:
    lines = ["", "## Alerts", ""]
    if not report.alerts:
        return [*lines, "None."]
    lines += ["| alert | severity | from | to | worst |", "| --- | --- | --- | --- | ---: |"]
    for alert in report.alerts:
        worst = "" if alert.worst is None else f"{alert.worst:g}"
        cells = (alert.alert or alert.rule, alert.severity, alert.since, alert.until or "goes on", worst)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return lines


def _criteria(report: Report) -> list[str]:
    lines = ["", "## Success criteria", ""]
    lines += ["| list | criterion | holds | measured | threshold |", "| --- | --- | --- | --- | --- |"]
    for c in report.criteria:
        cells = (c.board, c.title or c.id, HOLDS[c.holds], c.measured, c.threshold)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return lines


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
