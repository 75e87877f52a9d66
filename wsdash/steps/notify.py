"""Item notify-team, where a webhook or a command is configured instead of a person."""

from __future__ import annotations

import os
import time

from wsdash.errors import InputError, WsdashError
from wsdash.model import StepId
from wsdash.model.facts import SENT
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.limits import COMMAND_TIMEOUT, POST_TIMEOUT
from wsdash.watch.outlets import OutletError, post_message, run_with


class NotifyTeam:
    """Notify team of scheduled maintenance."""

    id: str = StepId.NOTIFY_TEAM

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's message was accepted by the webhook or the command."""
        sent = ctx.facts.get(SENT)
        if sent is None:
            return Evidence(False, "the team was not notified in this run")
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
            how = await _run(list(notify.command), text, notify.environment)
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
        status = await post_message(url, {"text": text}, POST_TIMEOUT)
    except OutletError as error:
        raise WsdashError(
            f"the webhook did not take it: {error}",
            where=f"variable {variable}",
            remedy="check its URL, then retry",
        ) from None
    return f"the webhook of {variable} answered {status}"


async def _run(argv: list[str], text: str, variables: tuple[str, ...]) -> str:
    try:
        await run_with(argv, text.encode(), COMMAND_TIMEOUT, variables)
    except OutletError as error:
        raise WsdashError(
            f"the notify command failed: {error}",
            where="wsdash.yaml, key notify.command",
            remedy="correct the command, or tick the item by hand",
        ) from error
    return f"{argv[0]} exited 0"
