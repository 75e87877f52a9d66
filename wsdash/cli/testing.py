"""test and load-test: the engine in the foreground on the testing checklist, or on item benchmarks."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

from wsdash.cli.container import newest_event
from wsdash.cli.headless import printer
from wsdash.cli.places import config_of, living_engine, needed_state
from wsdash.cli.printing import print_json
from wsdash.config import load_settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import engine_alive
from wsdash.engine.process import EngineOptions, serve
from wsdash.errors import InputError, RefusedError, WsdashError
from wsdash.model import LOAD, Intent, ItemChanged, ItemState, Recorded
from wsdash.plan import Plan, load_plan
from wsdash.review.report.testing import checklist_tests, load_reports
from wsdash.review.story import read_run
from wsdash.steps.load.benchmarks import confirmed

LONGEST_SECONDS = 1800.0
POLL_SECONDS = 0.1


def test(arguments: argparse.Namespace) -> int:
    """`wsdash test`: try the automatic lines again; exit 1 when one fails or too little was seen."""
    state = needed_state(arguments)
    config = config_of(arguments, state)
    plan = load_plan(config)
    code = _run(state, config, _chosen(plan, arguments), arguments)
    if arguments.json:
        view = read_run(state)
        print_json({"tests": checklist_tests(view, plan, arguments.group or "")})
    return code


test.__test__ = False  # type: ignore[attr-defined]


def load_test(arguments: argparse.Namespace) -> int:
    """`wsdash load-test`: item benchmarks; exit 1 when it does not hold."""
    state = needed_state(arguments)
    config = config_of(arguments, state)
    settings = load_settings(config)
    place = urlsplit(settings.api.new).netloc
    if arguments.yes_load not in (None, place):
        raise InputError(
            f"--yes-load names {arguments.yes_load!r}, the load would go to {place}",
            where="--yes-load",
            remedy=f"say --yes-load {place}, or correct api.new in wsdash.yaml",
        )
    if arguments.yes_load is None and not confirmed(settings, settings.api.new):
        raise InputError(
            f"a load test of {place} was not confirmed: its users would feel it",
            where="--yes-load",
            remedy=f"say --yes-load {place}, or name it under load_test.confirmed in wsdash.yaml",
        )
    code = _run(state, config, ("benchmarks",), arguments, LOAD if arguments.yes_load else "")
    if arguments.json:
        view = read_run(state)
        print_json({"load_test": load_reports(view), "evidence": view.item("benchmarks").evidence})
    return code


def _run(
    state: Path,
    config: Path | None,
    items: tuple[str, ...],
    arguments: argparse.Namespace,
    phrase: str = "",
) -> int:
    if living_engine(arguments, state):
        return _through_engine(state, items, arguments.json, phrase)
    options = EngineOptions(
        state=state,
        config=config,
        items=items,
        phrase=phrase,
        exit_when_done=True,
        watch=False,
        take_over=arguments.take_over,
        on_event=_unheard if arguments.json else printer(),
    )
    return asyncio.run(serve(options))


def _through_engine(state: Path, items: tuple[str, ...], quiet: bool, phrase: str) -> int:
    """Have the engine that lives there do it, beside whatever it records, and follow it to its end."""
    show = _unheard if quiet else printer()
    after = newest_event(state)
    options = {"names": list(items)}
    reply = asyncio.run(ControlClient(state).send(Intent("run-tests", phrase=phrase, options=options)))
    if not reply.ok:
        raise RefusedError(reply.text, where=str(state), remedy="nothing was tried; see wsdash status")
    ended: dict[str, ItemState] = {}
    deadline = time.monotonic() + LONGEST_SECONDS
    reader = JournalReader(state)
    try:
        while len(ended) < len(items) and time.monotonic() < deadline:
            for recorded in reader.events(after):
                after = recorded.seq
                event = recorded.event
                if isinstance(event, ItemChanged) and event.item in items:
                    show(recorded)
                    if event.state is not ItemState.RUNNING:
                        ended[event.item] = event.state
            if len(ended) < len(items) and engine_alive(state) is None:
                raise WsdashError(
                    "the engine ended before the tests did", where=str(state), remedy="run it again"
                )
            time.sleep(POLL_SECONDS)
    finally:
        reader.close()
    missing = [name for name in items if name not in ended]
    if missing:
        raise WsdashError(
            f"not ended within {LONGEST_SECONDS / 60:.0f} minutes: {', '.join(missing)}",
            where=str(state),
            remedy="wsdash monitor shows how it goes on",
        )
    return 0 if all(at is ItemState.DONE for at in ended.values()) else 1


def _chosen(plan: Plan, arguments: argparse.Namespace) -> tuple[str, ...]:
    if arguments.only and arguments.group:
        raise InputError(
            "--group does nothing beside --only", where="--group and --only", remedy="give one of them"
        )
    if arguments.only:
        known = [test.id for test in plan.tests]
        for name in arguments.only:
            if name not in known:
                raise InputError(
                    f"there is no test {name!r}", where="--only", remedy=f"use one of: {', '.join(known)}"
                )
        return tuple(arguments.only)
    return plan.automatic_tests(arguments.group or "")


def _unheard(recorded: Recorded) -> None:
    """The JSON object at the end says it all."""
