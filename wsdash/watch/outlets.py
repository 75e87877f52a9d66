"""One message to the world outside: posted to a webhook, or given to a command on its standard input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from wsdash.outside.http import client_session
from wsdash.subprocesses import ProgramError, limited_environment, run_program


class OutletError(Exception):
    """A message was not taken. Its text holds no address: a webhook's URL is a secret."""


async def post_message(url: str, message: Mapping[str, Any], timeout: float) -> int:
    """Post JSON; the status (under 300). timeout in seconds. Follows no redirection. Raises OutletError."""
    try:
        async with (
            client_session(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
            session.post(url, json=message, allow_redirects=False) as response,
        ):
            status = response.status
    except (OSError, TimeoutError, ValueError, aiohttp.ClientError) as error:
        # aiohttp's messages repeat the URL
        raise OutletError(f"it did not answer ({type(error).__name__})") from None
    if status >= 300:
        raise OutletError(f"it answered {status}")
    return status


async def run_with(argv: Sequence[str], data: bytes, timeout: float, variables: Sequence[str] = ()) -> None:
    """Run a command that reads data; it must exit 0 within timeout seconds. Raises OutletError.

    variables: names of environment variables that it gets beside those that every program needs.
    """
    try:
        env = limited_environment(variables)
        done = await run_program(argv, seconds=timeout, data=data, env=env)
    except ProgramError as error:
        raise OutletError(str(error)) from error
    if done.code:
        last = done.stderr.decode(errors="replace").strip()[-200:]
        raise OutletError(f"{argv[0]} exited {done.code}: {last}")
