"""A person's word: recorded by the living engine, else in the journal under the operator's lock."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from wsdash.cli.places import config_of, living_engine, needed_state
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.lock import OperatorLock
from wsdash.model import Intent, Reply

AtRest = Callable[[Path, Path | None, Intent], Coroutine[Any, Any, Reply]]
"""Records an intent without an engine, given state directory and configuration."""


def record_word(arguments: argparse.Namespace, intent: Intent, at_rest: AtRest) -> Reply:
    """The answer to the intent. Raises InputError where there is no run, LockHeldError, UnreachableError."""
    state = needed_state(arguments)
    if living_engine(arguments, state):
        return asyncio.run(ControlClient(state).send(intent))
    with OperatorLock.held(state, take_over=arguments.take_over):
        return asyncio.run(at_rest(state, config_of(arguments, state), intent))
