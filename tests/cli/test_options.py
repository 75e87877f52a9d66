"""Every option of every command does what it says, or is refused with exit code 2 and a reason.

WHAT is the ledger: an option that is added without an entry here fails the first test. An entry says what the
option does, and in which state of a run it would do nothing and is refused ("refused: ...").
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from wsdash.cli import main
from wsdash.cli.arguments import make_parser

EVERYWHERE = {
    "--config": "where settings are read from; demo: refused, its world writes its own",
    "--state": "whose journal is read or written",
    "--help": "prints help",
}
JSON = {"--json": "one JSON object instead of lines"}
TAKE_OVER = {"--take-over": "takes the lock of a session last seen on another host; else changes nothing"}
MODE = {"--mode": "in which order the run goes; refused: another one than the run was begun in"}
RUN = MODE | {
    "--yes": "ticks confirm items and answers typed confirmations",
    "--report": "writes the report; refused: in a dry run, or where its directory does not exist",
    "--force": "writes over foreign rows; refused: in a dry run, or when migrate-data would not run",
}
DEMO = RUN | {
    "--auto": "runs the plan; --headless implies it",
    "--headless": "no screen",
    "--items": "rows to generate; refused: another number than the world that is there",
    "--seed": "of the rows; refused: another one than the world that is there",
    "--writes-per-second": "traffic; refused: another rate than the world that is there",
    "--api": "the API's rules; refused: another than the world that is there",
    "--port-offset": "moves the ports; refused: another one than the world that is there",
    "--keep": "the world goes on",
    "--then-rollback": "rolls back what was migrated; refused: without --headless",
    "--fortnight": "lives fourteen days",
    "--time-scale": "how fast they are lived; alone it lives the default fortnight",
}
ALERTS = {
    "--prometheus": "the file to write",
    "--rules": "rules to try",
    "--from": "begin of the replay",
    "--to": "end of the replay",
}
WHAT: dict[str, dict[str, str]] = {
    "run": MODE | TAKE_OVER,
    "monitor": {},
    "serve": {
        "--host": "address to serve on; any but loopback asks for a token",
        "--port": "port to serve on",
        "--public-url": "how browsers reach it",
        "--token-env": "the token that is asked for; refused: a variable that is missing or short",
    },
    "init": {
        "--source": "the old database; refused: no postgresql:// address, or one with a password",
        "--target": "the new database; refused: as --source",
        "--source-schema": "its schema",
        "--target-schema": "its schema",
        "--source-password-env": "names the variable of its password",
        "--target-password-env": "names the variable of its password",
        "--old-api": "address of the old API",
        "--new-api": "address of the new API",
        "--apps-file": "compose file of the old world",
        "--workspace-file": "compose file of the new stack",
        "--old-service": "container of the old service",
        "--root": "where compose files are looked for",
        "--yes": "asks nothing",
        "--replace": "over a configuration that is there, which is kept",
        "--unchecked": "though the source does not answer",
    },
    "config": {},
    "completion": {},
    "demo": DEMO,
    "migrate": RUN
    | TAKE_OVER
    | {
        "--dry-run": "checks only",
        "--until": "stops after it; refused: an item after the migration, or before --from",
        "--from": "begins with it; refused: an item after the migration, or after --until",
        "--abandon-rollback": "forward again; refused: when no rollback stopped half-way, or in a dry run",
    },
    "watch": TAKE_OVER
    | {
        "--metrics-port": "serves /metrics",
        "--metrics-host": "where; refused: without --metrics-port",
    },
    "rollback": TAKE_OVER
    | {
        "--yes": "no typed confirmation",
        "--report": "writes the report; refused: where its directory does not exist",
        "--restore": "fills the source first; refused: when the old service is not started by this rollback",
        "--keep": "whose rows stay where both sides changed them",
        "--keep-row": "the same for one row; refused: without =source or =target",
        "--give-up-writes": "does without a target that is away; refused: in a run of mode offline",
    },
    "restore": TAKE_OVER
    | {
        "--to": "which side",
        "--replace": "replaces the target's rows; refused: with --to source",
        "--yes": "no typed confirmation, where one is wanted",
    },
    "schema": JSON,
    "status": JSON | {"--watch": "goes on, a line a change; refused: with --json"},
    "report": JSON
    | {
        "--output": "a file instead of the terminal",
        "--ics": "the calendar",
        "--directory": "all forms into a directory",
        "--check": "compares a directory; refused: beside --json, --output or --ics",
    },
    "decide": TAKE_OVER
    | {
        "--day": "the day decided",
        "--criterion": "the criterion ticked; refused: beside --day",
        "--go": "for --day; refused: with --criterion",
        "--no-go": "for --day; refused: with --criterion",
        "--fails": "for --criterion; refused: with --day",
        "--phrase": "for --day, early or against the evidence; refused: with --criterion",
        "--who": "recorded",
        "--why": "recorded",
    },
    "confirm": TAKE_OVER | {"--who": "recorded", "--note": "recorded", "--fails": "it does not hold"},
    "skip": TAKE_OVER | {"--who": "recorded", "--why": "recorded"},
    "finish": {
        "--remove-traces": "takes wsdash out of both databases; refused: between two sides, or before Day 14",
        "--yes": "no typed confirmation; refused: without --remove-traces",
    },
    "doctor": JSON,
    "test": JSON
    | TAKE_OVER
    | {"--group": "only this group; refused: beside --only", "--only": "only this test"},
    "load-test": JSON | TAKE_OVER | {"--yes-load": "the confirmation; refused: another address than api.new"},
    "verify": JSON,
    "rehearse": JSON | TAKE_OVER | {"--rounds": "how often, for the spread"},
    "alerts": JSON | ALERTS,
    "relay": {
        "--listen": "the port that is taken once it is free; refused: no address of this machine",
        "--to": "where everything goes; refused: no http://HOST:PORT",
    },
    "container": TAKE_OVER | {"--who": "recorded", "--force": "though a running item stands on it"},
    "engine": DEMO | TAKE_OVER | {"--demo": "on the embedded world"},
}


def _options(parser: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= _options(inner)
        elif action.option_strings:
            found.add(action.option_strings[-1])
    return found


def test_every_option_is_in_the_ledger_and_nothing_else() -> None:
    parser, names = make_parser()
    (subs,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    found = {name: _options(subs.choices[name]) for name in names}
    ledger = {name: {*entry, *EVERYWHERE} for name, entry in WHAT.items()}
    assert found == ledger


REFUSED = [
    ["serve", "--token-env", "WSDASH_NO_SUCH_VARIABLE"],
    ["init", "--yes", "--source", "nonsense"],
    ["init", "--yes", "--source", "postgresql://u:secret@h/d"],
    ["migrate", "--dry-run", "--force", "--yes"],
    ["migrate", "--dry-run", "--report", "r.json"],
    ["migrate", "--dry-run", "--abandon-rollback"],
    ["migrate", "--dry-run", "--take-over"],
    ["rollback", "--yes", "--keep-row", "nonsense"],
    ["demo", "--then-rollback"],
    ["finish", "--yes"],
    ["migrate", "--until", "benchmarks"],
    ["migrate", "--from", "go-no-go"],
    ["migrate", "--from", "test-api", "--until", "backup"],
    ["migrate", "--report", "/nowhere/at/all/r.json", "--until", "backup"],
    ["rollback", "--yes"],
    ["restore", "f.sql", "--replace", "--to", "source", "--yes"],
    ["watch", "--metrics-host", "::1"],
    ["demo", "--config", "."],
    ["decide", "--day", "1", "--fails", "--who", "w"],
    ["decide", "--criterion", "c", "--go", "--who", "w"],
    ["decide", "--day", "1", "--criterion", "c", "--who", "w"],
    ["decide", "--criterion", "c", "--phrase", "AGAINST", "--who", "w"],
    ["report", "--check", "d", "--json"],
    ["confirm", "review-adr", "--who", "w"],
    ["skip", "backup", "--who", "w", "--why", "y"],
]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_an_option_that_would_do_nothing_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--state", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("wsdash: ")
    assert "remedy:" in told
