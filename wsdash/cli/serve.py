"""`wsdash serve`: the read-only screen in a browser."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import sys

from wsdash.cli.places import found_state
from wsdash.cli.printing import say
from wsdash.errors import InputError


def serve(arguments: argparse.Namespace) -> int:
    """Serve until it is stopped; on any address but loopback with a token."""
    from wsdash.cli.browser import LOOPBACK, ReadOnlyServer

    command = [sys.executable, "-m", "wsdash", "monitor"]
    state = found_state(arguments)
    if state is not None:
        command += ["--state", str(state)]
    if arguments.config is not None:
        command += ["--config", str(arguments.config.absolute())]
    token = _token(arguments, needed=arguments.host not in LOOPBACK)
    server = ReadOnlyServer(
        shlex.join(command), arguments.host, arguments.port, token, arguments.public_url or ""
    )
    named = token if arguments.token_env is None else f"${arguments.token_env}"
    address = f"{server.public_url}/" + (f"?token={named}" if token else "")
    say(f"The read-only screen is at {address} (Ctrl-C ends it)")
    server.serve()
    return 0


def _token(arguments: argparse.Namespace, *, needed: bool) -> str:
    """From the variable that --token-env names, else a new one where it is needed, else ''."""
    if arguments.token_env is None:
        return secrets.token_urlsafe(18) if needed else ""
    token = os.environ.get(arguments.token_env, "")
    if len(token) < 12:
        raise InputError(
            "the token is missing, or shorter than 12 characters",
            where=f"variable {arguments.token_env}",
            remedy="export it, or leave --token-env out to have one made",
        )
    return token
