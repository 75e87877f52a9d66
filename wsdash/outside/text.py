"""Text from outside, made harmless for a terminal, a clipboard and a reader's eye."""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

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


T = TypeVar("T")

LONGEST_TEXT = 100_000
"""Characters of one text that are kept."""
DEEPEST = 64
"""Levels of nested values that are walked; what lies deeper is replaced by '…'."""

HARMFUL = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, bidi, breaks
    "\ud800-\udfff"  # halves of characters, which no file or terminal takes
    "\U000e0000-\U000e007f"  # tags
    "]"
)
"""Every character that acts on a terminal, or hides or reverses what is written; never tab and line feed."""
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    # OSC, DCS, PM, APC, SOS
    "|(?:\x1b[\\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\\\`-~]"  # character sets, and those of two characters
)


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text with every harmful character written out (an escape becomes the four characters `\\x1b`).

    Harmful: control characters, those that reverse or hide what is written, halves of surrogate pairs. Tab
    and line feed stay. Two texts that differ stay different, so names still tell things apart. More than
    `longest` characters are cut, with '…' at the end.
    """
    if len(text) > longest:
        text = text[:longest] + "…"
    if text.isprintable():
        return text
    return HARMFUL.sub(_written_out, text.replace("\r\n", "\n"))


def without_sequences(text: str) -> str:
    """Text without complete terminal sequences, for lines of logs: their colours are nobody's information."""
    return _SEQUENCE.sub("", text) if "\x1b" in text or not text.isprintable() else text


def clean_texts(value: T) -> T:
    """A struct or JSON-like value with every text in it cleaned; the same object when none needed it."""
    return change_texts(value, lambda _, text: clean(text))


def change_texts(value: T, change: Callable[[str, str], str]) -> T:
    """The value with change(field, text) for every text in it, dictionaries' keys too.

    field: the struct's field in which the text was found, '' outside of a struct. What lies deeper than
    DEEPEST levels becomes '…'.
    """
    return _walk(value, change, "", 0)  # type: ignore[no-any-return]


def _walk(value: Any, change: Callable[[str, str], str], field: str, depth: int) -> Any:
    if isinstance(value, str):
        return change(field, value) if type(value) is str else value
    if depth > DEEPEST:
        return "…" if isinstance(value, dict | list | tuple | msgspec.Struct) else value
    if isinstance(value, msgspec.Struct):
        changed = {}
        for name in value.__struct_fields__:
            before = getattr(value, name)
            after = _walk(before, change, name, depth + 1)
            if after is not before and after != before:
                changed[name] = after
        return msgspec.structs.replace(value, **changed) if changed else value
    if isinstance(value, dict):
        return {
            _walk(key, change, field, depth): _walk(inner, change, field, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, tuple):
        return tuple(_walk(inner, change, field, depth + 1) for inner in value)
    if isinstance(value, list):
        return [_walk(inner, change, field, depth + 1) for inner in value]
    return value


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
