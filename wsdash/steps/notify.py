"""Item notify-team, where a webhook or a command is configured instead of a person."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress

import aiohttp

from wsdash.errors import InputError, WsdashError
from wsdash.steps.base import Evidence, StepContext

SENT = "notify-team.sent"
COMMAND_TIMEOUT = 30.0


class NotifyTeam:
    """Notify team of scheduled maintenance."""

    id = "notify-team"

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's message was accepted by the webhook or the command."""
        sent = ctx.facts.get(SENT)
        if sent is None:
            return Evidence(False, "the team was not told in this run")
        return Evidence(True, str(sent))

    async def act(self, ctx: StepContext) -> None:
        """Send the message once; what was accepted is remembered and not sent again."""
        if ctx.facts.get(SENT) is not None:
            return
        text = (
            f"Maintenance: the workspace service moves from {ctx.settings.source.label} to "
            f"{ctx.settings.target.label}. Expected downtime about 5 minutes. Run {ctx.run}."
        )
        notify = ctx.settings.notify
        if notify.webhook_env:
            how = await _post(notify.webhook_env, text)
        else:
            how = await _run(list(notify.command), text)
        await ctx.facts.put(SENT, f"{how} at {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}: {text}")

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """A message cannot be unsent."""
        return None


async def _post(variable: str, text: str) -> str:
    url = os.environ.get(variable, "")
    if not url:
        raise InputError(
            f"the variable {variable} is not set",
            where="wsdash.yaml, key notify.webhook_env",
            remedy=f"export {variable} with the webhook's URL, or tick the item by hand",
        )
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session,
            session.post(url, json={"text": text}) as response,
        ):
            status = response.status
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        # The URL of a webhook is a secret, and aiohttp's messages repeat it.
        raise WsdashError(
            f"the webhook did not answer ({type(error).__name__})",
            where=f"variable {variable}",
            remedy="check its URL, then retry",
        ) from None
    if status >= 300:
        raise WsdashError(
            f"the webhook answered {status}", where=f"variable {variable}", remedy="check its URL, then retry"
        )
    return f"the webhook of {variable} answered {status}"


async def _run(argv: list[str], text: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise WsdashError(
            f"the notify command cannot be started: {error.strerror}",
            where="wsdash.yaml, key notify.command",
            remedy="correct the command, or tick the item by hand",
        ) from error
    try:
        _, said = await asyncio.wait_for(process.communicate(text.encode()), COMMAND_TIMEOUT)
    except TimeoutError as error:
        raise WsdashError(
            f"the notify command took over {COMMAND_TIMEOUT:.0f} s",
            where="wsdash.yaml, key notify.command",
            remedy="correct the command, or tick the item by hand",
        ) from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise WsdashError(
            f"the notify command exited {process.returncode}: {said.decode(errors='replace').strip()[-300:]}",
            where="wsdash.yaml, key notify.command",
            remedy="correct the command, or tick the item by hand",
        )
    return f"{argv[0]} exited 0"
