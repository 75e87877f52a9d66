"""`wsdash init` and `config`: a configuration is asked for, tested and written, or checked and explained.

`init` writes comments too; `config check` reads every file and reports every fault at once.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from wsdash.cli.places import config_of, found_state
from wsdash.cli.printing import say, tell
from wsdash.config import DatabaseSettings, absolute_path, load_settings, shipped
from wsdash.errors import InputError
from wsdash.plan import load_plan
from wsdash.review.beginning import Values, current_values, discover, taken_ports, write_configuration
from wsdash.review.doctor.finding import Finding
from wsdash.review.doctor.run import api_findings, database_findings
from wsdash.runtime import user_config_directory
from wsdash.steps.base import endpoint
from wsdash.timeline.spec import load_timeline
from wsdash.watch.world import rules_of

UNREACHED = "wsdash: nothing was written: the source does not answer (--unchecked writes it anyway)"
GLYPHS = {True: "✓", False: "✗", None: "·"}
SIDES = {"source": "the old database (the source)", "target": "the new database (the target)"}
FILES = ("stack.apps.file", "stack.workspace.file")
PARTS = ("host", "port", "database", "user", "schema")


def init(arguments: argparse.Namespace) -> int:
    """`wsdash init`. Exit 1 when the source does not answer and nobody said that it need not."""
    directory = (arguments.config or user_config_directory()).absolute()
    interactive = sys.stdin.isatty() and not arguments.yes
    found = asyncio.run(discover(arguments.root))
    for sentence in found.sentences:
        say(f"· {sentence}")
    values = _shipped_values() | found.values | _given(arguments)
    if arguments.replace:
        current = current_values(directory, values)
        current |= {key: absolute_path(str(current[key]), directory) for key in FILES if key in current}
        values = current | found.values | _given(arguments)
        values = _shipped_values() | values
    asked = _Asking(interactive, _given(arguments))
    for key, question in (
        ("stack.apps.file", "Compose file of the old world"),
        ("stack.apps.old_service", "Container of the old service"),
        ("stack.workspace.file", "Compose file of the new stack"),
    ):
        values[key] = asked.text(key, question, values[key])
    for key in FILES:  # they were named from here, and would be looked for from there
        values[key] = absolute_path(str(values[key]), Path.cwd())
    well = _side("source", values, asked)
    _side("target", values, asked)
    shape = load_settings(None).api
    for key, name in (("api.old", "old API"), ("api.new", "new API")):
        values[key] = asked.text(key, f"Address of the {name}", values[key])
        _tell(asyncio.run(api_findings(name, str(values[key]), shape)))
    for sentence in taken_ports([int(port) for port in values["ports"]]):
        say(f"▲ {sentence}")
    if not well and not arguments.unchecked and not asked.yes("The source does not answer. Write it anyway?"):
        say(
            "wsdash: the source does not answer: nothing was written (--unchecked writes it anyway)",
            error=True,
        )
        return 1
    path = write_configuration(directory, values, replace=arguments.replace)
    say(f"✓ {path} is written; every key is explained in it.")
    named = "" if arguments.config is None else f" --config {directory}"
    say(
        f"Next: `wsdash doctor{named}` says what is missing, `wsdash run{named}` opens the operator's screen."
    )
    for side in SIDES:
        variable = str(values[f"{side}.password_env"])
        if variable and variable not in os.environ:
            say(f"The password of the {side} is read from ${variable}, or from ~/.pgpass.")
    return 0


class _Asking:
    """Asks on the terminal; answers by itself, with what is there already, where nobody is asked."""

    def __init__(self, interactive: bool, given: Values) -> None:
        self.interactive, self._given = interactive, given

    def text(self, key: str, question: str, default: Any) -> Any:
        """A value for a key: given on the command line, else as answered, else the default."""
        if not self.interactive or key in self._given:
            return default
        said = _line(f"{question} [{default}]: ").strip()
        if not said:
            return default
        if isinstance(default, int):
            if not said.isdecimal():
                say(f"✗ {said} is not a number; {default} stays")
                return default
            return int(said)
        return said

    def yes(self, question: str) -> bool:
        """A yes; no where nobody is asked."""
        return self.interactive and _line(f"{question} [y/N]: ").strip().lower() in ("y", "yes")

    def password(self, variable: str) -> None:
        """For the tests of this process alone: nothing is stored."""
        if self.interactive and variable and variable not in os.environ:
            typed = getpass.getpass(f"Password, for this test only (${variable} is not set; Enter: none): ")
            if typed:
                os.environ[variable] = typed


def _side(side: str, values: Values, asked: _Asking) -> bool:
    """One side's database, asked for until it answers or is to be kept; whether it answers."""
    while True:
        for part in PARTS:
            key = f"{side}.{part}"
            values[key] = asked.text(key, f"{SIDES[side]}: {part}", values[key])
        asked.password(str(values[f"{side}.password_env"]))
        known = {part: values[f"{side}.{part}"] for part in (*PARTS, "label", "password_env")}
        findings = asyncio.run(database_findings(side, endpoint(DatabaseSettings(**known)), known["schema"]))
        _tell(findings)
        well = all(finding.well for finding in findings)
        if side == "target" and not well:
            say("  (a target that is not started yet is no fault: start-stack does that)")
        if well or side == "target" or not asked.yes("Correct it?"):
            return well


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        say(f"{GLYPHS[finding.well]} {finding.name}: {finding.seen}")
        if finding.remedy and finding.well is False:
            say(f"  {finding.remedy}")


