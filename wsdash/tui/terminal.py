"""The terminal around the app: where the screen is written to, what may reach it, and its end.

The end of the terminal is the end of the screen: no spinning, no half-restored tty. No text of any pane is
more than text. The operator is called by the bell or by OSC 9 or 777; selected text is copied over ssh and
tmux too.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter

from wsdash.model.alert_board import AlertSpan
from wsdash.outside import HARMFUL, PLAIN_SIGNS, plain_signs_wanted
from wsdash.subprocesses import ProgramError, run_program
from wsdash.tui.limits import END_SECONDS, TMUX_SECONDS
from wsdash.tui.state.viewstate import ViewState

if TYPE_CHECKING:
    from textual.app import App


def guard_terminal(app: App[str]) -> None:
    """End the app on SIGTERM, SIGHUP or when the terminal goes away. Call from the main thread, once.

    The screen holds nothing that could be lost, so after END_SECONDS the process ends whatever it waits
    for, with the terminal's modes put back where there still is a terminal.
    """
    descriptor = _terminal()
    modes = _modes(descriptor)

    def end(number: int, _frame: FrameType | None) -> None:
        _end_soon(128 + number, descriptor, modes)
        with contextlib.suppress(RuntimeError):
            app._loop.call_soon_threadsafe(app.exit, None, 128 + number)  # type: ignore[union-attr]

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    if descriptor is not None:
        threading.Thread(target=_until_hung_up, args=(descriptor,), name="terminal", daemon=True).start()


def _terminal() -> int | None:
    try:
        descriptor = sys.__stdin__.fileno() if sys.__stdin__ is not None else -1
    except (OSError, ValueError):
        return None
    return descriptor if descriptor >= 0 else None


def _modes(descriptor: int | None) -> list[Any] | None:
    if descriptor is None:
        return None
    try:
        return list(termios.tcgetattr(descriptor))
    except termios.error:
        return None


def _end_soon(code: int, descriptor: int | None, modes: list[Any] | None) -> None:
    def end() -> None:
        if descriptor is not None and modes is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(descriptor, termios.TCSANOW, modes)
        os._exit(code)

    timer = threading.Timer(END_SECONDS, end)
    timer.daemon = True
    timer.start()


def _until_hung_up(descriptor: int) -> None:
    poller = select.poll()
    poller.register(descriptor, 0)
    while not any(seen & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, seen in poller.poll()):
        pass
    os._exit(128 + signal.SIGHUP)


class StandardOutput(LinuxDriver):
    """Textual's driver writes to standard error, which `2>file` takes from the terminal.

    Where the locale has no UTF-8, our signs are written by plain ones.
    """

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        output = sys.__stdout__
        if output is not None and output.isatty():
            encoding = "ascii" if plain_signs_wanted() else output.encoding
            self._file = os.fdopen(
                os.dup(output.fileno()), "w", encoding=encoding, errors=PLAIN_SIGNS, newline=""
            )


async def to_tmux(text: str) -> bool:
    """Put text into tmux's newest buffer and its clipboard; False outside tmux or when that fails."""
    if "TMUX" not in os.environ:
        return False
    argv = ("tmux", "load-buffer", "-w", "-")
    try:
        return (await run_program(argv, seconds=TMUX_SECONDS, data=text.encode())).code == 0
    except ProgramError:
        return False


LONGEST = 200
RXVT = ("rxvt", "foot")


class Attention:
    """Rings for each alert that begins while we look, once; not for what is acknowledged or silenced.

    bell, desktop: what the operator wants of their terminal (alerts.bell, alerts.desktop of wsdash.yaml).
    """

    def __init__(
        self, bell: bool = True, desktop: bool = True, environment: Mapping[str, str] | None = None
    ) -> None:
        self._bell, self._desktop = bell, desktop
        self._environment = os.environ if environment is None else environment
        self._known: set[tuple[str, float]] | None = None

    def look(self, view: ViewState, now: float, write: Callable[[str], None]) -> None:
        """Ring by `write` for what is new in this state; the first state that has a run is only noted."""
        if view.started is None:
            return
        raised = {(span.alert, span.begun) for span in view.alerting.raised.values()}
        if self._known is None:
            self._known = raised
            return
        news = [span for span in view.alerting.unheeded(now) if (span.alert, span.begun) not in self._known]
        self._known |= raised
        if news and self._bell:
            write("\a")
        if news and self._desktop:
            for span in news[-3:]:
                write(self._notification(span))

    def _notification(self, span: AlertSpan) -> str:
        text = "".join(sign for sign in span.text if sign.isprintable())[:LONGEST]
        terminal = self._environment.get("TERM", "")
        body = text.replace(";", ",")
        # a terminal that knows both would tell twice
        sequence = (
            f"\x1b]777;notify;wsdash;{body}\a" if terminal.startswith(RXVT) else f"\x1b]9;wsdash: {text}\a"
        )
        if self._environment.get("TMUX"):
            # tmux lets it through only in this wrapping, and only with allow-passthrough
            sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
        return sequence


class Harmless(LineFilter):
    """Takes out of what is drawn every character that could act on a terminal or hide or reverse text.

    What the journal and the spool hold is cleaned already; this covers what reaches a pane by another way
    (settings, files, answers). A line keeps its width.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with harmless texts."""
        return [segment if segment.text.isprintable() else _harmless(segment) for segment in segments]


def _harmless(segment: Segment) -> Segment:
    if segment.control:
        return segment  # Textual's own
    text = HARMFUL.sub(lambda found: "\N{REPLACEMENT CHARACTER}" * cell_len(found[0]), segment.text)
    return Segment(text, segment.style)
