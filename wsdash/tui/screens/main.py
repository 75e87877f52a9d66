"""The main screen as a monitor sees it: five panes, header, footer, and keys that only look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.dom import DOMNode
from textual.geometry import Offset, Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from wsdash.model import LogLine
from wsdash.plan import Plan
from wsdash.runtime import report_directory
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.keys import KeysLine
from wsdash.tui.panes.base import Pane
from wsdash.tui.panes.checklist import Checklist
from wsdash.tui.panes.containers import ContainersPane
from wsdash.tui.panes.header import Header
from wsdash.tui.panes.latency import LatencyPane
from wsdash.tui.panes.logs import LogsPane
from wsdash.tui.panes.logview import LogView
from wsdash.tui.panes.rows import RowsPane
from wsdash.tui.panes.setup import SetupPane
from wsdash.tui.panes.tabs import PANES, TabBar
from wsdash.tui.state.freshness import EngineState, engine_state
from wsdash.tui.state.viewstate import ViewState

NARROW = 104
SHORT = 30
COMPACT = 36
TALL = 50
COLUMN = 70
"""From so many rows on all panes are stacked where they do not fit beside each other."""
LEAST_WIDTH, LEAST_HEIGHT = 40, 10
WIDE = 180


LOOKING: list[BindingType] = [
    Binding("question_mark", "help", "Help", key_display="?", id="look.help", tooltip="All keys and signs"),
    Binding("q", "leave", "Leave", id="look.leave", tooltip="Leave the screen"),
    Binding("z", "zoom", "Zoom", id="look.zoom", tooltip="The current pane alone, or all again"),
    Binding("s", "schema", "Schema", id="look.schema", tooltip="What the target will have, before any copy"),
    Binding("d", "differences", "Diffs", id="look.differences", tooltip="Verified tables, rows that differ"),
    Binding(
        "c",
        "tests",
        "Tests",
        show=False,
        id="look.tests",
        tooltip="The guide's testing checklist and its evidence",
    ),
    Binding(
        "m",
        "metrics",
        "Metrics",
        show=False,
        id="look.metrics",
        tooltip="Every number over an hour, a day or 14 days",
    ),
    Binding(
        "b",
        "branches",
        "Branches",
        show=False,
        id="look.branches",
        tooltip="Timelines of the new database, with size and age",
    ),
    Binding(
        "e", "evidence", "Evidence", id="look.evidence", tooltip="All that is known of the selected item"
    ),
    Binding("A", "alerts", "Alerts", show=False, id="look.alerts", tooltip="Alerts, silences, what ended"),
    Binding(
        "y", "timeline", "Days", show=False, id="look.timeline", tooltip="The fourteen days and the criteria"
    ),
    Binding(
        "M", "move", "Move", show=False, id="look.move", tooltip="The online move: lag, go/no-go, conflicts"
    ),
    Binding("H", "rehearsal", "Rehearse", show=False, id="look.rehearsal", tooltip="The newest rehearsal"),
    Binding("w", "report", "Report", show=False, id="look.report", tooltip="The report as it was written"),
    Binding(
        "space",
        "attention",
        "Go to next",
        show=False,
        id="look.attention",
        tooltip="The cursor goes to what needs attention",
    ),
    Binding("J", "jump", "Jump", show=False, id="look.jump", tooltip="A label on all there is to go to"),
    Binding("tab", "cycle(1)", "Next pane", show=False, id="look.next", tooltip="Go to the next pane"),
    Binding(
        "shift+tab", "cycle(-1)", "Pane before", show=False, id="look.before", tooltip="Go to the pane before"
    ),
    *(
        Binding(str(number), f"pane({number})", name.capitalize(), show=False, id=f"look.{name}", tooltip=tip)
        for number, (name, tip) in enumerate(PANES.items(), 1)
    ),
    Binding(
        "t", "theme", "Colours", show=False, id="look.theme", tooltip="Dark, light, or the terminal's own"
    ),
    Binding(
        "ctrl+c,super+c", "screen.copy_text", "Copy", show=False, id="look.copy", tooltip="Copy the selection"
    ),
]


class MainScreen(Screen[None], inherit_bindings=False):
    """Renders ViewStates. Nothing here, nor in any pane, can send anything."""

    HELP_TITLE: ClassVar[str] = "Looking"
    OPERATOR: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = LOOKING

    def __init__(self, plan: Plan) -> None:
        super().__init__(classes="building")  # until more is known: another class lays out all of it anew
        self.plan = plan
        self.view = ViewState()
        self.frame = Frame(0.0, 0)
        self.current = "checklist"
        self.header = Header(plan)
        self.checklist = Checklist(plan)
        self.logs = LogsPane()
        self.setup = SetupPane("setup")
        self.panes: dict[str, Pane] = {
            "containers": ContainersPane("containers"),
            "rows": RowsPane("rows"),
            "latency": LatencyPane("latency"),
        }
        self._tabs = TabBar()
        self._keys = KeysLine()
        self._zoomed = False
        self._small = Static(markup=False, id="small")

    def compose(self) -> ComposeResult:
        """What is said when nothing fits; header, tabs, the world's building, the panes, and the keys."""
        self._fit(self.app.size)
        self._mark_current()
        yield self._small
        yield self.header
        yield self._tabs
        yield self.setup
        with Grid(id="body"):
            yield self.checklist
            yield from self.panes.values()
            yield self.logs
        yield self._keys

    def on_mount(self) -> None:
        """Paint what there is."""
        self._tabs.mark(self.current)
        self.checklist.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Tabs when there is no room for five panes; a word where there is none for one."""
        self._fit(event.size)

    def _fit(self, size: Size) -> None:
        width, height = size
        self.set_class(width < LEAST_WIDTH or height < LEAST_HEIGHT, "small")
        self._small.update(f"{width}x{height} is too small: {LEAST_WIDTH}x{LEAST_HEIGHT} at least")
        column = width < NARROW and height >= COLUMN
        self.set_class(column, "column")
        self.set_class(not column and (width < NARROW or height < SHORT), "narrow")
        self.set_class(width >= WIDE, "wide")
        self.set_class(height < COMPACT, "short")
        self.set_class(height >= TALL, "tall")

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render a state on every pane; each redraws only what changed."""
        self.view = view
        self.frame = frame = replace(frame, operator=self.OPERATOR)
        starting = view.started is None and engine_state(view, frame.now) is EngineState.STARTING
        self.set_class(view.building or starting, "building")
        with self.app.batch_update():
            self.checklist.show(view, frame)
            self.header.show(view, frame, self.checklist.selected)
            self._tabs.show(view, frame)
            self._keys.show(view, frame.now)
            self.setup.show(view, frame)
            for pane in self.panes.values():
                pane.show(view, frame)
            self.logs.show(view, frame)

    def add_lines(self, lines: Sequence[LogLine], lost: int) -> None:
        """New log lines."""
        self.logs.extend(lines, lost)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The pane that has the focus is the current one."""
        for node in event.widget.ancestors_with_self:
            if node.id in PANES and node.id != self.current:
                self.current = node.id
                self._tabs.mark(self.current)
                self._mark_current()

    def action_pane(self, number: int) -> None:
        """Go to the pane of that number."""
        self.current = list(PANES)[number - 1]
        self._tabs.mark(self.current)
        self._mark_current()
        self._focusable().focus()

    def action_cycle(self, by: int) -> None:
        """Go to the next pane, or the one before."""
        self.action_pane((list(PANES).index(self.current) + by) % len(PANES) + 1)

    def action_zoom(self) -> None:
        """The current pane alone, or all again."""
        self._zoomed = not self._zoomed
        self.set_class(self._zoomed, "zoomed")

    def action_attention(self) -> None:
        """Put the cursor where the run needs attention."""
        self.action_pane(1)
        self.checklist.to_attention()

    def on_log_view_detail_wanted(self, message: LogView.DetailWanted) -> None:
        """Open all of a log's line."""
        from wsdash.tui.dialogs.document import LinePanel

        self.app.push_screen(LinePanel(message.line))

    def on_checklist_selected(self) -> None:
        """The line that leads is about the item under the cursor."""
        self.header.select(self.view, self.frame, self.checklist.selected)

    def action_jump(self) -> None:
        """Put a label on every pane, tab and item in sight; the next key chooses one."""
        from wsdash.tui.panels.help import JumpScreen, Target, labelled, place_of

        def pane(number: int) -> Callable[[], None]:
            return lambda: self.action_pane(number)

        def item(name: str) -> Callable[[], None]:
            def go() -> None:
                self.action_pane(1)
                self.checklist.select(name)

            return go

        targets = []
        tabs = place_of(self._tabs)
        for number, (name, place) in enumerate(zip(PANES, self._tabs.places(), strict=True), 1):
            at = tabs + Offset(place, 0) if tabs is not None else place_of(self.query_one(f"#{name}"))
            if at is not None:
                targets.append(Target(at, pane(number)))
        targets += [Target(at, item(name)) for name, at in self.checklist.places()]
        bound = self.active_bindings.items()
        acting = [key for key, one in bound if (one.binding.id or "").startswith(("do.", "look.leave"))]

        def chosen(target: Target | None) -> None:
            if target is not None:
                target.go()

        self.app.push_screen(JumpScreen(labelled(targets, acting)), chosen)

    def action_theme(self) -> None:
        """The next set of colours."""
        from wsdash.tui.drawn.looks import next_theme

        self.app.theme = next_theme(self.app.theme)

    def action_schema(self) -> None:
        """Open the schema panel."""
        from wsdash.tui.panels.schema import SchemaPanel

        self.app.push_screen(SchemaPanel(self.view, self.frame))

    def action_differences(self) -> None:
        """Open the differences."""
        from wsdash.tui.panels.evidence import DifferencesPanel

        self.app.push_screen(DifferencesPanel(self.view, self.frame))

    def action_tests(self) -> None:
        """Open the testing checklist."""
        from wsdash.tui.panels.trials import TestsPanel

        self.app.push_screen(TestsPanel(self.view, self.frame, self.plan))

    def action_move(self) -> None:
        """Open the online move."""
        from wsdash.tui.panels.databases import MovePanel

        self.app.push_screen(MovePanel(self.view, self.frame))

    def action_branches(self) -> None:
        """Open the branches."""
        from wsdash.tui.panels.databases import BranchesPanel

        self.app.push_screen(BranchesPanel(self.view, self.frame))

    def action_metrics(self) -> None:
        """Open the metrics."""
        from wsdash.tui.panels.metrics import MetricsPanel

        self.app.push_screen(MetricsPanel(self.view, self.frame, getattr(self.app, "state", None)))

    def action_evidence(self) -> None:
        """Open the selected item's evidence."""
        from wsdash.tui.panels.evidence import EvidencePanel

        self.app.push_screen(EvidencePanel(self.view, self.frame, self.plan, self.checklist.selected))

    def action_alerts(self) -> None:
        """Open the alerts."""
        from wsdash.tui.panels.alerts import AlertsPanel

        self.app.push_screen(AlertsPanel(self.view, self.frame))

    def action_timeline(self) -> None:
        """Open the timeline."""
        from wsdash.tui.panels.timeline import TimelinePanel

        self.app.push_screen(TimelinePanel(self.view, self.frame))

    def action_rehearsal(self) -> None:
        """Open the rehearsal."""
        from wsdash.tui.panels.trials import RehearsalPanel

        self.app.push_screen(RehearsalPanel(self.view, self.frame))

    def action_report(self) -> None:
        """Open the report."""
        from wsdash.tui.panels.report import ReportPanel

        state = getattr(self.app, "state", None)
        directory = report_directory(state) if state is not None else None
        self.app.push_screen(ReportPanel(self.view, self.frame, directory))

    def action_help(self) -> None:
        """Open the keys."""
        from wsdash.tui.panels.help import HelpPanel

        nodes = sorted(self.help_nodes(), key=lambda node: node is not self.focused)

        self.app.push_screen(HelpPanel(self.view, self.frame, nodes))

    def action_leave(self) -> None:
        """Leave; nothing else depends on this screen."""
        self.app.exit("left")

    def help_nodes(self) -> list[DOMNode]:
        """Whose bindings the help lists."""
        return [self, self.checklist, self.panes["latency"], self.logs.log_view]

    def _focusable(self) -> Widget:
        if self.current == "logs":
            return self.query_one(LogView)
        return self.checklist if self.current == "checklist" else self.panes[self.current]

    def _mark_current(self) -> None:
        for pane in (self.checklist, *self.panes.values(), self.logs):
            pane.set_class(pane.id == self.current, "current")
