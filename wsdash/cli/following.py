"""`wsdash status --watch`: one line a change, for logs, screen readers and terminals that draw nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from wsdash.cli.headless import item_words, printer
from wsdash.cli.printing import say
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.launch import engine_alive
from wsdash.model import Recorded
from wsdash.model.fold import RunView, fold_all
from wsdash.outside import clean

POLL_SECONDS = 0.2
PACE = 1.0
"""Seconds between two looks at whether an engine lives."""


def follow(state: Path) -> int:
    """Print the state of the run, then every change, until Ctrl-C: that is no failure."""
    reader = JournalReader(state)
    show = printer(watching=True)
    try:
        events = _all(reader, 0)
        for line in standing(fold_all(events)):
            say(line)
        _go_on(state, reader, events[-1].seq if events else 0, show)
    except KeyboardInterrupt:
        pass
    finally:
        reader.close()
    return 0


def standing(run: RunView) -> list[str]:
    """The run in a few lines: what runs, what failed, how many items are done."""
    lines = [f"run {run.run or '(none yet)'} {run.mode}".rstrip()]
    done = sum(item.state == "done" for item in run.items.values())
    lines.append(f"{done} items done")
    lines += [item_words(name, item.state, item.seconds, item.evidence) for name, item in run.items.items()]
    return lines


def _go_on(state: Path, reader: JournalReader, seq: int, show: Callable[[Recorded], None]) -> None:
    alive, looked = engine_alive(state) is not None, time.monotonic()
    say(_stamped(time.time(), "an engine works on it" if alive else "no engine is alive"))
    while True:
        if reader.changed():
            for recorded in _all(reader, seq):
                seq = recorded.seq
                show(recorded)
        if time.monotonic() - looked >= PACE:
            looked = time.monotonic()
            now = engine_alive(state) is not None
            if now != alive:
                alive = now
                say(_stamped(time.time(), "an engine works on it" if alive else "the engine is gone"))
        time.sleep(POLL_SECONDS)


def _all(reader: JournalReader, after: int) -> list[Recorded]:
    found: list[Recorded] = []
    while events := reader.events(found[-1].seq if found else after):
        found += events
    return found


def _stamped(at: float, text: str) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at))} {clean(text)}"
