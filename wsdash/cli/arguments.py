"""What each command takes. Each sub-command names its function by `command`, imported only when it runs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from wsdash import __version__
from wsdash.cli.parser import Commands, Parser, lazily, meant
from wsdash.model.run import MOST_ROUNDS, ROUNDS

HIDDEN = frozenset({"engine"})
"""Commands that only wsdash itself uses."""


def parse(argv: list[str]) -> argparse.Namespace:
    """argv as a namespace whose `command` runs it. Bad input exits 2 with argparse's own message."""
    parser, known = make_parser()
    first = next((word for word in argv if not word.startswith("-")), None)
    if argv and argv[0] == first and first not in known:
        parser.error(f"there is no command {first!r}{meant(first, known - HIDDEN)}")
    if first not in known and not {"-h", "--help", "--version"} & set(argv):
        argv = ["run", *argv]
    return parser.parse_args(argv)


def make_parser() -> tuple[Parser, frozenset[str]]:
    """The parser, and the words that are commands."""
    parser = Parser(
        prog="wsdash",
        description="Moves the Workspace service from TimescaleDB to its own Neon stack, proving each step.",
    )
    parser.add_argument("--version", action="version", version=f"wsdash {__version__}")
    commands = Commands(parser)
    for heading, family in (
        ("begin", _beginning),
        ("look", _screens),
        ("migrate, and go back", _carrying),
        ("read its state", _telling),
        ("decide", _judging),
        ("try", _trying),
        ("tend", _tending),
        ("", _hidden),
    ):
        commands.heading(heading)
        family(commands)
    commands.finish()
    return parser, commands.names


def _take_over(*subs: argparse.ArgumentParser) -> None:
    for sub in subs:
        sub.add_argument(
            "--take-over",
            action="store_true",
            help="take over the lock of a session that died on another host",
        )


def _json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="as one JSON object")


def _beginning(commands: Commands) -> None:
    """Commands of the first minutes."""
    text = "build the embedded world and open the operator's screen on it"
    _demo(commands.add("demo", text, "running.demo", "demo"))
    text = "ask, test and find what a configuration needs, and write it with comments"
    init = commands.add("init", text, "looking.configure", "init")
    url = "postgresql://USER@HOST:PORT/DATABASE"
    for side, what in (("source", "old"), ("target", "new")):
        init.add_argument(f"--{side}", metavar="URL", help=f"the {what} database: {url}")
        init.add_argument(f"--{side}-schema", metavar="NAME", help=f"its schema (of the {what} database)")
        init.add_argument(
            f"--{side}-password-env", metavar="VARIABLE", help=f"variable that holds the {side}'s password"
        )
    init.add_argument("--old-api", metavar="URL", help="address of the old API")
    init.add_argument("--new-api", metavar="URL", help="address of the new API")
    init.add_argument("--apps-file", metavar="FILE", help="compose file of the old world")
    init.add_argument("--workspace-file", metavar="FILE", help="compose file of the new stack")
    init.add_argument("--old-service", metavar="NAME", help="container of the old service")
    init.add_argument(
        "--root", type=Path, default=Path(), metavar="DIR", help="where to look for compose files (here)"
    )
    init.add_argument("--yes", action="store_true", help="ask nothing: what is found, given, or shipped")
    init.add_argument(
        "--replace", action="store_true", help="replace the configuration; it is kept beside it"
    )
    init.add_argument("--unchecked", action="store_true", help="write it though the source does not answer")
    text = "check the configuration, or list its keys"
    config = commands.add("config", text, "looking.configure", "config")
    config.add_argument(
        "action",
        choices=("check", "reference"),
        help="check: read every file of it, and say what is wrong; reference: print every key",
    )
    text = 'print the completion of a shell: eval "$(wsdash completion bash)"'
    shell = commands.add("completion", text, "completion", "completion")
    shell.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _screens(commands: Commands) -> None:
    """Commands that open a screen."""
    run = commands.add("run", "the operator's screen (also plain `wsdash`)", "running.screen", "run")
    _mode(run)
    _take_over(run)
    commands.add("monitor", "the same screen, read-only", "running.screen", "monitor")
    serve = commands.add("serve", "the read-only screen in a browser", "running.serve", "serve")
    serve.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to serve on (127.0.0.1)")
    serve.add_argument(
        "--port",
        type=_number(int, 1, 65_535, "a port (1 to 65535)"),
        default=3290,
        metavar="PORT",
        help="port to serve on (3290)",
    )
    serve.add_argument("--public-url", metavar="URL", help="how browsers reach it, behind a proxy say")
    serve.add_argument("--token-env", metavar="VARIABLE", help="variable that holds the token to ask for")


