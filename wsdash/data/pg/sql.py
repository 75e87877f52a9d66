"""SQL as text: names and literals quoted, and a file of SQL split into its commands.

The only place that builds SQL out of names. A file is split as psql does it, without understanding more of
SQL than quoting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsdash.errors import InputError


def ident(*parts: str) -> str:
    """Quote a name, or a dotted name given in parts, whatever characters it has."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """Quote a string literal, safe whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'"
    return "E" + quoted if "\\" in text else quoted


def column_list(names: list[str] | tuple[str, ...]) -> str:
    """A comma-separated list of quoted column names."""
    return ", ".join(ident(name) for name in names)


_PIECE = re.compile(
    r"""(?P<space>\s+)
      | (?P<line>--[^\n]*)
      | (?P<block>/\*)
      | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
      | (?P<escape>[eE]')
      | (?P<quote>['"])
      | (?P<word>[^\W\d][\w$]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"[eE]'(?:[^'\\]|''|\\.)*'", re.DOTALL)
_CONTROL = re.compile(r"(BEGIN|START TRANSACTION|COMMIT|END)( WORK| TRANSACTION)?$")
_COPY_STDIN = re.compile(r"COPY\b.*\bFROM STDIN\b")


@dataclass(frozen=True)
class Command:
    """One SQL command without its semicolon, and the line of the file on which it starts (from 1)."""

    sql: str
    line: int


def split_script(text: str, where: str) -> list[Command]:
    """The commands of a script in order, BEGIN and COMMIT left out. where: the file's name, for messages.

    Raises InputError with the line for what only psql understands (its backslash commands, COPY FROM stdin),
    for ROLLBACK and savepoints, and for quotes and comments that are never closed.
    """
    return _Splitter(text, where).run()


class _Splitter:
    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self.commands: list[Command] = []
        self.start: int | None = None
        self.words: list[str] = []
        self.parens = 0
        self.depth = 0

    def run(self) -> list[Command]:
        place = 0
        while place < len(self.text):
            found = _PIECE.match(self.text, place)
            assert found is not None
            kind = str(found.lastgroup)
            if kind not in ("space", "line", "block") and self.start is None and found.group() != ";":
                self.start = place
            place = self._step(kind, found.group(), place)
        self._finish(len(self.text))
        return self.commands

    def _step(self, kind: str, piece: str, place: int) -> int:
        if kind == "block":
            return self._comment_end(place)
        if kind == "dollar":
            return self._find(piece, place + len(piece), place) + len(piece)
        if kind == "escape":
            closed = _ESCAPED.match(self.text, place)
            if closed is None:
                raise self._refuse("a quote is never closed", place, "close it")
            return closed.end()
        if kind == "quote":
            return self._find(piece, place + 1, place) + 1
        if kind == "word":
            self._word(piece.upper())
        elif kind == "other":
            self._other(piece, place)
        return place + len(piece)

    def _word(self, word: str) -> None:
        self.words.append(word)
        if self.words[0] == "CREATE" and {"FUNCTION", "PROCEDURE"} & set(self.words[1:4]):
            # a body written BEGIN ATOMIC ... END has semicolons of its own
            if word == "BEGIN" or (word == "CASE" and self.depth):
                self.depth += 1
            elif word == "END" and self.depth:
                self.depth -= 1

    def _other(self, piece: str, place: int) -> None:
        if piece == "\\":
            raise self._refuse("this is a command of psql", place, "take it out")
        self.parens += (piece == "(") - (piece == ")")
        if piece == ";" and self.parens <= 0 and self.depth == 0:
            self._finish(place)

    def _finish(self, end: int) -> None:
        if self.start is not None:
            sql = self.text[self.start : end]
            said = " ".join(self.words)
            if _COPY_STDIN.match(said):
                raise self._refuse(
                    "rows in the file (COPY ... FROM stdin) cannot be run", self.start, "take it out"
                )
            if self.words[:1] in (["ROLLBACK"], ["SAVEPOINT"], ["ABORT"], ["RELEASE"]):
                what = f"{self.words[0]} cannot be run: the file is one transaction"
                raise self._refuse(what, self.start, "take it out")
            if not _CONTROL.match(said) and sql.strip():
                self.commands.append(Command(sql.rstrip(), self._line(self.start)))
        self.start, self.words, self.parens, self.depth = None, [], 0, 0

    def _comment_end(self, place: int) -> int:
        depth = 0
        for found in re.finditer(r"/\*|\*/", self.text[place:]):
            depth += 1 if found.group() == "/*" else -1
            if depth == 0:
                return place + found.end()
        raise self._refuse("a comment is never closed", place, "close it with */")

    def _find(self, mark: str, place: int, opened: int) -> int:
        end = self.text.find(mark, place)
        if end < 0:
            raise self._refuse("a quote is never closed", opened, "close it")
        return end

    def _line(self, place: int) -> int:
        return self.text.count("\n", 0, place) + 1

    def _refuse(self, what: str, place: int, remedy: str) -> InputError:
        return InputError(
            what, where=f"{self.where}, line {self._line(place)}", remedy=f"{remedy} in the schema file"
        )
