"""How grave a line of a log is: one reading for the pane, the alert, the error rate and the doctor. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from wsdash.outside.documents import read_json

ERROR, WARNING, PLAIN = 2, 1, 0
_BY_WORD = {
    ERROR: ("error", "err", "eror", "fatal", "panic", "critical", "crit", "alert", "emerg", "emergency"),
    WARNING: ("warn", "warning"),
    PLAIN: (
        "trace",
        "debug",
        "info",
        "notice",
        "log",
        "verbose",
        "http",
        "silly",
        "statement",
        "detail",
        "hint",
    ),
}
_LEVELS = {word: level for level, words in _BY_WORD.items() for word in words}
LEVEL_WITHIN = 200
"""Characters at a line's beginning in which its level is looked for."""
_PINO_ERROR, _PINO_WARNING = 50, 40
_FIELDS = ("level", "severity", "lvl", "log.level", "levelname", "loglevel")
_KLOG = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d")
_LOGFMT = re.compile(r"\b(?:level|lvl|severity)=\"?(\w+)", re.I)
_NPM = re.compile(r"^npm (ERR!|error|WARN|warn) ")
_BRACKETED = re.compile(r"[\[<(](\w{3,9})[\])>]")
"""[error], <warn>"""
_NAMED = re.compile(
    r"(?:^|[\s|\]:])(TRACE|DEBUG|INFO|NOTICE|LOG|STATEMENT|DETAIL|HINT"
    r"|WARN|WARNING|ERROR|ERR|FATAL|PANIC|CRITICAL|CRIT|ALERT|EMERG)(?=[\s:\]|,]|$)"
)
_LEADING = re.compile(r"^(?:[\d\-:.,TZ+/\s]{0,40})(\w{3,9}):\s")
"""error: x, after at most a time"""
_SIGNS = ("error", "exception", "traceback", "panic", "unhandled", "uncaught", "segmentation fault")
"""One of these is in every line that _GRAVE finds, so that most lines are not searched at all."""
_GRAVE = re.compile(
    r"(?-i:\w(?:Error|Exception)\b)|_error\b|\btraceback \(most recent|\bpanic: |\bpanicked at\b"
    r"|\bunhandled\b|\buncaught\b|\bsegmentation fault\b|(?<![/\w=-])errors?(?![\w/-])",
    re.I,
)
_NO_ERROR = re.compile(
    r"\b(?:0|no|without|zero) errors?\b"
    r"|\berrors?[\"']?\s*[=:]\s*(?:0|null|none|nil|false|\"\"|'')(?=[\s,;}\])]|$)",
    re.I,
)


@lru_cache(1024)
def severity(text: str) -> int:
    """ERROR, WARNING or PLAIN of a line that a container wrote.

    A level that the line names decides: a JSON field (words, or pino's numbers), klog's letter, level=…,
    [error], ERROR. Without one, the words of an error do: TypeError, Traceback, panic:, error.
    """
    if text.startswith("{") and (level := _of_record(text)) is not None:
        return level
    if klog := _KLOG.match(text):
        return {"E": ERROR, "F": ERROR, "W": WARNING}.get(klog[1], PLAIN)
    if npm := _NPM.match(text):
        return ERROR if npm[1].lower().startswith("err") else WARNING
    if (level := _named(text[:LEVEL_WITHIN])) is not None:
        return level
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS):
        return PLAIN
    return ERROR if _GRAVE.search(_NO_ERROR.sub(" ", text)) else PLAIN


def _named(text: str) -> int | None:
    """The first level that the line itself names."""
    found: list[tuple[int, int]] = []
    for expression in (_LOGFMT, _BRACKETED, _NAMED, _LEADING):
        for match in expression.finditer(text):
            level = _LEVELS.get(match[1].lower())
            if level is not None:
                found.append((match.start(1), level))
                break
    return min(found)[1] if found else None


def _of_record(text: str) -> int | None:
    try:
        record = read_json(text)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    for field in _FIELDS:
        if (level := _level(record.get(field))) is not None:
            return level
    words = record.get("message", record.get("msg", ""))
    if isinstance(words, str) and not words.startswith("{") and (level := severity(words)):
        return level
    return ERROR if record.get("error") or record.get("err") else PLAIN


def _level(value: Any) -> int | None:
    if isinstance(value, str):
        return _LEVELS.get(value.strip().lower())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ERROR if value >= _PINO_ERROR else WARNING if value >= _PINO_WARNING else PLAIN
    return None