def _carrying(commands: Commands) -> None:
    """Commands that carry the service, or its rows, there and back."""
    _migrate(commands.add("migrate", "run the plan without a screen", "running.headless", "migrate"))
    text = "the whole migration while the old service serves; changes nothing, tells the downtime to expect"
    rehearse = commands.add("rehearse", text, "running.trials", "rehearse")
    _json(rehearse)
    _take_over(rehearse)
    rehearse.add_argument(
        "--rounds",
        type=_number(int, 1, MOST_ROUNDS, f"a number from 1 to {MOST_ROUNDS}"),
        default=ROUNDS,
        metavar="N",
        help=f"how often, for the spread ({ROUNDS})",
    )
    text = "record without a screen, until it is stopped (SIGTERM or Ctrl-C)"
    _watch(commands.add("watch", text, "running.processes", "watch"))
    rollback = commands.add("rollback", "back to the old service", "running.headless", "rollback")
    rollback.add_argument("--yes", action="store_true", help="do not ask for the typed confirmation")
    rollback.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON")
    rollback.add_argument("--restore", type=Path, metavar="FILE", help="fill what the source lacks first")
    rollback.add_argument(
        "--keep",
        choices=("source", "target"),
        help="of rows that both sides changed (mode online), whose stay",
    )
    rollback.add_argument(
        "--keep-row",
        action="append",
        default=[],
        metavar="ID=SIDE",
        help="the same for one row (may be repeated)",
    )
    rollback.add_argument(
        "--give-up-writes",
        action="store_true",
        help="go back without what users wrote to the new database, where it cannot be carried back",
    )
    _take_over(rollback)
    restore = commands.add("restore", "restore a backup into the new database", "running.headless", "restore")
    restore.add_argument("file", type=Path, metavar="FILE", help="a backup made by wsdash (.sql)")
    restore.add_argument(
        "--to", choices=("target", "source"), default="target", help="which side (default: target)"
    )
    restore.add_argument(
        "--replace", action="store_true", help="replace what the target holds; a copy is kept"
    )
    restore.add_argument("--yes", action="store_true", help="do not ask for the typed confirmation")
    _take_over(restore)


def _telling(commands: Commands) -> None:
    """Commands that read and tell, and change nothing."""
    text = "what becomes of every object of the source, and what blocks"
    _json(commands.add("schema", text, "looking.compare", "schema"))
    status = commands.add("status", "the state of the run now", "looking.inspect", "status")
    how = status.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="as one JSON object")
    how.add_argument("--watch", action="store_true", help="go on: one line a change, until Ctrl-C")
    report = commands.add("report", "the whole story of the run", "looking.inspect", "report")
    _json(report)
    report.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write to FILE: .html (with plots), .json, else Markdown; the calendar of the days beside it",
    )
    report.add_argument("--ics", type=Path, metavar="FILE", help="write the five days as a calendar")
    folder = report.add_mutually_exclusive_group()
    folder.add_argument(
        "--directory", type=Path, metavar="DIR", help="write all of it: Markdown, HTML, JSON, calendar"
    )
    folder.add_argument(
        "--check", type=Path, metavar="DIR", help="whether DIR holds the report of the run's present state"
    )


def _judging(commands: Commands) -> None:
    """Commands of the fourteen days' end."""
    text = "record a go or no-go, or a person's tick of a criterion"
    _decide(commands.add("decide", text, "running.by_hand", "decide"))
    _ticks(commands)
    text = "what decommissioning would remove; of itself it removes its own traces, where that is asked for"
    finish = commands.add("finish", text, "running.by_hand", "finish")
    finish.add_argument(
        "--remove-traces",
        action="store_true",
        help="of mode online: capture and schema wsdash, on both sides",
    )
    finish.add_argument("--yes", action="store_true", help="do not ask for the typed confirmation")


