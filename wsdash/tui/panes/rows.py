"""The rows pane: both sides' counts of every table, their difference, and how far a transfer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from wsdash.model import RowsReading, TableVerified
from wsdash.model.fold import ANSWERED
from wsdash.tui.drawn.cells import Frame, Lines, cell, fresh_title, name_cell, nothing_yet, row
from wsdash.tui.drawn.looks import BAD, BUSY, DIM, GOOD, TITLE, WARN, age, bar, calm, clock, count
from wsdash.tui.panes.base import Pane
from wsdash.tui.state.freshness import freshness
from wsdash.tui.state.transfers import Transfer
from wsdash.tui.state.viewstate import ViewState

NUMBER = 9
"""The least room for a number; long ones take more, at the cost of the names."""
COUNTED = 12
PROOF = 16
"""Room for what proves a table, or says why it has no count; names are cut for it."""


DONE_WORD = {"copying": "copied", "checking": "checked", "restoring": "restored", "dumping": "saved"}


@dataclass(frozen=True)
class Columns:
    """How wide the columns are."""

    name: int
    number: int
    counted: bool
    """Whether there is room to say when a table was counted."""
    rest: int


def transfers_now(view: ViewState) -> dict[str, Transfer]:
    """Progress by subject of the item that runs now."""
    return view.transfers.get(view.running, {})


def draw_rows(view: ViewState, frame: Frame) -> Lines:
    """A header and one line a table: counts, difference, and what proves or moves it."""
    names = sorted(set(view.rows) | set(view.run.tables))
    transfers = transfers_now(view)
    moving = [subject for subject, t in transfers.items() if not t.progress.finished]
    if not names and not moving:
        return nothing_yet(view, frame.now, "row counts")
    shown = [*names, *(subject for subject in moving if subject not in names and "." in subject)]
    wide = _columns(view, shown, frame)
    heading = row(
        cell("table", wide.name),
        *(cell(word, wide.number, right=True) for word in ("source", "target", "diff")),
        *([cell("counted", COUNTED)] if wide.counted else []),
        "compared",
    )
    live = freshness(view, "rows", frame.now).live
    lines = [heading.stylize(TITLE).truncate(frame.width)]
    overall = view.overall.get(view.running)
    if overall is not None and moving and not overall.progress.finished:
        lines.append(_together(overall, wide, frame))
    for table in shown:
        lines.append(_line(view, table, transfers.get(table), wide, frame, live))
    return lines


def _together(overall: Transfer, wide: Columns, frame: Frame) -> Content:
    p = overall.progress
    numbers = (count(p.total_rows), count(p.rows), "") if p.activity.startswith("copy") else ("", "", "")
    cells = [cell(p.subject, wide.name), *(cell(number, wide.number, right=True) for number in numbers)]
    if wide.counted:
        cells.append(cell("", COUNTED))
    return row(*cells, _moving(overall, wide.rest)).truncate(frame.width, ellipsis=True)


def _columns(view: ViewState, tables: Sequence[str], frame: Frame) -> Columns:
    numbers = [
        len(_number("~" if reading.estimated else "", rows))
        for reading in (view.rows[table] for table in tables if table in view.rows)
        for rows in (reading.source, reading.target)
    ]
    number = max(NUMBER, *numbers) if numbers else NUMBER
    room = frame.width - 3 * number - 4
    name = max(12, *(len(_short(table)) for table in tables)) if tables else 12
    name = max(12, min(name, 30, room - PROOF))
    counted = room - name >= COUNTED + 20
    return Columns(name, number, counted, room - name - (COUNTED + 1 if counted else 0))


def _short(table: str) -> str:
    return table.partition(".")[2] or table


def _line(
    view: ViewState, table: str, moving: Transfer | None, wide: Columns, frame: Frame, live: bool
) -> Content:
    reading = view.rows.get(table)
    verified = view.run.tables.get(table)
    source, target = (reading.source, reading.target) if reading else (None, None)
    mark = "~" if reading is not None and reading.estimated else ""
    if moving is not None and moving.progress.rows and moving.progress.activity.startswith("copy"):
        target = max(target or 0, moving.progress.rows)
    style = "" if live or moving else DIM
    gap, gap_style = _difference(reading, source, target, live)
    cells = [
        name_cell(_short(table), wide.name, style),
        cell(_number(mark, source), wide.number, style, right=True),
        cell(_number(mark, target), wide.number, style, right=True),
        cell(gap, wide.number, gap_style, right=True),
    ]
    if wide.counted:
        cells.append(_counted(reading, frame.now, live))
    if moving is not None and moving.progress.finished:
        cells.append(
            Content.styled(f"✓ {DONE_WORD.get(moving.progress.activity, moving.progress.activity)}", BUSY)
        )
    elif moving is not None:
        cells.append(_moving(moving, wide.rest))
    else:
        cells.append(_proof(verified, reading, target, wide.rest, *_proof_age(view, table, frame.now)))
    return row(*cells).truncate(frame.width, ellipsis=True)


def _counted(reading: RowsReading | None, now: float, live: bool) -> Content:
    """When both sides were last counted exactly; what is not marked is exact now."""
    if reading is None:
        return cell("–", COUNTED, DIM)
    if not reading.estimated:
        return cell("exact", COUNTED, "" if live else DIM)
    if reading.exact_at is None:
        return cell("estimate", COUNTED, DIM)
    return cell(f"~ {clock(calm(max(0.0, now - reading.exact_at)))} ago", COUNTED, DIM)


def _number(mark: str, number: int | None) -> str:
    return count(number) if number is None else mark + count(number)


def _difference(
    reading: RowsReading | None, source: int | None, target: int | None, live: bool
) -> tuple[str, str]:
    """Text and style."""
    if reading is not None and reading.note:
        return "–", DIM
    if reading is None or source is None or target is None:
        return "?", DIM
    gap = target - source
    text = "0" if gap == 0 else f"{gap:+,}"
    return ("~" if reading.estimated else "") + text, ("" if gap == 0 else WARN) if live else DIM


def _proof_age(view: ViewState, table: str, now: float) -> tuple[str, bool]:
    """How old the comparison is, and whether it still counts: it dies with a later end of `verify-data`, and
    while that runs only what it compared itself counts."""
    at = view.run.verified_at.get(table)
    if at is None:
        return "", True
    item = view.run.item("verify-data")
    counts = item.state in ANSWERED or at >= item.changed_at
    return f"{age(calm(now - at))} ago", counts


def _proof(
    verified: TableVerified | None,
    reading: RowsReading | None,
    target: int | None,
    room: int,
    ago: str,
    counts: bool,
) -> Content:
    note = reading.note if reading is not None else ""
    if verified is None:
        text = note or ("not verified" if target else "–")
        return Content.styled(text, DIM)
    if not counts:
        return Content.styled("not verified since" if target else "–", DIM)
    if not verified.match:
        return Content.styled("✗ differs (d)", BAD)
    words = ("✓ checksum", verified.target_checksum[:8], ago)
    choices = (" ".join(words), " ".join(words[::2]), f"✓ {ago}")
    text = next((text for text in choices if len(text) <= room), "✓ checksum")
    source = verified.source_rows if reading is None or note else reading.source
    if target is not None and (source, target) != (verified.source_rows, verified.target_rows):
        return Content.styled("✓ then; since changed", WARN)
    return Content.styled(text, GOOD)


def _moving(transfer: Transfer, room: int) -> Content:
    percent = "" if transfer.fraction is None else f" {transfer.fraction:4.0%}"
    left = transfer.seconds_left
    tail = f"{percent} {transfer.progress.activity}"
    if left is not None and room >= len(tail) + 15:
        tail += f" {clock(left)} left"
    rate = transfer.rows_per_second
    if rate is not None and room >= len(tail) + 20:
        tail += f" {count(round(rate))}/s"
    width = max(3, min(20, room - len(tail) - 1))
    return Content.styled(f"{bar(transfer.fraction, width)}{tail}", BUSY)


class RowsPane(Pane):
    """Row-count differences."""

    NAME = "3 Rows"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """A row a table: both sides' counts and what is between them."""
        return draw_rows(view, frame)

    def title(self, view: ViewState, frame: Frame) -> str:
        """How fresh the counts are."""
        return fresh_title(self.NAME, freshness(view, "rows", frame.now))
