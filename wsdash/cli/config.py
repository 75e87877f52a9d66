"""`wsdash config check`: every file of the configuration is read, and every fault reported at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from wsdash.cli import tell
from wsdash.cli.places import config_of, found_state
from wsdash.cli.printing import say
from wsdash.config import load_settings, shipped
from wsdash.errors import InputError
from wsdash.plan import load_plan
from wsdash.timeline.spec import load_timeline
from wsdash.watch.world import rules_of


def config(arguments: argparse.Namespace) -> int:
    """Print the reference of all keys, or check: exit 2 when a file cannot be read as it is meant."""
    if arguments.action == "reference":
        from wsdash.review.beginning.reference import configuration_reference

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
