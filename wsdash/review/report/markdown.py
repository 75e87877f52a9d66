"""The report for people, as Markdown: what one attaches to the ADR."""

from __future__ import annotations

import re

from wsdash.review.blocks import BAD, NUMBER, Cell, Grid, Section
from wsdash.review.report.form import Report
from wsdash.review.report.sections import sections, summary, verdict_lines

_SPECIAL = re.compile(r"([\\|*`\[\]~]|(?<![^\W_])_|_(?![^\W_]))")
_LEADING = re.compile(r"^([#>+=-]|\d{1,9}(?=[.)](?:\s|$)))")


def report_markdown(report: Report) -> str:
    """The report for people."""
    lines = [f"# Workspace migration, run {literal(report.run)}", ""]
    if report.verdict is not None:
        (_, head), *rest = verdict_lines(report, report.verdict)
        lines += [f"**{literal(head.text)}**", "", *(f"- {name}: {_styled(cell)}" for name, cell in rest), ""]
    lines += [f"- {name}: {_styled(cell)}" for name, cell in summary(report)]
    lines += [f"- Written: {report.written_at}"]
    for section in sections(report):
        lines += _section(section, "##")
    return "\n".join(lines)


def _section(section: Section, level: str) -> list[str]:
    lines = ["", f"{level} {literal(section.title)}"]
    for sentence in section.lead:
        lines += ["", literal(sentence)]
    for grid in section.grids:
        lines += _grid(grid)
    for below in section.below:
        lines += _section(below, level + "#")
    return lines


def _grid(grid: Grid) -> list[str]:
    """The table; a column of sentences goes below it, where it is not cut into narrow lines."""
    last = len(grid.head) - 1 if grid.long else len(grid.head)
    numbers = [any(row[n].look == NUMBER for row in grid.rows) for n in range(last)]
    lines = ["", _row(grid.head[:last]), _row(["---:" if number else "---" for number in numbers])]
    lines += [_row([_styled(cell) for cell in row[:last]]) for row in grid.rows]
    if grid.long and grid.rows:
        name = grid.head.index("test") if "test" in grid.head else 1 if "item" in grid.head else 0
        lines.append("")
        lines += [f"- {literal(row[name].text)}: {literal(row[last].text)}" for row in grid.rows]
    return lines


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _styled(cell: Cell) -> str:
    text = literal(cell.text)
    return f"**{text}**" if cell.look == BAD else text


def literal(text: str) -> str:
    """One line, taken as it is: neither HTML nor Markdown of a person's or a server's words is obeyed."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    line = _SPECIAL.sub(r"\\\1", line)
    head = _LEADING.match(line)
    if head is None:
        return line
    number = head[1].isdigit()  # a number that would begin a list: its point is what is escaped
    return f"{head[1]}\\{line[head.end() :]}" if number else f"\\{line}"
