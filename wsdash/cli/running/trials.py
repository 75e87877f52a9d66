"""`wsdash rehearse`, `test` and `load-test`: by the engine that lives, or by one in the foreground.

A rehearsal is the whole migration while the old service serves; afterwards all is as before.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from wsdash.cli.limits import JOURNAL_POLL_SECONDS, TRIAL_SECONDS
from wsdash.cli.places import config_of, living_engine, needed_state, own_state
from wsdash.cli.plain import printer
from wsdash.cli.printing import print_json, say
from wsdash.cli.running.by_hand import newest_event
from wsdash.cli.running.headless import run_engine
from wsdash.config import load_settings
from wsdash.demo.world.scratch_server import scratch_server
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import engine_alive
from wsdash.engine.outlook import rehearsal_lines
from wsdash.engine.process import EngineOptions, serve
from wsdash.engine.run.due import REHEARSE
from wsdash.errors import InputError, RefusedError, WsdashError
from wsdash.model import (
    LOAD,
    Intent,
    ItemChanged,
    ItemState,
    Notice,
    Recorded,
    RehearsalOutcome,
    RehearsalProgress,
    Rehearsed,
)
from wsdash.plan import Plan, load_plan
from wsdash.review.report.load_tests import checklist_tests, load_reports
from wsdash.review.story import read_run
from wsdash.steps.trials.load import confirmed


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
    deadline = time.monotonic() + TRIAL_SECONDS
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
            time.sleep(JOURNAL_POLL_SECONDS)
    finally:
        reader.close()
    missing = [name for name in items if name not in ended]
    if missing:
        raise WsdashError(
            f"not ended within {TRIAL_SECONDS / 60:.0f} minutes: {', '.join(missing)}",
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


def rehearse(arguments: argparse.Namespace) -> int:
    """Exit 0 when all was clean, 1 when something blocked or differed, 2 for bad input, 3 when another
    operator's command holds the run, 130 when it was interrupted. With an engine alive, that one does it.
    """
    state = own_state(arguments)
    show = _quiet if arguments.json else _show
    if living_engine(arguments, state):
        found = _by_the_engine(state, arguments.rounds, show)
        return _conclude(found, arguments.json)
    newest = _newest(state)
    options = EngineOptions(
        state=state,
        config=config_of(arguments, state),
        rehearse=arguments.rounds,
        exit_when_done=True,
        take_over=arguments.take_over,
        on_event=show,
        scratch_server=scratch_server,
    )
    code = run_engine(options, None)
    after = _newest(state)
    if after is None or (newest is not None and after.id == newest.id):
        return code or 1
    return _conclude(after, arguments.json) if code != 130 else code


def _by_the_engine(state: Path, rounds: int, show: Callable[[Recorded], None]) -> Rehearsed:
    """Ask the living engine, and follow the journal to the end of it. Raises RefusedError, WsdashError."""
    reader = JournalReader(state)
    try:
        history = reader.history()
        after = history[-1].seq if history else 0
        reply = asyncio.run(ControlClient(state).send(Intent(REHEARSE, options={"rounds": rounds})))
        if not reply.ok:
            raise RefusedError(reply.text, where="wsdash rehearse", remedy="nothing was done")
        while True:
            alive = engine_alive(state) is not None
            for recorded in reader.events(after):
                after = recorded.seq
                show(recorded)
                if isinstance(recorded.event, Rehearsed):
                    return recorded.event
            if not alive:
                raise WsdashError(
                    "the engine ended before the rehearsal did",
                    where=str(state),
                    remedy="run `wsdash rehearse` again: it clears up what was left first",
                )
            time.sleep(JOURNAL_POLL_SECONDS)
    finally:
        reader.close()


def _newest(state: Path) -> Rehearsed | None:
    if not (state / "journal.db").exists():
        return None
    reader = JournalReader(state)
    try:
        events = (recorded.event for recorded in reader.history())
        return next((e for e in reversed(list(events)) if isinstance(e, Rehearsed)), None)
    finally:
        reader.close()


def _conclude(found: Rehearsed, json: bool) -> int:
    if json:
        print_json(found)
    else:
        say("\n".join(rehearsal_lines(found)))
    return 0 if found.outcome is RehearsalOutcome.CLEAN else 1


def _show(recorded: Recorded) -> None:
    event = recorded.event
    if isinstance(event, RehearsalProgress):
        say(f"  round {event.round} of {event.rounds}: {event.doing}")
    elif isinstance(event, Notice) and event.level != "info":
        say(f"! {event.level}: {event.text}")


def _quiet(recorded: Recorded) -> None:
    """Nothing but the JSON object is printed."""