def _trying(commands: Commands) -> None:
    """Commands that try the world: what answers, and how well."""
    text = "diagnostics: what is reachable, what is not, and what to do"
    _json(commands.add("doctor", text, "looking.inspect", "doctor"))
    test = commands.add("test", "try the guide's testing checklist", "running.trials", "test")
    test.add_argument("--group", choices=("functional", "performance", "neon"), help="only this group")
    test.add_argument("--only", action="append", metavar="TEST", help="only this test (may be repeated)")
    _json(test)
    text = "load the new API and compare with the baseline"
    load = commands.add("load-test", text, "running.trials", "load_test")
    load.add_argument("--yes-load", metavar="HOST:PORT", help="the API's users may feel it")
    _json(load)
    _take_over(test, load)
    text = "both sides compared by content, now; changes nothing"
    _json(commands.add("verify", text, "looking.compare", "verify"))


def _tending(commands: Commands) -> None:
    """Commands for what is raised, for one container by hand, and for whoever still asks at the old port."""
    text = "the state of alerts; replay the history against the rules"
    _alerts(commands.add("alerts", text, "looking.alerts", "listed"))
    text = "start, stop or restart one container"
    _container(commands.add("container", text, "running.by_hand", "container"))
    relay = commands.add("relay", "pass the old service's port to the new one", "running.processes", "relay")
    relay.add_argument("--listen", required=True, metavar="HOST:PORT", help="the old service's address")
    relay.add_argument("--to", required=True, metavar="URL", help="the new service, http://HOST:PORT")


def _hidden(commands: Commands) -> None:
    """The engine's own process, which screens start."""
    engine = commands.add("engine", "", "running.processes", "engine", hidden=True)
    engine.add_argument("--take-over", action="store_true")
    _demo(engine, engine=True)


def _watch(sub: argparse.ArgumentParser) -> None:
    _take_over(sub)
    sub.add_argument(
        "--metrics-port",
        type=_number(int, 1, 65_535, "a port (1 to 65535)"),
        metavar="PORT",
        help="serve /metrics of wsdash itself for Prometheus",
    )
    sub.add_argument(
        "--metrics-host", default="127.0.0.1", metavar="HOST", help="address to serve it on (127.0.0.1)"
    )


