"""The report for people: Markdown to attach to the ADR, and one HTML file with plots and no script."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from wsdash.review.report.blocks import BAD, NUMBER, Cell, Grid, Section, minute
from wsdash.review.report.form import Report
from wsdash.review.report.latency_plot import draw_latencies
from wsdash.review.report.plots import plots
from wsdash.review.report.sections import APPENDIX, LATENCIES, sections, summary, verdict_lines
from wsdash.review.story import KnownStory

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
        lines += _section_as_markdown(section, "##")
    return "\n".join(lines)


def _section_as_markdown(section: Section, level: str) -> list[str]:
    lines = ["", f"{level} {literal(section.title)}"]
    for sentence in section.lead:
        lines += ["", literal(sentence)]
    for grid in section.grids:
        lines += _grid(grid)
    for below in section.below:
        lines += _section_as_markdown(below, level + "#")
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


STYLE = Path(__file__).with_name("report.css")
SHORT = 16
"""Characters: no longer than this a cell is not broken."""
UNBROKEN = 28
"""Characters: a longer word is a checksum or an address, which may be broken anywhere."""


def report_html(report: Report, known: KnownStory) -> str:
    """The whole page."""
    title = f"Workspace migration, run {report.run}"
    body = [f"<h1>{escape(title)}</h1>", _verdict(report), _summary(report)]
    for section in sections(report):
        if section.key == APPENDIX:
            body += ["<h2>What was measured</h2>", *_plots(known)]
        body += _section_as_html(section, 2, report, known.settings.thresholds.get_seconds)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _verdict(report: Report) -> str:
    if report.verdict is None:
        return ""
    (_, head), *rest = verdict_lines(report, report.verdict)
    lines = [f"<div><dt>{escape(name)}</dt><dd>{_span(cell)}</dd></div>" for name, cell in rest]
    headline = f'<p class="headline {head.look}">{escape(head.text)}</p>'
    return f'<section class="verdict edge-{head.look}">{headline}<dl>{"".join(lines)}</dl></section>'


def _summary(report: Report) -> str:
    lines = [f"<div><dt>{escape(name)}</dt><dd>{_span(cell)}</dd></div>" for name, cell in summary(report)]
    written = f'<time datetime="{escape(report.written_at)}">{minute(report.written_at)} UTC</time>'
    lines.append(f"<div><dt>Written</dt><dd>{written}</dd></div>")
    return "<dl>" + "\n".join(lines) + "</dl>"


def _section_as_html(section: Section, level: int, report: Report, limit: float) -> list[str]:
    title, mark = section.title, ""
    if section.look:
        title, _, word = title.rpartition(": ")
        mark = f" {_span(Cell(word, section.look))}"
    lines = [f"<h{level}>{escape(title)}{mark}</h{level}>"]
    lines += [f'<p class="dim">{escape(sentence)}</p>' for sentence in section.lead]
    if section.key == LATENCIES and report.latencies is not None:
        lines.append(draw_latencies(report.latencies.windows, limit))
    lines += [_table(grid) for grid in section.grids]
    for below in section.below:
        lines += _section_as_html(below, level + 1, report, limit)
    return lines


def _table(grid: Grid) -> str:
    numbers = [any(row[n].look == NUMBER for row in grid.rows) for n in range(len(grid.head))]
    heads = [
        f'<th class="num">{escape(name)}</th>' if number else f"<th>{escape(name)}</th>"
        for name, number in zip(grid.head, numbers, strict=True)
    ]
    kinds = [name for name, has in (("long", grid.long), ("fixed", bool(grid.widths))) if has]
    columns = "".join(f'<col style="width:{width}%">' for width in grid.widths)
    head = f"<colgroup>{columns}</colgroup><thead><tr>{''.join(heads)}</tr></thead><tbody>"
    lines = [f'<table class="{" ".join(kinds)}">{head}']
    for row in grid.rows:
        cells = [_cell(*one) for one in zip(grid.head, row, numbers, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join(lines) + "\n</tbody></table>"


def _cell(head: str, cell: Cell, number: bool) -> str:
    """A cell knows its column's name: on a narrow screen a row becomes a card."""
    kind = "num" if number else "word" if len(cell.text) <= SHORT else ""
    if not kind and max(map(len, cell.text.split())) > UNBROKEN:
        kind = "sum"
    return f'<td data-head="{escape(head)}" class="{kind}">{_span(cell)}</td>'


def _span(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.look in ("", NUMBER):
        return text
    return f'<span class="{cell.look}">{text}</span>'


def _plots(known: KnownStory) -> list[str]:
    drawn = plots(known, known.settings.thresholds)
    if not drawn:
        return ['<p class="dim">Insufficient data: no samples were recorded.</p>']
    legend = "Dashed: the limit; red: an alert; grey: nobody watched. Times are in UTC."
    return [f'<p class="dim">{legend}</p>', *(_figure(title, svg) for title, svg in drawn)]


def _figure(title: str, svg: str) -> str:
    return f'<figure><h3>{escape(title)}</h3><div class="wide">{svg}</div></figure>'
