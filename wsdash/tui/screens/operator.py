"""The operator's main screen: the monitor's, plus keys that send intents to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.content import Content

from wsdash.errors import WsdashError
from wsdash.model import LOAD, PAUSE_JOBS, Intent, ItemKind, ItemState, JobsAsked, Meaning, Reply
from wsdash.model.run import BEING_MADE, COMPARE, OVERWRITE
from wsdash.plan import Item, Plan, Test
from wsdash.runtime import user_name
from wsdash.tui.dialogs.questions import (
    HOLDS_OR_NOT,
    AnswerDialog,
    Answered,
    LeaveDialog,
    SignDialog,
    Signed,
    TypedDialog,
)
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.looks import plain_title
from wsdash.tui.panes.checklist import Checklist
from wsdash.tui.screens.main import MainScreen
from wsdash.tui.state.freshness import EngineState, engine_state, waiting_for
from wsdash.tui.state.viewstate import ViewState

INTERRUPT = "INTERRUPT"


PAUSE_OR_NOT = {"pause": "Pause them", "leave": "Leave them running"}
"""The answers about the source's background jobs."""


def jobs_question(asked: JobsAsked) -> Content:
    """Which jobs may start while rows are read, and what pausing them means."""
    lines = [
        f"{asked.item} and the items up to verify-data read the source. Meanwhile may start:",
        *(f"  {job}" for job in asked.jobs),
        "Paused, they start again after verify-data, a failure, a rollback, or when the engine ends.",
        "Running, they may rewrite or remove rows: what is read is proven, and read anew where it moved.",
    ]
    return Content("\n".join(lines))


class Control(Protocol):
    """Carries intents to the engine."""

    async def send(self, intent: Intent, timeout: float = 5.0) -> Reply:
        """The engine's answer. Raises UnreachableError."""
        ...


DOING: list[BindingType] = [
    Binding(
        "enter",
        "run",
        "Run",
        id="do.run",
        tooltip="Run or confirm it; of a done one, the evidence",
    ),
    Binding("a", "run_auto", "All", id="do.auto", tooltip="Run all that is automatic, in order"),
    Binding("p", "pause", "Pause", id="do.pause", tooltip="Pause after the current item, or go on"),
    Binding("r", "retry", "Retry", id="do.retry", tooltip="Run the selected (or the failed) item again"),
    Binding("R", "rollback", "Roll back", id="do.rollback", tooltip="Go back to the old service"),
    Binding("v", "compare", "Compare", show=False, id="do.compare", tooltip="Compare both sides now"),
    Binding("x", "skip", "Skip", show=False, id="do.skip", tooltip="Skip the selected item, with a reason"),
    Binding("F", "overwrite", "Overwrite", show=False, id="do.force", tooltip="Run it over foreign rows"),
]