def _decide(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--day", type=int, metavar="N", help="a day of the timeline: 0, 1, 3, 7 or 14")
    sub.add_argument("--criterion", metavar="ID", help="a criterion that only a person can judge")
    answer = sub.add_mutually_exclusive_group()
    answer.add_argument("--go", action="store_true", help="go (for --day)")
    answer.add_argument("--no-go", action="store_true", help="no-go (for --day)")
    answer.add_argument("--fails", action="store_true", help="it does not hold (for --criterion)")
    sub.add_argument("--who", required=True, metavar="NAME", help="who says so")
    sub.add_argument("--why", default="", metavar="TEXT", help="why; a decision wants it")
    sub.add_argument(
        "--phrase", default="", metavar="WORD", help="AGAINST: decide early, or against the evidence"
    )
    _take_over(sub)


def _ticks(commands: Commands) -> None:
    """A person's word on one item of the checklist."""
    confirm = commands.add("confirm", "tick an item that a person confirms", "running.by_hand", "confirm")
    skip = commands.add("skip", "leave an item out, with a reason", "running.by_hand", "skip")
    for sub in (confirm, skip):
        sub.add_argument("item", metavar="ITEM", help="the item's id (wsdash status lists them)")
        sub.add_argument("--who", required=True, metavar="NAME", help="who says so")
    confirm.add_argument("--note", default="", metavar="TEXT", help="what was seen")
    confirm.add_argument("--fails", action="store_true", help="it does not hold")
    skip.add_argument("--why", required=True, metavar="TEXT", help="why")
    _take_over(confirm, skip)


def _container(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("action", choices=("start", "stop", "restart"))
    sub.add_argument("name", metavar="NAME", help="a container of the old world or of the new stack")
    sub.add_argument("--who", metavar="WHO", help="who says so (default: the login name)")
    sub.add_argument("--force", action="store_true", help="although a running item needs it")
    _take_over(sub)


def _alerts(sub: argparse.ArgumentParser) -> None:
    """`list` (also plain `wsdash alerts`), `test`, `export`; options may come before or after the word."""
    _json(sub)
    words = sub.add_subparsers(metavar="list|test|export")
    for name, text, function in (
        ("list", "what is raised, acknowledged, silenced and ended", "listed"),
        ("test", "what the rules would have raised over the recorded history", "tested"),
        ("export", "the rules as a file for Prometheus", "exported"),
    ):
        word = words.add_parser(name, help=text, description=text)
        for option in ("--config", "--state"):
            word.add_argument(option, type=Path, metavar="DIR", default=argparse.SUPPRESS)
        word.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as one JSON object")
        word.set_defaults(command=lazily("looking.alerts", function))
    export = words.choices["export"]
    export.add_argument("--prometheus", type=Path, metavar="FILE", required=True, help="the file to write")
    test = words.choices["test"]
    test.add_argument("--rules", type=Path, metavar="FILE", help="rules to try (default: the run's own)")
    test.add_argument("--from", dest="since", metavar="TIME", help="default: a day before --to")
    test.add_argument("--to", dest="until", metavar="TIME", help="default: now, by the run's clock")


def _number(make: Callable[[str], float], least: float, most: float, what: str) -> Callable[[str], float]:
    """A type for argparse: a number from least to most; anything else is refused as not being `what`."""

    def number(text: str) -> float:
        try:
            value = make(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return value

    return number


def _mode(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--mode",
        choices=("offline", "online"),
        help="offline: the service is stopped while the data is copied; online: it goes on (default: as the "
        "run was begun, else `mode` in wsdash.yaml; of the demo, online)",
    )


def _run_options(sub: argparse.ArgumentParser) -> None:
    _mode(sub)
    sub.add_argument("--yes", action="store_true", help="tick the items that a person confirms, saying so")
    sub.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON")
    sub.add_argument(
        "--force", action="store_true", help="write over a target with foreign rows; a copy is kept"
    )


def _migrate(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--dry-run", action="store_true", help="check every item, change nothing")
    sub.add_argument("--until", metavar="ITEM", help="stop after this item")
    sub.add_argument("--from", metavar="ITEM", dest="from_item", help="begin with this item")
    sub.add_argument(
        "--abandon-rollback", action="store_true", help="go forward again though a rollback stopped half-way"
    )
    _take_over(sub)
    _run_options(sub)


def _demo(sub: argparse.ArgumentParser, *, engine: bool = False) -> None:
    sub.add_argument("--auto", action="store_true", help="run the whole plan by itself")
    sub.add_argument("--headless", action="store_true", help="without a screen")
    sub.add_argument(
        "--items",
        type=_number(int, 1, math.inf, "a positive number"),
        metavar="N",
        help="items to generate (10000; this and what follows: of a world that is there, as it is)",
    )
    sub.add_argument("--seed", type=int, help="the generator's seed (1)")
    sub.add_argument(
        "--writes-per-second",
        type=_number(float, 0, 1000, "between 0 and 1000"),
        metavar="W",
        help="traffic on the old API (0)",
    )
    sub.add_argument(
        "--api",
        choices=("real-shape", "whole-list", "simple"),
        help="real-shape: with the real API's rules and rate limit; whole-list: its list in one answer, too; "
        "simple: without limit, and with fewer rules (real-shape)",
    )
    sub.add_argument("--port-offset", type=int, metavar="N", help="add N to every port of the guide")
    sub.add_argument("--fortnight", metavar="NAME", help="live fourteen days after it: good, slow-api, ...")
    sub.add_argument(
        "--time-scale",
        type=_number(float, 1, 20_000, "between 1 and 20000"),
        metavar="X",
        help="live them X times as fast (3600: an hour a second)",
    )
    sub.add_argument(
        "--then-rollback", action="store_true", help="with --headless: roll back what was migrated, at once"
    )
    sub.add_argument("--keep", action="store_true", help="keep the world running and its files when done")
    _run_options(sub)
    if engine:
        sub.add_argument("--demo", action="store_true", help=argparse.SUPPRESS)
