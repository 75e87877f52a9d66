"""`wsdash status`, `doctor` and `report`: they look and print, and change nothing of the run.

`status --watch` prints one line a change, for logs, screen readers and terminals that draw nothing.
`report` tells the whole story: printed, as one file, or as a directory that proves itself.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from wsdash.cli.limits import ALIVE_POLL_SECONDS, FOLLOW_POLL_SECONDS
from wsdash.cli.places import config_of, found_state, needed_state
from wsdash.cli.plain import GLYPHS, item_words, printer
from wsdash.cli.printing import print_json, say
from wsdash.config import load_settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.launch import engine_alive
from wsdash.engine.outlook import rehearsal_summary
from wsdash.engine.run.due import outcome
from wsdash.errors import InputError
from wsdash.model import ItemState, Outcome, Recorded
from wsdash.model.fold import RunView, fold_all
from wsdash.outside import clean
from wsdash.review.report.build import rendered, report_of, write_whole
from wsdash.review.report.folder import calendar_of, prove, write_folder
from wsdash.review.story import KnownStory, read_story


def status(arguments: argparse.Namespace) -> int:
    """`wsdash status`: exit 1 when an item failed."""
    state = needed_state(arguments)
    if arguments.watch:
        return follow(state)
    known = read_story(state, config_of(arguments, state))
    report = report_of(known)
    failed = any(item.state == ItemState.FAILED for item in report.items)
    if arguments.json:
        print_json(report)
        return 1 if failed else 0
    say(f"run {report.run}  mode {report.mode}  {report.outcome}  state {state}")
    for item in report.items:
        glyph = GLYPHS[ItemState(item.state)]
        say(f"{glyph} {item.phase:<9} {item.id:<18} {item.state:<12} {item.seconds:7.1f} s  {item.evidence}")
    if (asked := known.view.jobs_asked) is not None:
        say(f"{asked.item} waits for an answer in `wsdash run`: pause background jobs of the source?")
        for job in asked.jobs:
            say(known.redactor.text(f"  {job}"))
    say(known.redactor.text(rehearsal_summary(known.view.rehearsal, known.now)))
    return 1 if failed else 0


def doctor(arguments: argparse.Namespace) -> int:
    """`wsdash doctor`: exit 1 when something is unwell."""
    from wsdash.review.doctor.run import diagnose

    state = found_state(arguments)
    settings = load_settings(config_of(arguments, state))
    findings = asyncio.run(diagnose(settings, state))
    unwell = any(finding.well is False for finding in findings)
    if arguments.json:
        print_json({"well": not unwell, "findings": findings})
    else:
        for finding in findings:
            glyph = {True: "✓ well   ", False: "✗ unwell ", None: "· absent "}[finding.well]
            say(f"{glyph} {finding.name:<36} {finding.seen}")
            if finding.remedy:
                say(f"{'':<11}{'':<36} {finding.remedy}")
            if finding.more:
                say(f"{'':<11}{'':<36} more: {finding.more}")
    return 1 if unwell else 0


def follow(state: Path) -> int:
    """Print the state of the run, then every change, until Ctrl-C: that is no failure."""
    reader = JournalReader(state)
    show = printer(watching=True)
    try:
        events = _all(reader, 0)
        for line in summary(fold_all(events)):
            say(line)
        _go_on(state, reader, events[-1].seq if events else 0, show)
    except KeyboardInterrupt:
        pass
    finally:
        reader.close()
    return 0


def summary(run: RunView) -> list[str]:
    """The run in a few lines: what runs, what failed, how many items are done."""
    lines = [f"run {run.run or '(none yet)'} {run.mode}".rstrip()]
    done = sum(item.state == "done" for item in run.items.values())
    lines.append(f"{done} items done")
    lines += [item_words(name, item.state, item.seconds, item.evidence) for name, item in run.items.items()]
    return lines


def _go_on(state: Path, reader: JournalReader, seq: int, show: Callable[[Recorded], None]) -> None:
    alive, looked = engine_alive(state) is not None, time.monotonic()
    say(_stamped(time.time(), "an engine works on it" if alive else "no engine is alive"))
    while True:
        if reader.changed():
            for recorded in _all(reader, seq):
                seq = recorded.seq
                show(recorded)
        if time.monotonic() - looked >= ALIVE_POLL_SECONDS:
            looked = time.monotonic()
            now = engine_alive(state) is not None
            if now != alive:
                alive = now
                say(_stamped(time.time(), "an engine works on it" if alive else "the engine is gone"))
        time.sleep(FOLLOW_POLL_SECONDS)


def _all(reader: JournalReader, after: int) -> list[Recorded]:
    found: list[Recorded] = []
    while events := reader.events(found[-1].seq if found else after):
        found += events
    return found


def _stamped(at: float, text: str) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at))} {clean(text)}"


def report(arguments: argparse.Namespace) -> int:
    """`wsdash report`: Markdown, HTML, JSON, the calendar; exit 1 when the migration failed.

    With --check: exit 1 when the directory does not hold the report of the run's present state.
    """
    given = [name for name in ("json", "output", "ics") if getattr(arguments, name)]
    if arguments.check is not None and given:
        raise InputError(
            f"--{given[0]} does nothing beside --check, which writes nothing",
            where=f"--{given[0]}",
            remedy="leave it out, or run `wsdash report` twice",
        )
    state = needed_state(arguments)
    known = read_story(state, config_of(arguments, state))
    if arguments.check is not None:
        holds, text = prove(known, arguments.check.absolute())
        say(text)
        return 0 if holds else 1
    if arguments.directory is not None:
        for file in write_folder(known, arguments.directory.absolute()):
            say(file)
    if arguments.ics is not None:
        write_whole(arguments.ics, calendar_of(known))
    _tell(known, arguments)
    return 1 if outcome(known.view, known.plan) is Outcome.FAILED else 0


def _tell(known: KnownStory, arguments: argparse.Namespace) -> None:
    """To the named file, with its calendar beside it; else, when no file was asked for, to the terminal."""
    file: Path | None = arguments.output
    suffix = ".json" if arguments.json else file.suffix.lower() if file is not None else ".md"
    if file is not None:
        write_whole(file, rendered(known, suffix))
        if arguments.ics is None and known.judged.migrated_at is not None:
            days = file.with_suffix(".ics")
            write_whole(days, calendar_of(known))
            say(f"calendar of the days: {days}", error=True)
    elif arguments.json or (arguments.ics is None and arguments.directory is None):
        say(rendered(known, suffix), end="")
