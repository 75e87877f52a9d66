"""What is asked before a rollback begins: whose rows stay, whether writes are given up, and the word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.app import App
from textual.content import Content

from wsdash.model import Intent
from wsdash.model.run import GIVE_UP, ROLLBACK
from wsdash.plan import Plan
from wsdash.runtime import user_name
from wsdash.tui.dialogs.conflicts import ConflictsPanel
from wsdash.tui.dialogs.questions import AnswerDialog, Answered, TypedDialog
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.consequences import rollback_lines
from wsdash.tui.state.viewstate import ViewState

BLOCKED = {"again": "Try again", "give-up": "Give them up"}
"""The answers about writes that cannot be carried back."""


@dataclass(frozen=True)
class RollbackQuestions:
    """The dialogs that end with the intent to roll back, or with nothing. send: takes that intent."""

    app: App[Any]
    plan: Plan
    view: ViewState
    frame: Frame
    send: Callable[[Intent], None]

    def ask(self) -> None:
        """Have the word typed; first ask of rows that both sides changed, of writes that cannot go back."""
        if self.view.run.blocked:
            self._ask_blocked(self.view.run.blocked)
        elif self.view.run.conflicts is not None:
            self._ask_conflicts()
        else:
            self._ask_word({})

    def _ask_conflicts(self) -> None:
        panel = ConflictsPanel(self.view, self.frame)

        def closed(_: None) -> None:
            if panel.decided:
                self._ask_word({"keep_rows": dict(panel.choices)})

        self.app.push_screen(panel, closed)

    def _ask_blocked(self, why: str) -> None:
        def answered(said: Answered | None) -> None:
            if said is not None:
                self._ask_word({"give_up": True} if said.answer == "give-up" else {})

        text = Content.from_text(
            f"{why}.\nWhere that can be mended, mend it and try again: nothing is lost. Else these changes "
            "can be given up: the old database opens as it was at the switch.",
            markup=False,
        )
        self.app.push_screen(AnswerDialog("What users wrote cannot go back", text, BLOCKED), answered)

    def _ask_word(self, options: dict[str, Any]) -> None:
        lines = rollback_lines(self.plan, self.view, self.frame.now)
        word = ROLLBACK
        if options.get("give_up"):
            word, lines = GIVE_UP, [f"{self.view.run.blocked}: THESE ARE GIVEN UP.", "", *lines]

        def typed(phrase: str | None) -> None:
            if phrase is not None:
                self.send(Intent("rollback", phrase=phrase, who=user_name(), options=dict(options)))

        self.app.push_screen(TypedDialog("Roll back", lines, word, "Roll back"), typed)
