"""The app: hands a feed's states to its one screen. The monitor's holds no control object."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from rich.console import RenderableType
from textual import constants
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.driver import Driver
from textual.events import DeliveryComplete
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen

from wsdash.errors import WsdashError
from wsdash.failures import note_failure
from wsdash.model import Notice, Recorded
from wsdash.outside import clean
from wsdash.plan import Plan
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.lead import setup_failed
from wsdash.tui.drawn.looks import OURS, first_theme, no_color
from wsdash.tui.feeds.journal_feed import Feed, Update
from wsdash.tui.limits import FIRST_SIGN_SECONDS, TICK_SECONDS
from wsdash.tui.painted import Painted
from wsdash.tui.panes.latency import LatencyPane
from wsdash.tui.screens.main import MainScreen
from wsdash.tui.state.viewstate import ViewState, in_run_time, run_time
from wsdash.tui.terminal import Attention, Harmless, guard_terminal, to_tmux

Role = Literal["operator", "monitor"]


def commands() -> type[Provider]:
    """What the palette offers, imported only when it is opened."""
    from wsdash.tui.keys import BindingCommands

    return BindingCommands


class WsdashApp(App[str], inherit_bindings=False):
    """The screen of a run.

    state: the run's directory, for words only. control: required for the operator, must be None for the
    monitor. documents: item id -> file to show before it is confirmed. starting: awaited once the first
    frame is painted (it starts the engine, say); its WsdashError is shown. attention: rings for new alerts.
    finishing: lists, for the operator, what decommissioning would remove; it may block. keys: binding
    id -> key, where it is not the binding's own (checked already). `run()` returns 'left', 'stopped' or
    None. Raises ValueError when role and control do not fit.
    """

    CSS_PATH = "looks.tcss"
    TITLE = "wsdash"
    COMMANDS: ClassVar[set[Any]] = {commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q,ctrl+c", "leave", "Leave", show=False, id="app.leave", tooltip="Leave the screen"),
        Binding(
            "ctrl+p,colon",
            "command_palette",
            "Commands",
            show=False,
            id="app.palette",
            tooltip="Find a command by its name",
        ),
        Binding(
            "ctrl+l",
            "repaint",
            "Repaint",
            show=False,
            id="app.repaint",
            tooltip="Paint all again, where another program wrote to the terminal",
        ),
    ]

    class FeedReady(Message):
        """The feed's mailbox holds something new."""

    def __init__(
        self,
        state: Path | None,
        role: Role,
        control: Any,
        feed: Feed,
        plan: Plan,
        documents: Mapping[str, Path] | None = None,
        *,
        starting: Callable[[], Awaitable[None]] | None = None,
        attention: Attention | None = None,
        finishing: Callable[[], Sequence[str]] | None = None,
        keys: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(ansi_color=True if no_color() else None)
        if (role == "operator") != (control is not None):
            raise ValueError("the operator's screen has a control client, the monitor's has none")
        self.state = state
        self.role = role
        self.feed = feed
        self.main = _main_screen(plan, control, documents or {}, finishing)
        self._starting = starting
        self._attention = attention
        self._clock = clock
        self._view = self._taken = ViewState()
        self._notified_until = 0.0
        self._ticks = 0
        self._mounted = 0.0
        self._trouble = ""
        self._awaited_until = 0.0
        self.exports: Path | None = None
        """Where files that somebody wants written go; None: the user's downloads, or their browser."""
        self.failure = ""
        """What ended the screen against its will, in one sentence; '' while nothing did."""
        self._harmless = Harmless()
        self._painted = Painted()
        self.set_keymap(dict(keys or {}))
        for theme in OURS:
            self.register_theme(theme)
        self.theme = first_theme()

    def get_default_screen(self) -> Screen[Any]:
        """The main screen."""
        return self.main

    def get_driver_class(self) -> type[Driver]:
        """Ours for a terminal; the one that the environment names, as textual-serve does."""
        if constants.DRIVER is not None:
            return super().get_driver_class()
        from wsdash.tui.terminal import StandardOutput

        return StandardOutput

    def on_mount(self) -> None:
        """Begin to follow."""
        if not self.is_headless:
            guard_terminal(self)
        self._mounted = self._clock()
        self._show()
        self.feed.start(self._wake)
        self.set_interval(TICK_SECONDS, self._tick)
        if self._starting is not None:
            self._awaited_until = self._mounted + FIRST_SIGN_SECONDS
            self.run_worker(self._start(self._starting), group="starting", exit_on_error=False)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send what differs from what the terminal shows.

        Textual has no public hook for this; the version is pinned.
        """
        if isinstance(renderable, ChopsUpdate | LayoutUpdate) and not (self._batch_count or self.is_headless):
            difference = self._painted.difference(renderable, self.console, self.size)
            cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
            moved = cursor != self._previous_cursor_position
            super()._display(screen, difference if difference.pieces or moved else None)
            return
        super()._display(screen, renderable)

    def action_repaint(self) -> None:
        """Paint all again: another program wrote to the terminal."""
        self._painted.forget()
        self.screen.refresh()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, and the last gate before the terminal."""
        return [*super().get_line_filters(), self._harmless]

    def _handle_exception(self, error: Exception) -> None:
        """End with one sentence instead of Textual's traceback; the details go into a file.

        Textual has no public hook for this; the version is pinned.
        """
        if not self.failure:
            self.failure = note_failure(self.state, error)
        if self.is_headless:
            super()._handle_exception(error)
            return
        self._return_code = 1
        self._close_messages_no_wait()

    def on_unmount(self) -> None:
        """End following."""
        self.feed.stop()

    def on_wsdash_app_feed_ready(self) -> None:
        """Take what is new and show it; where only log lines came, nothing else is drawn."""
        if self._take():
            self._show()

    def _tick(self) -> None:
        """Show what came without being announced, and how late it is; twice as often while something runs."""
        self._ticks += 1
        if self._ticks % 2 == 0 or self._view.running or self._view.run.rehearsing is not None:
            self._take()
            self._show()

    def _take(self) -> bool:
        """Take what the feed holds; whether the view is another one than before."""
        update = self.feed.take()
        another, self._taken = update.view is not self._taken, update.view
        self._view = update.view
        self._tell(update)
        if self._attention is not None:
            self._attention.look(update.view, run_time(update.view, self._clock()), self._write_raw)
        if update.lines or update.lost_lines:
            self.main.add_lines(update.lines, update.lost_lines)
        return another

    def on_latency_pane_look_back(self, message: LatencyPane.LookBack) -> None:
        """The latency pane wants another window."""
        self.feed.look_back(message.window)

    def _write_raw(self, sequence: str) -> None:
        """Past the screen, to the terminal itself."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    def on_delivery_complete(self, event: DeliveryComplete) -> None:
        """Say where a file went that somebody wanted written."""
        self.notify(f"Written: {event.path or event.name}", markup=False, timeout=15)

    def action_leave(self) -> None:
        """As q on the main screen."""
        if self.screen is self.main:
            self.main.action_leave()
        else:
            self.exit("left")

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by the terminal's own means (OSC 52) and into tmux's buffer, and say so."""
        text = clean(text)
        super().copy_to_clipboard(text)
        self.run_worker(self._copied(text), group="copy", exit_on_error=False)

    async def _copied(self, text: str) -> None:
        ways = "the terminal was asked to take it (OSC 52)"
        if await to_tmux(text):
            ways = f"it is in tmux's buffer; {ways}"
        self.notify(f"Copied {len(text)} characters: {ways}.", timeout=5, markup=False)

    def _show(self) -> None:
        machine = self._clock()
        frame = Frame(run_time(self._view, machine), self.size.width, self.size.height, keys=self._keymap)
        if self._trouble and self._view.feed == "waiting":
            self._view = msgspec.structs.replace(self._view, trouble=self._trouble)
        view = in_run_time(self._awaiting(self._view, machine), machine)
        self.main.show(view, frame)
        if not self.main.is_mounted:  # what came before the first frame must not wait for the next second
            self.call_after_refresh(self._show)
        screen = self.screen if self.screen_stack else self.main
        if screen is not self.main and hasattr(screen, "show"):
            screen.show(view, self.main.frame)

    def _awaiting(self, view: ViewState, machine: float) -> ViewState:
        """Mark the view while the engine that we started has given no sign of life."""
        beat = view.heartbeat
        if self._awaited_until and beat is not None and beat.at >= self._mounted:
            self._awaited_until = 0.0
        return msgspec.structs.replace(view, awaited=machine < self._awaited_until)

    def _tell(self, update: Update) -> None:
        """Show the warnings and errors that arrived since the screen opened."""
        passing = update.view.run.passing
        as_fast_as_it_can = passing is not None and not passing.scale
        looked = self._mounted if as_fast_as_it_can else run_time(update.view, self._mounted)
        notified = max(self._notified_until, looked)
        for recorded in update.view.notices:
            if recorded.at > notified:
                self._toast(recorded)
        self._notified_until = max([self._notified_until, *(recorded.at for recorded in update.view.notices)])

    def _toast(self, recorded: Recorded) -> None:
        event = recorded.event
        failed = setup_failed(self._view)
        if failed is not None and isinstance(event, Notice) and event.text == failed.detail:
            return  # the line that leads and the setup's pane say it already
        if isinstance(event, Notice) and event.level in ("warning", "error"):
            severity: Literal["warning", "error"] = "error" if event.level == "error" else "warning"
            self.notify(event.text, severity=severity, timeout=10, markup=False)

    def _wake(self) -> None:
        self.post_message(self.FeedReady())

    async def _start(self, starting: Callable[[], Awaitable[None]]) -> None:
        try:
            await starting()
        except WsdashError as error:
            text = "\n".join(part for part in (error.what, error.where, error.remedy) if part)
            self._awaited_until = 0.0
            self._trouble = f"the engine was not started: {error}"
            self.notify(
                text, title="the engine was not started", severity="error", timeout=3600, markup=False
            )


def _main_screen(
    plan: Plan,
    control: Any,
    documents: Mapping[str, Path],
    finishing: Callable[[], Sequence[str]] | None,
) -> MainScreen:
    if control is None:
        return MainScreen(plan)
    from wsdash.tui.screens.operator import OperatorScreen

    return OperatorScreen(plan, control, documents, finishing)
