"""No secret leaves: the filter between every text of the engine and the journal, the spool and the log.

How secrets look where their values are unknown to us: what surrounds them, or their own form.
And which secrets this process knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from wsdash.config import Settings, secret_variables
from wsdash.model import Event, LogLine
from wsdash.outside import change_texts, clean, read_text_file, without_sequences
from wsdash.steps.base import endpoint

MASK = "***"

Replacement = str | Callable[[re.Match[str]], str]

_NAME = (
    r"(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|(?<![a-z])pass|pwd)[\w.-]{0,24}"
)
_WORD = r"(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
_WEBHOOKS = "|".join(
    (
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)",
        r"(?:[\w-]{1,63}\.)?webhook\.office\.com(?=/)",
        r"(?:[\w-]{1,63}\.){0,3}logic\.azure\.com(?::\d+)?(?=/)",
        r"(?:[\w-]{1,63}\.)?discord(?:app)?\.com/api(?:/v\d+)?/webhooks",
        r"chat\.googleapis\.com/v1/spaces",
        r"events\.pagerduty\.com/integration",
        r"api\.telegram\.org/bot",
    )
)
AWAITING = re.compile(rf"{_NAME}[\"']?\s{{0,5}}[=:]\s{{0,5}}[\\|>]?\s{{0,5}}$", re.I)
"""A line that ends where a secret's value would begin."""
FIRST_WORD = re.compile(rf"^(\s{{0,40}}){_WORD}")
_HINTS = (
    *("://", "pass", "pwd", "secret", "token", "authorization", "basic ", "bearer ", "akia", "asia", "eyj"),
    *("apikey", "api_key", "api-key", "accesskey", "access_key", "access-key", "private key", "xox", "sk-"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
)
"""One is in every text that one of the patterns or AWAITING matches; most texts have none, and are not
searched further."""
HINT = re.compile("|".join(map(re.escape, _HINTS)), re.I)
"""The same for any text. In ASCII, where a letter has one other case, the words are found faster."""
LONGEST_LINE = 1 << 16
"""Characters of a log line; the spool cuts it again where it keeps it."""
SHORTEST = 3
"""A secret of fewer characters is not searched for by value: it would occur in every second word."""
_IDENTIFIERS = frozenset(
    {"run", "mode", "item", "action", "name", "subject", "series", "source", "rule", "id", "table", "group"}
)
T = TypeVar("T")


def _authorization(found: re.Match[str]) -> str:
    return found[1] + (f"{found[2]} " if found[2] else "") + MASK


def _pattern(expression: str, replacement: Replacement = rf"\1{MASK}") -> tuple[re.Pattern[str], Replacement]:
    return re.compile(expression, re.I | re.S), replacement


PATTERNS: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    # a URL's password may hold any sign: it ends at the last @ that a host follows
    _pattern(
        r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s:/@\"'<>]{0,200}:)[^\s\"'<>]{1,500}"
        r"(?=@[\w.\[\]:%-]{0,300}(?:[/?#\s\"'<>),;]|$))"
    ),
    _pattern(rf"(https://(?:{_WEBHOOKS})/?)[^\s\"'<>]+"),  # whoever knows the address may post
    _pattern(
        r"(\b(?:proxy-)?authorization[\"']?\s{0,5}[:=]\s{0,5}[\"']?)"
        r"(?:(basic|bearer|digest|token|negotiate)\s+)?[^\s,;\"']+",
        _authorization,
    ),
    _pattern(r"(\b(?:basic|bearer)\s{1,5})[A-Za-z0-9+/_.~-]{12,}={0,2}"),
    _pattern(rf"({_NAME}[\"']?\s{{0,5}}=\s{{0,5}}){_WORD}"),
    _pattern(rf"({_NAME}(?:[\"']?:\s{{1,5}}|[\"']:)){_WORD}"),
    _pattern(rf"((?<!\w)--?[\w.-]{{0,24}}{_NAME}\s{{1,5}}){_WORD}"),
    _pattern(r"(\bpassword\s{1,5})'[^']*'"),
    _pattern(r"\b(?-i:AKIA|ASIA)[A-Z0-9]{16}\b", MASK),  # AWS access keys
    _pattern(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", MASK),  # JSON web tokens
    _pattern(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,})", MASK),
    _pattern(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", MASK),
)


def may_hold_secret(text: str) -> bool:
    """Whether the text has a HINT."""
    if not text.isascii():
        return HINT.search(text) is not None
    lowered = text.lower()
    return any(map(lowered.__contains__, _HINTS))


class Redactor:
    """Replaces secrets in texts by `***`: known values, userinfo of URLs, and password=... of any kind.

    secrets: the passwords in use. public: names, addresses and paths of the settings; a secret that is part
    of one of them cannot be distinguished from it and is not searched for by value (see `indistinct`).
    """

    def __init__(self, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        known = [text for text in public if text]
        wanted = {secret for secret in secrets if len(secret) >= SHORTEST}
        self.indistinct = frozenset(s for s in wanted if any(s in text for text in known))
        forms = {form for secret in wanted - self.indistinct for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._values = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._folded = _folded(longest_first, known) if forms else None
        self._awaiting: set[tuple[str, str]] = set()
        """Containers and streams whose last line ended before the value of a secret."""

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        if may_hold_secret(text):
            for pattern, replacement in PATTERNS:
                text = pattern.sub(replacement, text)
        return text

    def value(self, value: T) -> T:
        """A JSON-like value (or a struct) with every text in it redacted; names of things stay."""
        return change_texts(value, self._redacted)

    def event(self, event: T) -> T:
        """The event without secrets and what could act on a terminal; the same object when it has none."""
        assert isinstance(event, Event)
        return change_texts(event, lambda field, text: clean(self._redacted(field, text)))

    def _redacted(self, field: str, text: str) -> str:
        return text if field in _IDENTIFIERS else self.text(text)

    def line(self, line: LogLine) -> LogLine:
        """The log line without secrets and terminal sequences."""
        written = without_sequences(line.text[:LONGEST_LINE])
        text = clean(self._unfolded(line, written, self.text(written)))
        name = clean(line.container)
        same = text == line.text and name == line.container
        return line if same else msgspec.structs.replace(line, text=text, container=name)

    def _unfolded(self, line: LogLine, written: str, text: str) -> str:
        """Without what it holds of a secret that goes on from the line before, or on the next one.

        text: what was written, without whole secrets.
        """
        if self._folded is not None:
            text = self._folded.sub(lambda found: (found[1] or "") + MASK, text)
        stream = (line.container, line.stream)
        if stream in self._awaiting:
            self._awaiting.discard(stream)
            text = FIRST_WORD.sub(rf"\1{MASK}", text)
        if may_hold_secret(written) and AWAITING.search(written):
            self._awaiting.add(stream)
        return text


def _folded(forms: Iterable[str], public: Iterable[str]) -> re.Pattern[str]:
    """What matches the greater part of a secret at a line's end or begin; the lesser part of it stays.

    Shorter parts, and those that are part of a public name, would be found in ordinary words.
    """

    def parts(cut: Callable[[str, int], str]) -> str:
        found = [
            cut(form, size)
            for form in forms
            for size in range(len(form) - 1, max(SHORTEST, (len(form) - 1) // 2), -1)
        ]
        secret = [part for part in found if not any(part in text for text in public)]
        return "|".join(map(re.escape, secret)) or "(?!)"

    at_end, at_begin = parts(lambda form, size: form[:size]), parts(lambda form, size: form[-size:])
    return re.compile(rf"(?:{at_end})(?=[\\\"'+\s]{{0,4}}$)|^([\s\"'+|>]{{0,20}})(?:{at_begin})")


def _forms(secret: str) -> set[str]:
    """How the secret may be written: as it is, percent-encoded, and inside a JSON text."""
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}


def redactor_for(settings: Settings, state: Path) -> Redactor:
    """A redactor of every password that these settings lead to. Reads files: not for the event loop."""
    return Redactor(_secrets(settings), [*_texts(msgspec.to_builtins(settings)), str(state)])


def _secrets(settings: Settings) -> Iterator[str]:
    for side in (settings.source, settings.target):
        with contextlib.suppress(OSError):
            yield endpoint(side).password() or ""
    for variable in secret_variables(settings):
        yield os.environ.get(variable, "")
    if settings.alerts.webhook_file:
        with contextlib.suppress(OSError):
            yield read_text_file(Path(settings.alerts.webhook_file)).strip()
    yield from _pgpass()


def _pgpass() -> Iterator[str]:
    path = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    with contextlib.suppress(OSError):
        for line in read_text_file(path).splitlines():
            fields = re.split(r"(?<!\\):", line, maxsplit=4)
            if len(fields) == 5 and not line.startswith("#"):
                yield re.sub(r"\\(.)", r"\1", fields[4])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
