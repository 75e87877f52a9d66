"""What a screen costs at the least: a Textual app with a list, a log, and nothing else.

python benchmarks/minimal_app.py [LINES_A_SECOND]

The list has as many items as wsdash's checklist and moves by the same keys; the log is fed by a thread and
shows what came ten times a second, as wsdash's does.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Header, Log, OptionList

ITEMS = 17


class MinimalApp(App[None]):
    """A header, a list, a log and a footer."""

    CSS = "OptionList { height: 20; } Log { height: 1fr; }"
    TITLE = "minimal"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "Down"),
        Binding("k", "move(-1)", "Up"),
    ]

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def compose(self) -> ComposeResult:
        """All there is."""
        yield Header()
        yield OptionList(*(f"item number {number:02}" for number in range(ITEMS)))
        yield Log(max_lines=10_000)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to write."""
        self.query_one(OptionList).focus()
        if self._rate:
            threading.Thread(target=self._produce, daemon=True).start()
            self.set_interval(0.1, self._flush)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        options = self.query_one(OptionList)
        if by > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def _produce(self) -> None:
        due, number = time.monotonic(), 0
        while True:
            upto = number + max(1, int(self._rate / 50))
            lines = [f"GET /api/items/{n} 200 in 12 ms, 4 rows" for n in range(number, upto)]
            due += (upto - number) / self._rate
            number = upto
            with self._lock:
                self._lines += lines
            time.sleep(max(0.0, due - time.monotonic()))

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self.query_one(Log).write_lines(lines)


if __name__ == "__main__":
    MinimalApp(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0).run()
