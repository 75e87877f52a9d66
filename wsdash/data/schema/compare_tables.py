"""Two tables, or two definitions as text, side by side: what keeps rows out, and what merely differs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import Column, Table

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


_VARCHAR = re.compile(r"character varying(?:\((\d+)\))?$")


@dataclass
class Differences:
    """blocking: rows would not fit or change; each says what to do. harmless: worth telling, rows fit."""

    blocking: list[str] = field(default_factory=list)
    harmless: list[str] = field(default_factory=list)


def compare_tables(source: Table, target: Table) -> Differences:
    """Column by column, by name. Column order, defaults and looser rules in the target are harmless."""
    found = Differences()
    theirs = {column.name: column for column in target.columns}
    for column in source.columns:
        other = theirs.get(column.name)
        if other is None:
            found.blocking.append(
                f"column {column.name} ({column.type}) is missing: add it to the target's table"
            )
        else:
            _compare_columns(column, other, found)
    ours = {column.name for column in source.columns}
    for column in target.columns:
        if column.name not in ours:
            _extra_column(column, found)
    common = [column.name for column in source.columns if column.name in theirs]
    if common != [column.name for column in target.columns if column.name in ours]:
        found.harmless.append("columns in another order")
    if target.unlogged:
        found.harmless.append(
            "unlogged in the target: a crash empties it, on Neon every restart of the compute; "
            f"ALTER TABLE {ident(target.name)} SET LOGGED there"
        )
    return found


def widens(source: str, target: str) -> bool:
    """Whether every value of the source's type is the same value, and the same bytes, in the target's."""
    before = _VARCHAR.match(source)
    if before is None:
        return False
    after = _VARCHAR.match(target)
    if target == "text" or (after and after.group(1) is None):
        return True
    return bool(after and before.group(1) and int(after.group(1)) >= int(before.group(1)))


def _compare_columns(source: Column, target: Column, found: Differences) -> None:
    name = source.name
    if source.type != target.type:
        text = f"column {name} is {source.type} in the source and {target.type} in the target"
        if widens(source.type, target.type):
            found.harmless.append(text)
        else:
            found.blocking.append(f"{text}: alter its type in the target to {source.type}")
    if target.not_null and not source.not_null:
        found.blocking.append(
            f"column {name} may be null in the source only: drop its NOT NULL in the target"
        )
    elif source.not_null and not target.not_null:
        found.harmless.append(f"column {name} may be null in the target")
    if bool(source.generated) != bool(target.generated):
        where = "source" if source.generated else "target"
        found.blocking.append(f"column {name} is generated in the {where} only: make both sides the same")
    elif source.generated and not _equal(source.default, target.default):
        found.blocking.append(f"column {name} is generated from another expression: make it {source.default}")
    elif source.identity != target.identity:
        found.harmless.append(
            f"column {name} {_identity(source)} in the source, {_identity(target)} in the target"
        )
    elif not source.generated and not _equal(source.default, target.default):
        ours, theirs = source.default or "no default", target.default or "no default"
        found.harmless.append(f"column {name} has default {ours} in the source, {theirs} in the target")
    if source.collation != target.collation:
        ours, theirs = source.collation or "the default", target.collation or "the default"
        found.harmless.append(f"column {name} collates by {ours} in the source, {theirs} in the target")


def _extra_column(column: Column, found: Differences) -> None:
    text = f"column {column.name} is only in the target"
    if column.not_null and column.default is None and not column.identity and not column.generated:
        found.blocking.append(f"{text}, NOT NULL and without default: give it a default")
    else:
        found.harmless.append(text)


def _identity(column: Column) -> str:
    return {"a": "is always an identity", "d": "is an identity by default"}.get(
        column.identity, "is no identity"
    )


def _equal(source: str | None, target: str | None) -> bool:
    return canonical(source or "") == canonical(target or "")
