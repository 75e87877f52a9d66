"""How secrets look where their values are unknown to us: what surrounds them, or their own form.

Every repetition before the secret is bounded, so that no line makes the search slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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

AWAITING = re.compile(rf"{_NAME}[\"']?\s{{0,5}}[=:]\s{{0,5}}[\\|>]?\s{{0,5}}$", re.I)
"""A line that ends where a secret's value would begin."""
FIRST_WORD = re.compile(rf"^(\s{{0,40}}){_WORD}")

HINT = re.compile(
    r"://|pass|pwd|secret|token|api[_-]?key|access[_-]?key|authorization|basic |bearer |akia|asia|eyj"
    r"|gh[pousr]_|xox|sk-|private key",
    re.I,
)
"""Found in every text that one of the patterns matches; most texts have none and are not searched further."""
