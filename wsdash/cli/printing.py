"""What commands print: for people with everything harmful written out, for programs as JSON.

What no command foresaw becomes one sentence on standard error, and its traceback goes into a private file.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from wsdash.errors import WsdashError
from wsdash.failures import note_failure
from wsdash.outside import PLAIN_SIGNS, clean, plain_signs_wanted
from wsdash.runtime import current_state

LONGEST_OUTPUT = 64 << 20
"""Characters that one call prints."""


def print_json(value: object) -> None:
    """A value, with the typed structs in it, as indented JSON and a line's end on standard output."""
    with _named("standard output"):
        json.dump(msgspec.to_builtins(value), sys.stdout, indent=2)
        print(flush=True)


def tell(error: WsdashError) -> str:
    """An error as people read it: one line each for what, where and what to do."""
    lines = [f"wsdash: {error.what}"]
    if error.where:
        lines.append(f"  where:  {error.where}")
    if error.remedy:
        lines.append(f"  remedy: {error.remedy}")
    return "\n".join(lines)


def say(text: object = "", *, error: bool = False, end: str = "\n") -> None:
    """Print for a person, on standard output or (error) standard error, at once.

    Control characters, also those that reverse or hide text, are written out: what servers, files and people
    said is only ever shown. A stream that lacks a sign gets a plain one.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is None:
        return  # it was closed before we began
    shown = clean(str(text), LONGEST_OUTPUT)
    encoding = stream.encoding or "utf-8"
    if plain_signs_wanted():
        encoding = "ascii"
    text = shown.encode(encoding, PLAIN_SIGNS).decode(encoding, "replace")
    with _named("standard error" if error else "standard output"):
        print(text, file=stream, end=end, flush=True)


@contextmanager
def _named(stream: str) -> Iterator[None]:
    """An OSError in the block names the stream: it has no file's name of its own."""
    try:
        yield
    except OSError as error:
        error.filename = stream
        raise


def tell_unforeseen(error: BaseException, state: Path | None, what: str = "the command") -> None:
    """Say which bug it was and where its traceback is; raises nothing.

    state: as named by --state; None: the newest run's.
    """
    if state is None:
        with suppress(Exception):  # no home directory, say: the sentence matters more than its file's place
            state = current_state()
    sentence = note_failure(state, error, what)
    with suppress(OSError, ValueError):  # the terminal is gone, or the stream is closed
        say(f"wsdash: {sentence}", error=True)


def catch_background_failures(arguments: argparse.Namespace) -> None:
    """From now on threads and forgotten tasks fail as commands do: by a sentence, without a traceback."""
    state: Path | None = arguments.state

    def in_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None and failed.exc_type is not SystemExit:
            name = failed.thread.name if failed.thread is not None else "of no name"
            tell_unforeseen(failed.exc_value, state, f"thread {name}")

    threading.excepthook = in_thread
    logging.lastResort = _Sentences(state)


class _Sentences(logging.Handler):
    """Where Python's own log goes that nobody handles: asyncio and libraries tell of failures there."""

    def __init__(self, state: Path | None) -> None:
        super().__init__(logging.WARNING)
        self._state = state

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.name == "asyncio" and isinstance(error, ConnectionError):
            return  # a driver's connection ended, and its own call has reported that
        if error is not None:
            tell_unforeseen(error, self._state, f"a task in the background ({record.name})")
            return
        with suppress(Exception):
            say(f"wsdash: {record.name}: {record.getMessage()[:1000]}", error=True)
