"""status, report and doctor: they look and print, and change nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import msgspec

from wsdash.cli.headless import GLYPHS
from wsdash.cli.places import config_of, found_state, needed_state
from wsdash.config import load_settings
from wsdash.engine.fold import outcome
from wsdash.model import ItemState, Outcome
from wsdash.review.calendar import calendar_of
from wsdash.review.report import build_report, rendered, write_whole
from wsdash.review.story import read_story


def status(arguments: argparse.Namespace) -> int:
    """`wsdash status`: exit 1 when an item failed."""
    state = needed_state(arguments)
    report = build_report(state)
    failed = any(item.state == ItemState.FAILED for item in report.items)
    if arguments.json:
        _print_json(msgspec.to_builtins(report))
        return 1 if failed else 0
    print(f"run {report.run}  mode {report.mode}  {report.outcome}  state {state}")
    for item in report.items:
        glyph = GLYPHS[ItemState(item.state)]
        print(f"{glyph} {item.phase:<9} {item.id:<18} {item.state:<8} {item.seconds:7.1f} s  {item.evidence}")
    return 1 if failed else 0


def report(arguments: argparse.Namespace) -> int:
    """`wsdash report`: Markdown, HTML, JSON, the calendar; exit 1 when the migration failed."""
    state = needed_state(arguments)
    known = read_story(state, config_of(arguments, state))
    file: Path | None = arguments.output
    if arguments.ics is not None:
        write_whole(arguments.ics, calendar_of(known))
    suffix = ".json" if arguments.json else file.suffix.lower() if file is not None else ".md"
    text = rendered(known, suffix)
    if file is not None:
        write_whole(file, text)
    elif arguments.ics is None or arguments.json:
        print(text, end="")
    return 1 if outcome(known.view, known.plan) is Outcome.FAILED else 0


def doctor(arguments: argparse.Namespace) -> int:
    """`wsdash doctor`: exit 1 when something is unwell."""
    from wsdash.review.doctor import diagnose

    state = found_state(arguments)
    settings = load_settings(config_of(arguments, state) if state is not None else arguments.config)
    findings = asyncio.run(diagnose(settings, state))
    unwell = any(finding.well is False for finding in findings)
    if arguments.json:
        _print_json({"well": not unwell, "findings": msgspec.to_builtins(findings)})
    else:
        for finding in findings:
            glyph = {True: "✓ well   ", False: "✗ unwell ", None: "· absent "}[finding.well]
            print(f"{glyph} {finding.name:<36} {finding.seen}")
            if finding.remedy:
                print(f"{'':<11}{'':<36} {finding.remedy}")
            if finding.more:
                print(f"{'':<11}{'':<36} more: {finding.more}")
    return 1 if unwell else 0


def _print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    print()
