"""The keys of the log view."""

from __future__ import annotations

from textual.binding import Binding, BindingType


def _key(keys: str, action: str, words: str, does: str, tip: str, *, sign: str = "") -> Binding:
    return Binding(keys, action, words, show=False, id=f"logs.{does}", tooltip=tip, key_display=sign or None)


LOG_KEYS: list[BindingType] = [
    _key("slash", "ask('find')", "Find", "find", "Find text or a regular expression", sign="/"),
    _key("n", "next(1)", "Next match", "next", "Go to the next match"),
    _key("N", "next(-1)", "Match before", "before", "Go to the match before"),
    _key("f", "follow", "Follow", "follow", "Follow the newest line, or hold still"),
    _key("o", "container", "Container", "container", "Show one container's lines, or all"),
    _key("l", "level", "Level", "level", "Show all, warnings and errors, or errors"),
    _key("I", "ask('include')", "Include", "include", "Show only lines with a text, and some around them"),
    _key("plus", "around(1)", "More around", "more", "More lines around those that are included", sign="+"),
    _key(
        "minus", "around(-1)", "Less around", "less", "Fewer lines around those that are included", sign="-"
    ),
    _key("L", "wrap", "Wrap", "wrap", "Break long lines, or let them run on"),
    _key("T", "ask('time')", "Time", "time", "Go to a time: 10:32, -5m, or a date; of any age"),
    _key("O", "older", "Older", "older", "Lines before the oldest one, from the spool"),
    _key("full_stop", "error(1)", "Next error", "error", "Go to the next line with an error", sign="."),
    _key("comma", "error(-1)", "Error before", "errorbefore", "Go to the error before", sign=","),
    _key("enter", "detail", "Whole line", "detail", "All of the marked line, or of the lowest one"),
    _key("Y", "copy", "Copy line", "copy", "Copy all of that line"),
    _key("W", "export", "Write", "export", "Write what is shown to a file"),
    _key("i", "probes", "Probes", "probes", "Own probes shown, or not"),
    _key("escape", "clear", "Clear find", "clear", "Forget find and filters"),
    _key("down,j", "scroll_down", "Down", "down", "A line down"),
    _key("up,k", "scroll_up", "Up", "up", "A line up"),
    _key("ctrl+d", "half(1)", "Page down", "halfdown", "Half a page down"),
    _key("ctrl+u", "half(-1)", "Page up", "halfup", "Half a page up"),
    _key("home,g", "top", "Oldest", "top", "Go to the oldest line"),
    _key("end,G", "end", "Newest", "end", "Go to the newest line and follow"),
]
"""As in less and vi where they have one."""
