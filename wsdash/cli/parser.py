"""The parser of argv: commands grouped by task with examples, hints for typos, errors through one printer."""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from wsdash.cli.printing import say

Command = Callable[[argparse.Namespace], int]
EXAMPLES = """\
examples:
  wsdash demo                               a whole migration on this machine, to watch and to try
  wsdash init                               a configuration for yours
  wsdash doctor                             what is reachable, what is not, and what to do
  wsdash rehearse                           the migration while the old service serves
  wsdash                                    the operator's screen
  wsdash migrate --dry-run                  check every item, change nothing
  wsdash status --watch                     one line a change, for a log or a screen reader
"""
_CHOICE = re.compile(r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<known>.*)\)", re.S)
_UNKNOWN = re.compile(r"unrecognized arguments: (?P<words>.*)", re.S)


class Parser(argparse.ArgumentParser):
    """Says through the one printer what argv holds: argparse repeats bad words as they are."""

    groups: tuple[tuple[str, list[tuple[str, str]]], ...] = ()
    """Of the whole program: headings, each with its commands and what they do."""
    options: frozenset[str] = frozenset()
    """Of the whole program: every option of every command, for hints."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Say the message and end."""
        if message:
            say(message, error=True, end="")
        sys.exit(status)

    def error(self, message: str) -> NoReturn:
        """End with 2, the message and, for a typo, what may have been meant."""
        super().error(message + self._hint(message))

    def format_help(self) -> str:
        """Of the whole program: the commands by task, and examples."""
        if not self.groups:
            return super().format_help()
        width = max(len(name) for _, commands in self.groups for name, _ in commands) + 2
        lines = [f"usage: {self.prog} [COMMAND] [options]", "", f"{self.description}"]
        for heading, commands in filter(lambda group: group[1], self.groups):
            lines += ["", f"{heading}:", *(f"  {name:<{width}}{text}" for name, text in commands)]
        lines += ["", EXAMPLES.rstrip(), "", f"`{self.prog} COMMAND --help` tells a command's options.", ""]
        return "\n".join(lines)

    def _hint(self, message: str) -> str:
        if found := _CHOICE.search(message):
            known = re.findall(r"[\w-]+", found["known"])
            return meant(found["word"], known)
        if found := _UNKNOWN.search(message):
            return meant(found["words"].split()[0].partition("=")[0], self.options)
        return ""


def meant(word: str, known: object) -> str:
    """'; did you mean ...?' of the known word that is most like it, '' when none is."""
    close = difflib.get_close_matches(word, list(known), 1, 0.6)  # type: ignore[call-overload]
    return f"; did you mean {close[0]}?" if close else ""


def lazily(module: str, name: str) -> Command:
    """A command whose module is imported only when it runs."""

    def command(arguments: argparse.Namespace) -> int:
        function: Command = getattr(importlib.import_module(f"wsdash.cli.{module}"), name)
        return function(arguments)

    return command


class Commands:
    """The sub-commands, in the order of the help; each takes --config and --state."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._added = parser.add_subparsers(metavar="COMMAND", title="commands")
        self._groups: list[tuple[str, list[tuple[str, str]]]] = []

    @property
    def names(self) -> frozenset[str]:
        """Every word that is a command."""
        return frozenset(self._added.choices)

    def heading(self, text: str) -> None:
        """The commands added from here on come under this heading."""
        self._groups.append((text, []))

    def add(
        self, name: str, help_text: str, module: str, function: str, *, hidden: bool = False
    ) -> argparse.ArgumentParser:
        """A command that `function` of wsdash.cli.`module` runs; a hidden one is in no help."""
        if hidden:
            sub = self._added.add_parser(name)
        else:
            sub = self._added.add_parser(name, help=help_text, description=help_text)
            self._groups[-1][1].append((name, help_text))
        description = argparse.SUPPRESS if name == "demo" else "directory of wsdash.yaml and plan.yaml"
        sub.add_argument("--config", type=Path, metavar="DIR", help=description)
        sub.add_argument("--state", type=Path, metavar="DIR", help="directory of the run's journal and logs")
        sub.set_defaults(command=lazily(module, function))
        return sub

    def finish(self) -> None:
        """Give the parser what its help and its hints are made of."""
        self._parser.groups = tuple(self._groups)
        options = {o for sub in self._added.choices.values() for o in sub._option_string_actions}
        self._parser.options = frozenset(options)
