"""The end of the terminal is the end of the screen: no spinning, no half-restored tty."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

PATIENCE = 1.5
"""Seconds that an orderly end may take before the process ends anyway (its terminal may be blocked)."""


def guard_terminal(app: App[str]) -> None:
    """End the app on SIGTERM, SIGHUP or when the terminal goes away. Call from the main thread, once.

    The screen holds nothing that could be lost, so after PATIENCE seconds the process ends whatever it waits
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

    timer = threading.Timer(PATIENCE, end)
    timer.daemon = True
    timer.start()


def _until_hung_up(descriptor: int) -> None:
    poller = select.poll()
    poller.register(descriptor, 0)
    while not any(seen & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, seen in poller.poll()):
        pass
    os._exit(128 + signal.SIGHUP)
