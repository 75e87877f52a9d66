"""status and doctor: they look and print, and change nothing."""

from __future__ import annotations

import argparse
import asyncio

from wsdash.cli.headless import GLYPHS
from wsdash.cli.places import config_of, found_state, needed_state
from wsdash.cli.printing import print_json, say
from wsdash.config import load_settings
from wsdash.engine.outlook.words import rehearsal_summary
from wsdash.model import ItemState
from wsdash.review.report.build import report_of
from wsdash.review.story import read_story


def status(arguments: argparse.Namespace) -> int:
    """`wsdash status`: exit 1 when an item failed."""
    state = needed_state(arguments)
    if arguments.watch:
        from wsdash.cli.following import follow

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
