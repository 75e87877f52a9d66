"""Which state directory, configuration and mode a command means."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsdash.cli.printing import say
from wsdash.engine.operator.launch import changed_since_read, engine_alive, engine_config, run_mode
from wsdash.errors import InputError, system_failure
from wsdash.runtime import current_state, default_state, user_config, world_config

DEMO_MODE = "online"


def own_state(arguments: argparse.Namespace) -> Path:
    """The state directory of a command that may begin a run; made when it does not exist."""
    state: Path = (arguments.state or default_state()).absolute()
    return make(state)


def make(state: Path) -> Path:
    """The directory, made with mode 0700. Raises InputError when it cannot be."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        remedy = "name a directory you may write with --state DIR"
        what = "the state directory cannot be made"
        raise system_failure(error, state, what, remedy=remedy, kind=InputError) from error
    return state


def demo_mode(arguments: argparse.Namespace, state: Path) -> str:
    """The mode that was asked for, else that of the demo's run, else the demo's own. Raises InputError."""
    mode: str = arguments.mode or run_mode(state) or DEMO_MODE
    return mode


def found_state(arguments: argparse.Namespace) -> Path | None:
    """The state directory of a command that looks at a run: --state, else the newest run's, else None."""
    if arguments.state is not None:
        state: Path = arguments.state.absolute()
        return state
    return current_state()


def needed_state(arguments: argparse.Namespace) -> Path:
    """As found_state, but there must be a run. Raises InputError."""
    state = found_state(arguments)
    if state is None or not (state / "journal.db").exists():
        raise InputError(
            "there is no run",
            where=str(state or default_state()),
            remedy="begin one with `wsdash run` or `wsdash demo`, or name its directory with --state DIR",
        )
    return state


def config_of(arguments: argparse.Namespace, state: Path | None) -> Path | None:
    """--config, else that of the engine alive on this state, else that of the demo world in it, else this
    user's. None: the shipped one.
    """
    if arguments.config is not None:
        config: Path = arguments.config.absolute()
        return config
    if state is None:
        return user_config()
    return engine_config(state) or world_config(state) or user_config()


def living_engine(arguments: argparse.Namespace, state: Path) -> bool:
    """Whether an engine is alive that this command can ask.

    Raises InputError when --config names other settings than those the engine works with: it would go on
    with its own, and whoever asked would believe otherwise.
    """
    if engine_alive(state) is None:
        return False
    its = engine_config(state)
    if arguments.config is not None and its is not None and arguments.config.resolve() != its:
        raise InputError(
            f"the engine alive on this run works with another configuration: {its}",
            where=f"--config {arguments.config}",
            remedy="leave out --config to work with that engine; to change the configuration, stop the "
            "engine (q, then X on its screen) and begin it again, or name another run with --state",
        )
    for name in changed_since_read(state):
        say(
            f"wsdash: {name} was changed after the engine read it: it counts from its next start on",
            error=True,
        )
    return True
