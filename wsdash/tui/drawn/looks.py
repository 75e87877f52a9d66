"""How things look: glyph, word and style of every status; numbers and times are written by model/written.py.

And sets of colours: ours (safe for colour-blind eyes, dark and light) and the terminal's own.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from textual.theme import Theme

from wsdash.model import ContainerReading, ItemKind, ItemState, Liveness, Phase
from wsdash.model.written import age as age
from wsdash.model.written import at_least as at_least
from wsdash.model.written import calm as calm
from wsdash.model.written import clock as clock
from wsdash.model.written import count as count
from wsdash.model.written import milliseconds as milliseconds
from wsdash.model.written import size as size
from wsdash.model.written import stamp as stamp
from wsdash.model.written import took as took
from wsdash.model.written import when as when
from wsdash.model.written import zone as zone
from wsdash.tui.state.freshness import EngineState

GOOD = "$text-success"
BAD = "bold $text-error"
WARN = "$text-warning"
BUSY = "bold $text-accent"
DIM = "$foreground 60%"
PLAIN = ""
TITLE = "bold"

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
BARS = "▁▂▃▄▅▆▇█"
GAP = "×"
HOLE_MARK = "·"


class Look(NamedTuple):
    """Glyph, word and style of a status."""

    glyph: str
    word: str
    style: str


ITEM = {
    ItemState.PENDING: Look("○", "pending", DIM),
    ItemState.RUNNING: Look("▶", "running", BUSY),
    ItemState.DONE: Look("✓", "done", GOOD),
    ItemState.FAILED: Look("✗", "failed", BAD),
    ItemState.INSUFFICIENT: Look("?", "insufficient", WARN),
    ItemState.SKIPPED: Look("–", "skipped", WARN),
    ItemState.UNDONE: Look("↶", "undone", WARN),
}
KIND = {
    ItemKind.AUTO: Look("»", "auto", DIM),
    ItemKind.CONFIRM: Look("☐", "confirm", DIM),
    ItemKind.WATCH: Look("◷", "watch", DIM),
}
PHASE = {Phase.PRE: "Pre-Migration", Phase.MIGRATION: "Migration Steps", Phase.POST: "Post-Migration"}
LIVENESS = {
    Liveness.LIVE: Look("●", "live", GOOD),
    Liveness.STALE: Look("◌", "stale", WARN),
    Liveness.RECONNECTING: Look("↻", "reconnecting", WARN),
    Liveness.DOWN: Look("✗", "down", BAD),
    None: Look("?", "no reading yet", DIM),
}
ABSENT = Look("–", "absent", DIM)
ENGINE = {
    EngineState.STARTING: Look("◌", "starting the engine", WARN),
    EngineState.LIVE: Look("●", "engine live", GOOD),
    EngineState.SLOW: Look("◌", "engine slow", WARN),
    EngineState.GONE: Look("✗", "engine gone", BAD),
    EngineState.BLOCKED: Look("✗", "engine cannot write", BAD),
    EngineState.STOPPED: Look("■", "engine stopped", WARN),
    EngineState.OBSERVING: Look("◉", "no engine: observing", WARN),
}
FATE = {
    "same": Look("=", "same", GOOD),
    "created": Look("+", "created", BUSY),
    "adapted": Look("~", "adapted", WARN),
    "not-carried": Look("–", "not carried", WARN),
    "blocks": Look("✗", "blocks", BAD),
}
NOTICE = {
    "info": Look("i", "info", DIM),
    "warning": Look("▲", "warning", WARN),
    "error": Look("✗", "error", BAD),
}
DOING = {"check": "checking", "act": "running", "undo": "undoing", "confirm": "confirming"}
_STATE = {
    "running": Look("●", "running", GOOD),
    "created": Look("○", "created", DIM),
    "restarting": Look("↻", "restarting", WARN),
    "paused": Look("‖", "paused", WARN),
    "exited": Look("■", "exited", WARN),
    "missing": Look("○", "missing", DIM),
}
_HEALTH = {
    "healthy": Look("✓", "healthy", GOOD),
    "unhealthy": Look("✗", "unhealthy", BAD),
    "starting": Look("◌", "starting", WARN),
    "none": Look("·", "no check", DIM),
    "unknown": Look("?", "unknown", WARN),
}


def container_state(reading: ContainerReading) -> Look:
    """The look of a container's state; an unclean end is bad. Of one that runs the engine still says how the
    run before ended."""
    if reading.oom_killed and reading.state not in ("running", "paused"):
        return Look("✗", "OOM killed", BAD)
    if reading.state == "created" and reading.detail:
        return Look("✗", "cannot run", BAD)
    if reading.state == "exited" and reading.exit_code:
        return Look("✗", f"exited {reading.exit_code}", BAD)
    return _STATE.get(reading.state, Look("?", reading.state or "unknown", WARN))


def container_health(reading: ContainerReading) -> Look:
    """The look of a container's health; there is none to tell while it does not run."""
    if reading.state not in ("running", "restarting", "paused"):
        return Look("–", "", DIM)
    return _HEALTH.get(reading.health, Look("?", reading.health or "unknown", WARN))


def bar(fraction: float | None, width: int) -> str:
    """A progress bar of `width` cells; dotted while the total is unknown."""
    if fraction is None:
        return "┄" * width
    full = int(max(0.0, min(1.0, fraction)) * width + 1e-9)
    return "━" * full + "─" * (width - full)


_TICKED = re.compile(r"`([^`]*)`")


def plain_title(title: str) -> str:
    """A title of the guide without its Markdown ticks, which a terminal does not need."""
    return _TICKED.sub(r"\1", title)


DARK = Theme(
    name="wsdash-dark",
    primary="#56B4E9",
    secondary="#CC79A7",
    accent="#56B4E9",
    success="#2FC09A",
    warning="#E6B422",
    error="#FF7847",
    foreground="#E2E6EA",
    background="#10151A",
    surface="#10151A",
    panel="#1C242C",
    dark=True,
)
LIGHT = Theme(
    name="wsdash-light",
    primary="#00598F",
    secondary="#8F3F6B",
    accent="#00598F",
    success="#00705A",
    warning="#8A5A00",
    error="#B23A00",
    foreground="#1C2126",
    background="#FAFAF7",
    surface="#FAFAF7",
    panel="#E9E9E4",
    dark=False,
)
OURS = (DARK, LIGHT)
NAMES = ("wsdash-dark", "wsdash-light", "ansi-dark", "ansi-light")


def no_color() -> bool:
    """Whether the user asked for no colours at all (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def first_theme() -> str:
    """The theme to begin with: WSDASH_THEME, else the terminal's own colours under NO_COLOR, else dark."""
    wanted = os.environ.get("WSDASH_THEME", "")
    if wanted in NAMES:
        return wanted
    plain = no_color() or os.environ.get("TERM", "") in ("linux", "vt100", "vt220", "dumb")
    return "ansi-dark" if plain else "wsdash-dark"


def next_theme(name: str) -> str:
    """The theme after that one."""
    return NAMES[(NAMES.index(name) + 1) % len(NAMES)] if name in NAMES else NAMES[0]