class OperatorScreen(MainScreen, inherit_bindings=False):
    """Sends intents; what becomes of them is only seen in the journal."""

    HELP_TITLE = "Doing and looking"
    OPERATOR = True
    BINDINGS: ClassVar[list[BindingType]] = [*DOING, *MainScreen.BINDINGS]

    def __init__(
        self,
        plan: Plan,
        control: Control,
        documents: Mapping[str, Path],
        finishing: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        super().__init__(plan)
        self._control = control
        self._documents = documents
        self._finishing = finishing
        self._stopping = False
        self._held: Intent | None = None
        """What is sent as soon as there is an engine that takes it."""
        self._jobs_shown: JobsAsked | None = None
        """The question that the screen has put already."""

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render a state; close when the engine that was asked to stop has stopped."""
        super().show(view, frame)
        if self._held is not None and not waiting_for(self.view, self.frame.now):
            intent, self._held = self._held, None
            self._send(intent)
        asked = view.run.jobs_asked
        if asked is None:
            self._jobs_shown = None
        elif asked != self._jobs_shown and self.app.screen is self:
            self._ask_jobs(asked)
        if self._stopping and engine_state(view, frame.now) in (EngineState.STOPPED, EngineState.GONE):
            self.app.exit("stopped")

    def on_checklist_clicked(self, message: Checklist.Clicked) -> None:
        """A double click is Enter."""
        if message.twice:
            self.action_run()

    def action_run(self) -> None:
        """Run the selected item, or have it confirmed; of one that is done, open the evidence."""
        item = self.checklist.selected
        asked = self.view.run.jobs_asked
        if asked is not None and item.id == asked.item:
            self._ask_jobs(asked)
        elif self.view.run.item(item.id).state is ItemState.DONE or item.kind is ItemKind.WATCH:
            self.action_evidence()
        elif item.means(Meaning.DECIDES_DAY_7):
            self.action_timeline()
        else:
            self._carry_out(item)

    def _carry_out(self, item: Item) -> None:
        if item.means(Meaning.LOADS_API):
            self._ask_load(item)
        elif item.kind is ItemKind.AUTO:
            self._send(Intent("run-item", item=item.id))
        elif item.id in self._documents or item.means(Meaning.SHOWS_ADR):
            self._open_document(item)
        else:
            self._ask_confirm(item)

    def _ask_load(self, item: Item) -> None:
        """A load is put on nobody unasked; the embedded world has no users."""
        if self.view.run.world == "demo":
            self._send(Intent("run-item", item=item.id))
            return
        lines = [
            "The new API is loaded with up to 32 clients at once for about a minute.",
            "Its users feel it.",
        ]

        def typed(phrase: str | None) -> None:
            if phrase is not None:
                self._send(Intent("run-item", item=item.id, phrase=phrase))

        self.app.push_screen(TypedDialog("Load test", lines, LOAD, "Load"), typed)

    def _ask_jobs(self, asked: JobsAsked) -> None:
        """Whether the source's background jobs are paused."""
        self._jobs_shown = asked

        def answered(said: Answered | None) -> None:
            if said is not None:
                self._send(
                    Intent(
                        PAUSE_JOBS, who=said.who, note=said.note, options={"pause": said.answer == "pause"}
                    )
                )

        self.app.push_screen(AnswerDialog("Background jobs", jobs_question(asked), PAUSE_OR_NOT), answered)

    def action_run_auto(self) -> None:
        """Run all that is automatic; before there is an engine that can, as soon as there is one. Where it
        waits for an answer, ask."""
        asked = self.view.run.jobs_asked
        waiting = waiting_for(self.view, self.frame.now)
        if not waiting and asked is not None:
            self._ask_jobs(asked)
        elif not waiting:
            self._send(Intent("run-auto"))
        elif self._held is None:
            self._held = Intent("run-auto")
            self.notify(f"Noted: it begins by itself. Now {waiting}. Press a again to take it back.")
        else:
            self._held = None
            self.notify("Taken back: nothing begins by itself.")

    def action_pause(self) -> None:
        """Pause after the current item, or go on."""
        self._send(Intent("resume" if self.view.run.paused else "pause", who=user_name()))

    def action_retry(self) -> None:
        """Run the selected item again; when it did not fail, the first that did. A done one: ask first."""
        selected = self.checklist.selected
        failed = [item for item in self.plan.items if self.view.run.item(item.id).state is ItemState.FAILED]
        item = selected if selected in failed or not failed else failed[0]
        if self.view.run.item(item.id).state is not ItemState.DONE:
            self._send(Intent("retry", item=item.id))
        elif item.kind is ItemKind.AUTO:
            self._ask_again(item)
        else:
            self.action_evidence()

    def _ask_again(self, item: Item) -> None:
        """An item that is done is run again only by choice."""
        from wsdash.tui.panels.evidence import AgainDialog

        def answered(again: bool | None) -> None:
            if again:
                self._carry_out(item)

        self.app.push_screen(AgainDialog(self.view, self.plan, item), answered)

    def action_evidence(self) -> None:
        """Open the selected item's evidence, from where a done item is run again."""
        from wsdash.tui.panels.evidence import OperatorEvidencePanel

        item = self.checklist.selected
        self.app.push_screen(OperatorEvidencePanel(self.view, self.frame, self.plan, item, self._again))

    def _again(self, item: Item) -> None:
        if self.view.run.item(item.id).state is ItemState.DONE:
            self._ask_again(item)
        else:
            self._carry_out(item)

    def action_rollback(self) -> None:
        """Roll back, after the word was typed; of rows that both sides changed, ask first whose stay."""
        from wsdash.tui.dialogs.rollback import RollbackQuestions

        RollbackQuestions(self.app, self.plan, self.view, self.frame, self._send).ask()

    def action_overwrite(self) -> None:
        """Run the selected item over a target with foreign rows, after the word was typed."""
        item = self.checklist.selected
        if item.kind is not ItemKind.AUTO:
            self.notify("Choose an automatic item, such as migrate-data.", severity="warning")
            return
        lines = [
            f"{plain_title(item.title)} ({item.id}) is run again.",
            "Rows in the target that this run did not write are replaced; a copy of them is kept first.",
        ]

        def typed(phrase: str | None) -> None:
            if phrase is not None:
                self._send(Intent("run-item", item=item.id, force=True, phrase=phrase))

        self.app.push_screen(TypedDialog("Overwrite the target", lines, OVERWRITE, "Overwrite"), typed)

    def action_skip(self) -> None:
        """Skip the selected item, with a name and a reason."""
        item = self.checklist.selected
        text = plain_title(item.title)
        if item.kind is ItemKind.AUTO:
            text += "\nThis is an automatic item: skipped, nothing proves that it holds."
        dialog = SignDialog(f"Skip {item.id}", text, "Skip", reason=True)
        self.app.push_screen(dialog, lambda signed: self._signed("skip", item, signed))

    def action_tests(self) -> None:
        """Open the testing checklist, from where tests are tried and confirmed."""
        from wsdash.tui.panels.trials import OperatorTestsPanel

        panel = OperatorTestsPanel(self.view, self.frame, self.plan, self._send, self._ask_test)
        self.app.push_screen(panel)

    def _ask_test(self, test: Test) -> None:
        if test.kind is not ItemKind.AUTO:
            self._judge_test(test)
            return
        lines = [plain_title(test.title), "The new stack is stopped and started again: users notice."]

        def typed(phrase: str | None) -> None:
            if phrase is not None:
                self._send(Intent("run-item", item=test.id))

        self.app.push_screen(TypedDialog("Interrupt the service", lines, INTERRUPT, "Interrupt"), typed)

    def _judge_test(self, test: Test) -> None:
        def answered(said: Answered | None) -> None:
            if said is not None:
                options = {"holds": said.answer == "holds"}
                self._send(Intent("confirm", test.id, said.who, said.note, options=options))

        text = Content(plain_title(test.title))
        self.app.push_screen(AnswerDialog(f"Judge {test.id}", text, HOLDS_OR_NOT), answered)

    def action_timeline(self) -> None:
        """Open the timeline, with keys to decide."""
        from wsdash.tui.panels.timeline import OperatorTimelinePanel

        self.app.push_screen(OperatorTimelinePanel(self.view, self.frame, self._send, self._finishing))

    def action_move(self) -> None:
        """Open the online move, with the key that has conflicts decided."""
        from wsdash.tui.panels.databases import OperatorMovePanel

        self.app.push_screen(OperatorMovePanel(self.view, self.frame, self.action_rollback))

    def action_alerts(self) -> None:
        """Open the alerts, with keys to acknowledge and silence."""
        from wsdash.tui.panels.alerts import OperatorAlertsPanel

        self.app.push_screen(OperatorAlertsPanel(self.view, self.frame, self._send))

    def action_rehearsal(self) -> None:
        """Open the rehearsal, with keys to begin and end it."""
        from wsdash.tui.panels.trials import OperatorRehearsalPanel

        self.app.push_screen(OperatorRehearsalPanel(self.view, self.frame, self._send))

    def action_differences(self) -> None:
        """Open the differences, with a key to compare again."""
        from wsdash.tui.panels.evidence import OperatorDifferencesPanel

        self.app.push_screen(OperatorDifferencesPanel(self.view, self.frame, self._send))

    def action_compare(self) -> None:
        """Have both sides compared now, beside the run; the differences show how it goes."""
        self.run_worker(self._compare(), group="intents", exit_on_error=False, description=COMPARE)

    async def _compare(self) -> None:
        if await self._exchange(Intent(COMPARE, who=user_name())) and self.app.screen is self:
            self.action_differences()

    def action_leave(self) -> None:
        """Leave: the engine goes on, or stops with the run saved."""
        idle = engine_state(self.view, self.frame.now) in (EngineState.STOPPED, EngineState.GONE)
        if idle or self._stopping:
            self.app.exit("left")
            return
        self.app.push_screen(LeaveDialog(self.view.running), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "left":
            self.app.exit("left")
        elif answer == "stopped":
            self.run_worker(self._stop(), group="intents", exit_on_error=False, description="stop")

    async def _stop(self) -> None:
        if await self._exchange(Intent("stop", who=user_name())):
            self._stopping = True
            self.notify("The engine saves the run and stops; q leaves at once.", timeout=30)

    def _open_document(self, item: Item) -> None:
        from wsdash.tui.dialogs.document import DocumentScreen

        def read(confirmed: bool | None) -> None:
            if confirmed:
                self._ask_confirm(item)

        self.app.push_screen(DocumentScreen(plain_title(item.title), self._documents.get(item.id)), read)

    def _ask_confirm(self, item: Item) -> None:
        dialog = SignDialog(f"Confirm {item.id}", plain_title(item.title), "Confirm")
        self.app.push_screen(dialog, lambda signed: self._signed("confirm", item, signed))

    def _signed(self, do: str, item: Item, signed: Signed | None) -> None:
        if signed is not None:
            self._send(Intent(do, item=item.id, who=signed.who, note=signed.note))

    def _send(self, intent: Intent) -> None:
        self.run_worker(self._exchange(intent), group="intents", exit_on_error=False, description=intent.do)

    async def _exchange(self, intent: Intent) -> bool:
        if intent.do != "stop" and (waiting := waiting_for(self.view, self.frame.now)):
            self.notify(f"Not yet: {waiting}. Press it again then.", markup=False)
            return False
        try:
            reply = await self._control.send(intent)
        except WsdashError as error:
            text = "\n".join(part for part in (error.what, error.where, error.remedy) if part)
            self.notify(text, title=f"{intent.do} was not sent", severity="error", timeout=15, markup=False)
            return False
        if not reply.ok and reply.text == BEING_MADE and intent.do == "run-auto":
            self._held = intent  # asked again with the next look at the run
        elif not reply.ok:
            self.notify(
                reply.text, title=f"{intent.do} was refused", severity="warning", timeout=10, markup=False
            )
        return reply.ok
