"""Alerts as lines: those raised, the silences, and those that ended."""

from __future__ import annotations

from textual.content import Content

from wsdash.model.alert_board import AlertBoard, AlertSpan
from wsdash.tui.looks import BAD, BUSY, DIM, GOOD, TITLE, WARN, Look, age
from wsdash.tui.panes.base import Frame, Lines, cell, row, status
from wsdash.tui.viewstate import ViewState

SEVERITY = {
    "critical": Look("✗", "critical", BAD),
    "warning": Look("▲", "warning", WARN),
    "info": Look("i", "info", DIM),
}
NAMES = 30


def standing_order(board: AlertBoard) -> list[AlertSpan]:
    """Raised alerts as they are listed: the gravest first, then the newest."""
    grave = list(SEVERITY)
    return sorted(
        board.raised.values(),
        key=lambda span: (grave.index(span.severity) if span.severity in grave else 0, -span.begun),
    )


def draw_alerts(view: ViewState, frame: Frame, chosen: str = "") -> Lines:
    """All there is to tell; `chosen` is marked."""
    board, now = view.alerting, frame.now
    lines: Lines = [Content.styled("Raised now", TITLE)]
    for span in standing_order(board):
        lines += _raised(board, span, frame, span.alert == chosen)
    if not board.raised:
        watched = view.started is not None
        text = "✓ none" if watched else "· none known: no engine has reported anything yet"
        lines.append(Content.styled(text, GOOD if watched else DIM))
    lines += [Content(""), Content.styled("Silences", TITLE)]
    for silence in board.active_silences(now):
        left = age(silence.until - now)
        what = "all alerts" if silence.match == "*" else silence.match
        text = f"– {what}, for {left} more, by {silence.who}" + (f": {silence.note}" if silence.note else "")
        lines.append(Content.styled(text, WARN).truncate(frame.width, ellipsis=True))
    if not board.active_silences(now):
        lines.append(Content.styled("none", DIM))
    lines += [Content(""), Content.styled("Ended", TITLE)]
    for span in reversed(board.ended):
        lines.append(_ended(span, frame))
    if not board.ended:
        lines.append(Content.styled("none", DIM))
    return lines


def _raised(board: AlertBoard, span: AlertSpan, frame: Frame, chosen: bool) -> Lines:
    look = SEVERITY.get(span.severity, SEVERITY["warning"])
    mark = Content.styled("▸", BUSY) if chosen else Content(" ")
    since = cell(age(frame.now - span.begun), 7, right=True)
    words = Content(span.text)
    narrow = frame.width < 2 * NAMES + 30
    first = row(mark, status(look, 10), cell(span.alert, NAMES), since, *([] if narrow else [words]))
    silence = board.silence_of(span.alert, frame.now)
    known = f"acknowledged by {span.acknowledged_by}" if span.acknowledged_by else "nobody looks after it yet"
    if span.note:
        known += f": {span.note}"
    if silence is not None:
        known += f"; silenced by {silence.who}"
    return [
        first.truncate(frame.width, ellipsis=True),
        *([Content(f"{'':13}{span.text}").truncate(frame.width, ellipsis=True)] if narrow else []),
        Content.styled(f"{'':13}└ {known}", DIM).truncate(frame.width, ellipsis=True),
    ]


def _ended(span: AlertSpan, frame: Frame) -> Content:
    look = SEVERITY.get(span.severity, SEVERITY["warning"])
    assert span.ended is not None
    lasted = f"{age(frame.now - span.ended)} ago, lasted {age(span.ended - span.begun)}"
    line = row(
        " ", status(Look("✓", look.word, DIM), 10), cell(span.alert, NAMES), cell(lasted, 26), span.text
    )
    return line.truncate(frame.width, ellipsis=True)
