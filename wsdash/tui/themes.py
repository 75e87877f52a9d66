"""Sets of colours: ours (safe for colour-blind eyes, dark and light) and the terminal's own."""

from __future__ import annotations

import os

from textual.theme import Theme

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
