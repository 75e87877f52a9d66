"""report: the whole story of a run, printed, as one file, or as a directory that proves itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsdash.cli.places import config_of, needed_state
from wsdash.cli.printing import say
from wsdash.engine.run.outcome import outcome
from wsdash.errors import InputError
from wsdash.model import Outcome
from wsdash.review.calendar import calendar_of
from wsdash.review.report.build import rendered, write_whole
from wsdash.review.report.folder import prove, write_folder
from wsdash.review.story import KnownStory, read_story


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
