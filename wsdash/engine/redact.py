"""No secret leaves: what stands between every text of the engine and the journal, the spool and the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from wsdash.model import Event, LogLine

MASK = "***"
SHORTEST = 3
"""A secret of fewer characters is not searched for by value: it would stand in every second word."""

_IDENTIFIERS = frozenset(
    {"run", "mode", "item", "action", "name", "subject", "series", "source", "rule", "id", "table", "group"}
)
_NAMED = r"[\w.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key)[\w.-]*"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@\"'<>]*:)[^\s/@\"'<>]+(?=@)", re.I), rf"\1{MASK}"),
    (re.compile(rf"(\b{_NAMED}[\"']?\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)", re.I), rf"\1{MASK}"),
    (
        re.compile(rf"(\b{_NAMED}[\"']?:\s+|[\"']{_NAMED}[\"']:)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)", re.I),
        rf"\1{MASK}",
    ),
    (re.compile(r"(\bpassword\s+)'[^']*'", re.I), rf"\1{MASK}"),
    (re.compile(r"(\bauthorization:\s*(?:basic|bearer)\s+)\S+", re.I), rf"\1{MASK}"),
)
_HINT = re.compile(r"://|passw|passph|secret|token|api[_-]?key|authorization", re.I)

T = TypeVar("T")


class Redactor:
    """Replaces secrets in texts by `***`: known values, userinfo of URLs, and password=... of any kind.

    secrets: the passwords in use. public: names, addresses and paths of the settings; a secret that is part
    of one of them cannot be told apart from it and is not searched for by value (see `indistinct`).
    """

    def __init__(self, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        known = [text for text in public if text]
        wanted = {secret for secret in secrets if len(secret) >= SHORTEST}
        self.indistinct = frozenset(s for s in wanted if any(s in text for text in known))
        forms = {form for secret in wanted - self.indistinct for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._values = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        if _HINT.search(text):
            for pattern, replacement in _PATTERNS:
                text = pattern.sub(replacement, text)
        return text

    def value(self, value: T) -> T:
        """A JSON-like value (or a struct) with every text in it redacted; names of things stay."""
        return self._walk(value)  # type: ignore[no-any-return]

    def event(self, event: T) -> T:
        """The event without secrets; the same object when it holds none."""
        assert isinstance(event, Event)
        return self._walk(event)  # type: ignore[no-any-return]

    def line(self, line: LogLine) -> LogLine:
        """The log line without secrets."""
        text = self.text(line.text)
        return line if text == line.text else msgspec.structs.replace(line, text=text)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value) if type(value) is str else value
        if isinstance(value, msgspec.Struct):
            changed = {}
            for field in value.__struct_fields__:
                before = getattr(value, field)
                after = before if field in _IDENTIFIERS else self._walk(before)
                if after is not before and after != before:
                    changed[field] = after
            return msgspec.structs.replace(value, **changed) if changed else value
        if isinstance(value, dict):
            return {key: self._walk(inner) for key, inner in value.items()}
        if isinstance(value, tuple):
            return tuple(self._walk(inner) for inner in value)
        if isinstance(value, list):
            return [self._walk(inner) for inner in value]
        return value


def _forms(secret: str) -> set[str]:
    """How the secret may be written: as it is, percent-encoded, and inside a JSON text."""
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
