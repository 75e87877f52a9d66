"""The alerts' panel; the operator's can acknowledge and silence, the monitor's has nothing to send.

Its lines: the alerts that are raised, the silences, and the alerts that ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from wsdash.model import Intent
from wsdash.model.alert_board import AlertBoard, AlertSpan
from wsdash.runtime import user_name
from wsdash.tui.dialogs.questions import CANCEL, SignDialog, Signed
from wsdash.tui.drawn.cells import Frame, Lines, cell, row, status
from wsdash.tui.drawn.looks import BAD, BUSY, DIM, GOOD, TITLE, WARN, Look, age
from wsdash.tui.modal import Modal, ViewPanel
from wsdash.tui.state.viewstate import ViewState

SEVERITY = {
    "critical": Look("✗", "critical", BAD),
    "warning": Look("▲", "warning", WARN),
    "info": Look("i", "info", DIM),
}
NAMES = 30


def gravest_first(board: AlertBoard) -> list[AlertSpan]:
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
    for span in gravest_first(board):
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


LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([mhd])")
SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0}


class AlertsPanel(ViewPanel):
    """What is raised, what is silenced, what ended."""

    NAME = "Alerts"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The alerts now."""
        return draw_alerts(view, frame)


class OperatorAlertsPanel(AlertsPanel):
    """As above, with a chosen alert and keys that send intents."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "choose(1)", "Next alert", id="alerts.next", tooltip="Choose the next raised alert"),
        Binding("K", "acknowledge", "Acknowledge", id="alerts.ack", tooltip="Say who looks after it"),
        Binding("S", "silence", "Silence", id="alerts.silence", tooltip="No messages for a while"),
        Binding("u", "unsilence", "Unsilence", id="alerts.unsilence", tooltip="End the first silence"),
    ]

    def __init__(self, view: ViewState, frame: Frame, send: Callable[[Intent], None]) -> None:
        super().__init__(view, frame)
        self._send = send
        self._chosen = 0

    def on_mount(self) -> None:
        """Say which keys there are."""
        super().on_mount()
        panel = self.query_one(".panel")
        panel.border_subtitle = self.with_keys(
            "{alerts.next} next · {alerts.ack} acknowledges · {alerts.silence} silences · "
            "{alerts.unsilence} ends a silence · {panel.close} closes"
        )

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The alerts now, one of them chosen."""
        return draw_alerts(view, frame, self._alert())

    def action_choose(self, by: int) -> None:
        """Choose another raised alert."""
        self._chosen += by
        self._redraw()

    def action_acknowledge(self) -> None:
        """Ask who looks after the chosen alert."""
        alert = self._alert()
        if not alert:
            self.notify("No alert is raised.")
            return
        text = self._view.alerting.raised[alert].text

        def signed(answer: Signed | None) -> None:
            if answer is not None:
                options = {"alert": alert}
                self._send(Intent("ack-alert", who=answer.who, note=answer.note, options=options))

        self.app.push_screen(SignDialog(f"Acknowledge {alert}", text, "Acknowledge"), signed)

    def action_silence(self) -> None:
        """Ask what to silence, for how long, and who says so."""

        def answered(intent: Intent | None) -> None:
            if intent is not None:
                self._send(intent)

        self.app.push_screen(SilenceDialog(self._alert() or "*"), answered)

    def action_unsilence(self) -> None:
        """End the silence that would end first."""
        silences = self._view.alerting.active_silences(self._frame.now)
        if not silences:
            self.notify("Nothing is silenced.")
            return
        self._send(Intent("unsilence-alert", who=user_name(), options={"match": silences[0].match}))

    def _alert(self) -> str:
        raised = gravest_first(self._view.alerting)
        return raised[self._chosen % len(raised)].alert if raised else ""


class SilenceDialog(Modal[Intent | None]):
    """What, for how long, by whom (typed: a silence hides things) and why."""

    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(self, match: str) -> None:
        super().__init__()
        self._match = match

    def compose(self) -> ComposeResult:
        """What to silence, for how long, who says so and why; below, what is still lacking."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Silence alerts"
            yield Static("A rule, an alert, or * for all", markup=False)
            yield Input(value=self._match, id="match")
            yield Static("For how long: 30m, 2h, 1d", markup=False)
            yield Input(value="1h", id="length")
            yield Static("Your name", markup=False)
            yield Input(id="who")
            yield Static("Why", markup=False)
            yield Input(id="note")
            yield Static("", markup=False, id="lacking")
            with Horizontal(classes="buttons"):
                yield Button("Silence", variant="warning", id="ok")
                yield Button("Cancel (Esc)", id="cancel")

    def on_mount(self) -> None:
        """The name is what is missing."""
        self.query_one("#who").focus()

    @on(Input.Submitted)
    @on(Button.Pressed, "#ok")
    def _answered(self) -> None:
        match, length, who, note = (
            self.query_one(f"#{name}", Input).value.strip() for name in ("match", "length", "who", "note")
        )
        found = LENGTH.fullmatch(length)
        lacking = "a name is wanted" if not who else "a time such as 30m or 2h is wanted" if not found else ""
        lacking = lacking or ("what to silence is wanted" if not match else "")
        if lacking or found is None:
            self.query_one("#lacking", Static).update(Content.styled(f"✗ {lacking}", BAD))
            return
        seconds = float(found[1]) * SECONDS[found[2]]
        self.dismiss(
            Intent("silence-alert", who=who, note=note, options={"match": match, "seconds": seconds})
        )

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
