"""test and load-test: the engine in the foreground on the testing checklist, or on item benchmarks."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from wsdash.cli.headless import printer
from wsdash.cli.places import config_of, needed_state
from wsdash.cli.printing import print_json
from wsdash.config import load_settings
from wsdash.engine.process import EngineOptions, serve
from wsdash.errors import InputError
from wsdash.model import LOAD, Recorded
from wsdash.plan import Plan, load_plan
from wsdash.review.story import read_run
from wsdash.review.testing import checklist_tests, load_reports
from wsdash.steps.load_test import confirmed


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
