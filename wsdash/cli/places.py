"""Which state directory a command means."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsdash.errors import InputError
from wsdash.runtime import current_state, default_state, world_config


def own_state(arguments: argparse.Namespace) -> Path:
    """The state directory of a command that may begin a run; made when it does not exist."""
    state: Path = (arguments.state or default_state()).absolute()
    return make(state)


def make(state: Path) -> Path:
    """The directory, made with mode 0700. Raises InputError when it cannot be."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(
            f"the state directory cannot be made: {error.strerror}",
            where=str(state),
            remedy="name a directory you may write with --state DIR",
        ) from error
    return state


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


def config_of(arguments: argparse.Namespace, state: Path) -> Path | None:
    """--config, else that of the demo world in this state directory, else None (the shipped one)."""
    if arguments.config is not None:
        config: Path = arguments.config.absolute()
        return config
    return world_config(state)


def offline_only(mode: str) -> None:
    """Raises InputError for a mode that this version does not have."""
    if mode != "offline":
        raise InputError(
            f"mode {mode!r} is not available in this version",
            where="--mode",
            remedy="use --mode offline: the service is down for writes while the data is carried",
        )
