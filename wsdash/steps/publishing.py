"""Items notify-team, update-dashboards and update-docs: what is handed to the team.

A notice, where a webhook or a command is configured instead of a person; the monitoring files rendered for
this world, with all they name answering; the report of the run, written for the team and read back.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from wsdash.config import shipped
from wsdash.errors import InputError, WsdashError
from wsdash.model import StepId
from wsdash.model.facts import SENT
from wsdash.outside.http import client_session
from wsdash.runtime import report_directory
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.limits import COMMAND_TIMEOUT, POST_TIMEOUT, REPORT_SECONDS
from wsdash.subprocesses import CannotStartError, OverdueError, run_program
from wsdash.watch.monitoring import ScrapeTarget, render_monitoring
from wsdash.watch.outlets import OutletError, post_message, run_with
from wsdash.watch.pollers.http import timed_get
from wsdash.watch.world import rules_of


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


class UpdateDashboards:
    """Update monitoring dashboards."""

    id: str = StepId.UPDATE_DASHBOARDS

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when the rendered files are what this world needs and every endpoint of the stack they name
        answers. wsdash's own page is named too and need not: it is served by `wsdash watch`, later."""
        out = _directory(ctx)
        fresh = ctx.state / "monitoring.check"
        endpoints = await asyncio.to_thread(_render, ctx, fresh)
        files, stale = await asyncio.to_thread(_compare, fresh, out)
        if stale:
            return Evidence(False, "not rendered for this world: " + ", ".join(stale))
        silent = await _silent(endpoints)
        if silent:
            return Evidence(False, "does not answer: " + "; ".join(silent))
        answering = ", ".join(endpoint.url for endpoint in endpoints if not endpoint.itself)
        text = f"{len(files)} files in {out}; answering: {answering}"
        return Evidence(True, text + await _told_of_itself(endpoints))

    async def act(self, ctx: StepContext) -> None:
        """Render the files; raise WsdashError for an endpoint that does not answer."""
        endpoints = await asyncio.to_thread(_render, ctx, _directory(ctx))
        silent = await _silent(endpoints)
        if silent:
            raise WsdashError(
                "an endpoint that the monitoring files name does not answer: " + "; ".join(silent),
                where=str(_directory(ctx)),
                remedy="start the service that should answer there, then retry",
            )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The rendered files stay in the state directory; nothing reads them until they are installed."""
        return None


def _render(ctx: StepContext, out: Path) -> list[ScrapeTarget]:
    """The shipped templates with the run's own alert rules, or the operator's templates as they are."""
    configured = ctx.settings.paths.monitoring
    if configured:
        return render_monitoring(ctx.settings, Path(configured), out)
    return render_monitoring(ctx.settings, shipped("config", "monitoring"), out, rules_of(ctx.settings))


def _directory(ctx: StepContext) -> Path:
    return ctx.state / "monitoring"


def _compare(fresh: Path, out: Path) -> tuple[list[str], list[str]]:
    """(all rendered files, those that are missing or differ in `out`)."""
    files = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
    stale = [
        name
        for name in files
        if not (out / name).is_file() or (out / name).read_bytes() != (fresh / name).read_bytes()
    ]
    return files, stale


async def _silent(endpoints: list[ScrapeTarget]) -> list[str]:
    return await _unanswered([endpoint.url for endpoint in endpoints if not endpoint.itself])


async def _told_of_itself(endpoints: list[ScrapeTarget]) -> str:
    """Whether wsdash's own page answers; '' where the files do not name it."""
    own = [endpoint.url for endpoint in endpoints if endpoint.itself]
    if not own:
        return ""
    silent = await _unanswered(own)
    if not silent:
        return f"; wsdash itself answers: {own[0]}"
    return f"; wsdash itself is not scraped yet: {silent[0]}; `wsdash watch --metrics-port` serves it"


async def _unanswered(urls: list[str]) -> list[str]:
    async with client_session() as session:
        timings = await asyncio.gather(*(timed_get(session, url) for url in urls))
    return [
        f"{url} ({timing.error or timing.status})"
        for url, timing in zip(urls, timings, strict=True)
        if timing.error or timing.status != 200
    ]


class UpdateDocs:
    """Update team documentation.

    The report is made, and proven, by `wsdash report` in a process of its own: fifteen days of samples are
    read without holding up the engine, and whoever writes it by hand gets the same.
    """

    id: str = StepId.UPDATE_DOCS

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when the four files are there, parse, and tell this run and all that was decided in it."""
        directory = report_directory(ctx.state)
        if not directory.exists():
            return Evidence(False, f"not written yet: {directory}")
        code, output = await _report(ctx, "--check", str(directory))
        return Evidence(code == 0, output)

    async def act(self, ctx: StepContext) -> None:
        """Write them anew. Raises WsdashError when they cannot be written."""
        await _report(ctx, "--directory", str(report_directory(ctx.state)))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """It stays: what was done before a rollback is part of the story."""
        directory = report_directory(ctx.state)
        if not directory.exists():
            return None
        return Evidence(True, f"the report written before stays in {directory}")


async def _report(ctx: StepContext, *words: str) -> tuple[int, str]:
    """Run `wsdash report`; its exit code (0 or 1) and its words. Raises WsdashError for any other end."""
    argv = [sys.executable, "-m", "wsdash", "report", "--state", str(ctx.state), *words]
    if ctx.settings.directory:
        argv += ["--config", ctx.settings.directory]
    try:
        done = await run_program(argv, seconds=REPORT_SECONDS)
    except OverdueError as error:
        raise WsdashError(
            f"the report was not made within {REPORT_SECONDS:.0f} s",
            where=str(ctx.state),
            remedy="retry when the machine is less busy",
        ) from error
    except CannotStartError as error:
        raise WsdashError(
            f"the report could not be made: {error}",
            where=str(ctx.state),
            remedy="see to it that Python can be run, then retry",
        ) from error
    output = " ".join(done.stdout.decode(errors="replace").split())
    if done.code not in (0, 1) or not output:
        said = " ".join(done.stderr.decode(errors="replace").split())[-400:]
        raise WsdashError(
            f"the report could not be made: {said or f'exit code {done.code}'}",
            where=str(ctx.state),
            remedy="run `wsdash report` by hand; it says the same",
        )
    return done.code, output