def _line(question: str) -> str:
    say(question, end="")
    try:
        return input()
    except EOFError:
        raise InputError(
            "the answers ended before the questions did",
            where="standard input",
            remedy="answer them all, or use --yes with --source, --target and the other options",
        ) from None


def _shipped_values() -> Values:
    """The values that are asked for or found, as they are shipped."""
    settings = load_settings(None)
    values: Values = {
        "stack.apps.file": settings.stack.apps.file,
        "stack.apps.old_service": settings.stack.apps.old_service,
        "stack.workspace.file": settings.stack.workspace.file,
        "api.old": settings.api.old,
        "api.new": settings.api.new,
        "ports": list(settings.ports),
    }
    for side in SIDES:
        database: DatabaseSettings = getattr(settings, side)
        values |= {f"{side}.{part}": getattr(database, part) for part in (*PARTS, "label", "password_env")}
    return values


def _given(arguments: argparse.Namespace) -> Values:
    """What was said on the command line, by dotted key."""
    given: Values = {}
    for side in SIDES:
        if (url := getattr(arguments, side)) is not None:
            given |= {f"{side}.{part}": value for part, value in database_of(url, f"--{side}").items()}
        for part in ("schema", "password_env"):
            if (value := getattr(arguments, f"{side}_{part}")) is not None:
                given[f"{side}.{part}"] = value
    options: dict[str, Callable[[argparse.Namespace], Any]] = {
        "api.old": lambda a: a.old_api,
        "api.new": lambda a: a.new_api,
        "stack.apps.file": lambda a: a.apps_file,
        "stack.apps.old_service": lambda a: a.old_service,
        "stack.workspace.file": lambda a: a.workspace_file,
    }
    return given | {key: value for key, read in options.items() if (value := read(arguments)) is not None}


def database_of(url: str, option: str) -> dict[str, Any]:
    """Host, port, database and user of postgresql://USER@HOST:PORT/DATABASE. Raises InputError.

    A password in it is refused: it would be in the shell's history.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.username:
        raise InputError(
            "that is no address of a database",
            where=f"{option} {url.partition('@')[2] or url}",
            remedy="write postgresql://USER@HOST:PORT/DATABASE",
        )
    if parts.password is not None:
        raise InputError(
            "a password does not belong on a command line: it stays in the shell's history",
            where=option,
            remedy=f"leave it out, and name a variable with {option}-password-env",
        )
    database = unquote(parts.path.lstrip("/")) or unquote(parts.username)
    return {"host": parts.hostname, "port": port, "database": database, "user": unquote(parts.username)}


def config(arguments: argparse.Namespace) -> int:
    """Print the reference of all keys, or check: exit 2 when a file cannot be read as it is meant."""
    if arguments.action == "reference":
        from wsdash.review.reference import configuration_reference

        say(configuration_reference(), end="")
        return 0
    found = config_of(arguments, found_state(arguments))
    directory = found or shipped("config")
    if found is None:
        say(f"There is no configuration of yours: the shipped one is read, in {directory}.")
    checks: dict[str, Callable[[Path], object]] = {
        "wsdash.yaml": load_settings,
        "plan.yaml, testing.yaml": load_plan,
        "timeline.yaml": load_timeline,
        "alerts.yaml": lambda where: rules_of(load_settings(where)),
    }
    faults = []
    for name, check in checks.items():
        try:
            check(directory)
            say(f"✓ {name}{_whose(directory, name)}")
        except InputError as error:
            sentence = tell(error)
            if sentence not in faults:
                say(f"✗ {name}")
                say(sentence, error=True)
                faults.append(sentence)
    return 2 if faults else 0


def _whose(directory: Path, names: str) -> str:
    """Where a file is the shipped one: the directory does not hold it."""
    own = any((directory / name).exists() for name in names.split(", "))
    return "" if own else " (the shipped one)"
