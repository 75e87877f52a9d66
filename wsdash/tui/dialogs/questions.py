"""Questions to the operator: a name and a note, a typed word, how to leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button, Input, Static

from wsdash.runtime import user_name
from wsdash.tui.drawn.looks import BAD, DIM, TITLE
from wsdash.tui.modal import Modal

CANCEL = Binding("escape", "cancel", "Cancel", id="dialog.cancel", tooltip="Close without doing anything")
Result = TypeVar("Result")
HOLDS_OR_NOT = {"holds": "It holds", "fails": "It does not hold"}
"""The answers where only a person can say."""


def keep_buttons_in_sight(dialog: Screen[Any], scrolled: str, *, beside: int) -> None:
    """Give what scrolls the lines that a dialog (nine tenths of the screen's) has beside its other ones.

    Nothing scrolls in a dialog that is closed as it opens.
    """
    for widget in dialog.query(scrolled):
        widget.styles.max_height = max(3, dialog.size.height * 9 // 10 - beside)


@dataclass(frozen=True)
class Signed:
    """Who says so, and what they add."""

    who: str
    note: str


class _Named(Modal[Result | None], Generic[Result]):
    """A question that is answered by name, with a note; with `reason` the note must not be empty."""

    WORD: ClassVar[str] = "Reason"
    """How a note is called that must not be empty."""

    def __init__(self, heading: str, reason: bool) -> None:
        super().__init__()
        self._heading, self._reason = heading, reason

    def on_mount(self) -> None:
        """The name is mostly known: begin with the note."""
        self.query_one("#note" if self.query_one("#who", Input).value else "#who").focus()

    @on(Input.Submitted, "#who")
    def _to_note(self) -> None:
        self.query_one("#note").focus()

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)

    def _asked(self) -> ComposeResult:
        yield Static("Name", markup=False)
        yield Input(value=user_name(), id="who")
        yield Static(self.WORD if self._reason else "Note (optional)", markup=False)
        yield Input(id="note")
        yield Static("", markup=False, id="lacking")

    def _given(self) -> Signed | None:
        """What was filled in; None, and what is lacking is named, when it is not enough."""
        who = self.query_one("#who", Input).value.strip()
        note = self.query_one("#note", Input).value.strip()
        lacking = "a name is wanted" if not who else "a reason is wanted" if self._reason and not note else ""
        if lacking:
            self.query_one("#lacking", Static).update(Content.styled(f"✗ {lacking}", BAD))
            return None
        return Signed(who, note)


class SignDialog(_Named[Signed]):
    """Asks for a name and a note. With `reason` the note must not be empty."""

    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(self, heading: str, text: str, button: str, *, reason: bool = False) -> None:
        super().__init__(heading, reason)
        self._text, self._button = text, button

    def compose(self) -> ComposeResult:
        """The text, the name and the note, and one button beside Cancel."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._heading
            yield Static(self._text, markup=False, classes="text")
            yield from self._asked()
            with Horizontal(classes="buttons"):
                yield Button(self._button, variant="primary", id="ok")
                yield Button("Cancel (Esc)", id="cancel")

    @on(Input.Submitted, "#note")
    @on(Button.Pressed, "#ok")
    def _signed(self) -> None:
        given = self._given()
        if given is not None:
            self.dismiss(given)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.action_cancel()


@dataclass(frozen=True)
class Answered(Signed):
    """As Signed, with the answer that was chosen."""

    answer: str


class AnswerDialog(_Named[Answered]):
    """Asks for a name, a note, and one of several answers, none of which Enter alone gives.

    answers: name -> label. With `reason` the note must not be empty.
    """

    WORD = "Why"
    BINDINGS: ClassVar[list[BindingType]] = [
        CANCEL,
        Binding("right", "app.focus_next", "Next", show=False, id="answer.next", tooltip="Next answer"),
        Binding(
            "left", "app.focus_previous", "Before", show=False, id="answer.before", tooltip="Answer before"
        ),
    ]

    def __init__(
        self, heading: str, text: Content, answers: Mapping[str, str], *, reason: bool = False
    ) -> None:
        super().__init__(heading, reason)
        self._text, self._answers = text, answers

    def compose(self) -> ComposeResult:
        """The evidence, scrolling, the name and the note, and a button an answer beside Cancel."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._heading
            with VerticalScroll(classes="evidence"):
                yield Static(self._text, markup=False, classes="text")
            yield from self._asked()
            with Horizontal(classes="buttons"):
                for name, label in self._answers.items():
                    yield Button(label, id=name)
                yield Button("Cancel (Esc)", id="cancel")

    def on_resize(self) -> None:
        """Fit the evidence to the new height."""
        keep_buttons_in_sight(self, ".evidence", beside=14)

    @on(Input.Submitted, "#note")
    def _to_answers(self) -> None:
        self.query_one(f"#{next(iter(self._answers))}").focus()

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        answer = event.button.id or ""
        if answer not in self._answers:
            self.dismiss(None)
            return
        given = self._given()
        if given is not None:
            self.dismiss(Answered(given.who, given.note, answer))


class TypedDialog(Modal[str | None]):
    """Shows exactly what will be done and wants one word typed; returns the word, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(self, heading: str, lines: Sequence[str], word: str, button: str) -> None:
        super().__init__()
        self._heading, self._lines, self._word, self._button = heading, lines, word, button

    def compose(self) -> ComposeResult:
        """What will happen, and the word to type; the button is off until it is typed."""
        with Vertical(classes="dialog danger") as box:
            box.border_title = self._heading
            with VerticalScroll(classes="scrolling"):
                yield Static("\n".join(self._lines), markup=False, classes="text")
            yield Static(Content.assemble("Type ", (self._word, TITLE), " to go on:"))
            yield Input(id="phrase")
            with Horizontal(classes="buttons"):
                yield Button(self._button, variant="error", id="ok", disabled=True)
                yield Button("Cancel (Esc)", id="cancel")

    def on_mount(self) -> None:
        """Begin with the word."""
        self.query_one("#phrase").focus()

    def on_resize(self) -> None:
        """Fit the lines to the new height."""
        keep_buttons_in_sight(self, ".scrolling", beside=9)

    @on(Input.Changed, "#phrase")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#ok", Button).disabled = event.value.strip() != self._word

    @on(Input.Submitted, "#phrase")
    @on(Button.Pressed, "#ok")
    def _confirmed(self) -> None:
        phrase = self.query_one("#phrase", Input).value.strip()
        if phrase == self._word:
            self.dismiss(phrase)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class LeaveDialog(Modal[str | None]):
    """How to leave: 'left' (the engine goes on), 'stopped' (it ends, the run saved), or None (stay)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "q", "answer('left')", "Go on", id="leave.on", tooltip="Close the screen; the engine goes on"
        ),
        Binding(
            "X", "answer('stopped')", "Stop", id="leave.stop", tooltip="Stop the engine; the run is saved"
        ),
        Binding("escape", "answer('')", "Cancel", id="leave.cancel", tooltip="Stay"),
        Binding("right,down", "app.focus_next", "Next", show=False, id="leave.next", tooltip="Next answer"),
        Binding(
            "left,up", "app.focus_previous", "Before", show=False, id="leave.before", tooltip="Answer before"
        ),
    ]

    def __init__(self, running: str) -> None:
        super().__init__()
        self._item = running

    def compose(self) -> ComposeResult:
        """What runs, and three ways: the engine goes on, the engine stops, nobody leaves."""
        doing = f"{self._item} is running." if self._item else "Nothing is running."
        with Vertical(classes="dialog") as box:
            box.border_title = "Leave"
            yield Static(f"{doing} What about the engine?", markup=False, classes="text")
            yield Button(self.with_keys("Let it go on ({leave.on})"), variant="primary", id="left")
            yield Static("The same command opens the screen again.", classes="dim", markup=False)
            yield Button(self.with_keys("Stop it, run saved ({leave.stop})"), variant="warning", id="stopped")
            text = "The running item is interrupted; the same command goes on from there."
            yield Static(Content.styled(text, DIM) if self._item else "", classes="dim", markup=False)
            yield Button("Cancel (Esc)", id="cancel")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is an answer."""
        self.action_answer("" if event.button.id == "cancel" else event.button.id or "")

    def action_answer(self, answer: str) -> None:
        """Close with that answer."""
        self.dismiss(answer or None)
