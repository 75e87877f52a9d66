"""Our signs where a terminal or a stream takes plain characters only: each as one that says the same."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Mapping

PLAIN_SIGNS = "wsdash.plain"
"""The name of the codecs' error handler that writes signs a stream lacks by plain ones."""

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("─┄━═╌", "-"),
        **dict.fromkeys("│┃║▌▐▎▏▊", "|"),
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝", "+"),
        **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
        **dict(zip("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\|/-\\|/", strict=True)),
        **dict.fromkeys("✓", "v"),
        **dict.fromkeys("✗×", "x"),
        **dict.fromkeys("○◌☐", "o"),
        **dict.fromkeys("●◉■", "#"),
        **dict.fromkeys("▶❯»→", ">"),
        **dict.fromkeys("↶←⏎↵", "<"),
        **dict.fromkeys("↑▲", "^"),
        **dict.fromkeys("↓▼", "v"),
        **dict.fromkeys("◷↻", "@"),
        **dict.fromkeys("–—−", "-"),
        **dict.fromkeys("·…", "."),
        "‖": "=",
        "≤": "<",
        "≥": ">",
        **dict.fromkeys("\u2009\u202f\u00a0", " "),
        **dict.fromkeys("‘’", "'"),
        **dict.fromkeys("“”„", '"'),
    }
)


def in_plain(text: str) -> str:
    """The text in ASCII, every character in as many cells as before; what has no plain sign becomes ?."""
    return "".join(sign if sign.isascii() else _plain(sign) for sign in text.translate(_PLAIN))


def _plain(sign: str) -> str:
    base = unicodedata.normalize("NFKD", sign)[0]
    if base.isascii() and base.isprintable():
        return base
    if unicodedata.combining(sign):
        return ""
    return "??" if unicodedata.east_asian_width(sign) in "WF" else "?"


def plain_signs_wanted(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the locale that the environment names is one without UTF-8. Nothing named: it has it."""
    known = os.environ if environment is None else environment
    named = known.get("LC_ALL") or known.get("LC_CTYPE") or known.get("LANG") or ""
    if not named:
        return False
    charset = named.partition(".")[2].partition("@")[0]
    if named in ("C", "POSIX"):
        return True
    return bool(charset) and charset.replace("-", "").lower() != "utf8"


def _written_plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_plain(error.object[error.start : error.end]), error.end


codecs.register_error(PLAIN_SIGNS, _written_plain)
