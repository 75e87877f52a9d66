"""What happens in a run as plain lines, for a terminal without a screen, a file and a screen reader."""

from __future__ import annotations

import time
from collections.abc import Callable

from wsdash.cli import printing
from wsdash.engine.outlook import REHEARSED
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    DecisionRecorded,
    Downtime,
    EngineStopped,
    ItemChanged,
    ItemState,
    Notice,
    PauseChanged,
    Recorded,
    RunFinished,
    RunStarted,
    SetupProgress,
)

GLYPHS = {
    ItemState.DONE: "✓",
    ItemState.FAILED: "✗",
    ItemState.INSUFFICIENT: "?",
    ItemState.SKIPPED: "–",
    ItemState.UNDONE: "↶",
    ItemState.RUNNING: "▶",
    ItemState.PENDING: "·",
}


def item_words(item: str, state: str, seconds: float, text: str) -> str:
    """An item as one line."""
    return f"{GLYPHS[ItemState(state)]} {item:<18} {state:<12} {seconds:6.1f} s  {text}".rstrip()


def printer(*, watching: bool = False) -> Callable[[Recorded], None]:
    """Prints one line per item with its evidence, and what a person must know besides.

    watching: with the time before each line, and what begins and what ended too.
    """
    stages: dict[str, int] = {}

    def say(text: str) -> None:
        now = time.strftime("%H:%M:%S ", time.localtime(at)) if watching else ""
        printing.say(now + text)

    at = 0.0

    def show(recorded: Recorded) -> None:
        nonlocal at
        event, at = recorded.event, recorded.at
        if watching and (words := _watched(event)):
            say(words)
            return
        if isinstance(event, RunStarted):
            again = " (resumed)" if event.resumed else ""
            say(f"run {event.run}, {event.mode}{again}")
        elif isinstance(event, SetupProgress):
            # a stage tells its place in the whole (k of n) and is over when k has grown
            if event.failed or event.done > stages.setdefault(event.stage, event.done):
                say(f"  world: {event.stage} {event.detail}".rstrip())
        elif isinstance(event, ItemChanged) and event.state is not ItemState.RUNNING:
            text = event.evidence + (f" — {event.remedy}" if event.remedy else "")
            say(item_words(event.item, event.state, event.seconds, text))
        elif isinstance(event, Notice) and event.level != "info":
            say(f"! {event.level}: {event.text}")
        elif isinstance(event, Notice) and event.item and event.text.startswith(REHEARSED):
            say(f"  {event.text}")
        elif isinstance(event, AlertChanged) and event.raised:
            say(f"! alert: {event.text}")
        elif isinstance(event, RunFinished):
            say(f"outcome: {event.outcome} {event.detail}".rstrip())
        elif isinstance(event, EngineStopped):
            say(f"engine stopped: {event.reason}")

    return show


def _watched(event: AnyEvent) -> str:
    """What only somebody who watches needs to know, or ''."""
    match event:
        case ItemChanged(state=ItemState.RUNNING):
            return f"{GLYPHS[event.state]} {event.item} is running"
        case Notice(level="info"):
            return f"  {event.text}"
        case AlertChanged(raised=False):
            return f"  alert ended: {event.text}"
        case Downtime():
            return "write downtime began" if event.running else "write downtime ended"
        case PauseChanged():
            return "paused" if event.paused else "goes on"
        case DecisionRecorded():
            return f"day {event.day}: {'go' if event.go else 'no-go'}, says {event.who}: {event.why}"
    return ""
