"""Definitions as the server prints them, brought to one form, so that a carried object compares as the same.

PostgreSQL's printed form is not stable: what it prints, read back and printed again, may differ once.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<dollar>\$(?P<tag>[^\W\d]\w*)?\$.*?\$(?P=tag)?\$)
      | [eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | [^\W\d][\w$]* | \d[\w.]* | :: | \S""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r'[^\W\d]|"')


def canonical(sql: str, *, unqualified: bool = False) -> str:
    """The definition's tokens, one space apart, with array casts pushed into the elements.

    unqualified drops the alias before a column: servers before 16 print it in views where later ones do not.
    Quoted text, function bodies included, stays as it is.
    """
    tokens = _push_casts(tokenize(sql))
    if unqualified:
        tokens = _drop_qualifiers(tokens)
    return " ".join(tokens)


def tokenize(sql: str) -> list[str]:
    """The tokens of a printed definition; white space between them is dropped."""
    tokens = []
    place = 0
    while found := _TOKEN.search(sql, place):
        text = found.group()
        if found.group("dollar"):
            mark = text[: text.index("$", 1) + 1]
            text = sql[found.start() : sql.index(mark, found.start() + len(mark)) + len(mark)]
        tokens.append(text)
        place = found.start() + len(text)
    return tokens


def _push_casts(tokens: list[str]) -> list[str]:
    """(ARRAY[a, b])::t[] says the same as ARRAY[(a)::t, (b)::t], into which it turns when it is read back."""
    out = list(tokens)
    place = 0
    while place + 2 < len(out):
        if out[place : place + 3] != ["(", "ARRAY", "["]:
            place += 1
            continue
        end = _closing(out, place + 2)
        if out[end + 1 : end + 3] != [")", "::"]:
            place += 1
            continue
        stop = _type_end(out, end + 3)
        if out[stop : stop + 2] != ["[", "]"]:
            place += 1
            continue
        cast = out[end + 3 : stop]
        pushed: list[str] = ["ARRAY", "["]
        for number, element in enumerate(_split(out[place + 3 : end])):
            pushed += ([","] if number else []) + ["(", *element, ")", "::", *cast]
        out[place : stop + 2] = [*pushed, "]"]
        place += 2
    return out


def _closing(tokens: list[str], start: int) -> int:
    depth = 0
    for place in range(start, len(tokens)):
        if tokens[place] in ("(", "["):
            depth += 1
        elif tokens[place] in (")", "]"):
            depth -= 1
            if depth == 0:
                return place
    return len(tokens) - 1


def _type_end(tokens: list[str], start: int) -> int:
    place = start
    while place < len(tokens) and (_NAME.match(tokens[place]) or tokens[place] in (".", "(")):
        place = _closing(tokens, place) + 1 if tokens[place] == "(" else place + 1
    return place


def _split(tokens: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    depth = 0
    for text in tokens:
        depth += (text in ("(", "[")) - (text in (")", "]"))
        if text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(text)
    return [part for part in parts if part]


def _drop_qualifiers(tokens: list[str]) -> list[str]:
    out: list[str] = []
    for text in tokens:
        if len(out) >= 2 and out[-1] == "." and _NAME.match(out[-2]) and _NAME.match(text):
            del out[-2:]
        out.append(text)
    return out
