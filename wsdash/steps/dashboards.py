"""Item update-dashboards: the monitoring files rendered for this world, and all they name answering."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wsdash.config import shipped
from wsdash.errors import WsdashError
from wsdash.model import StepId
from wsdash.outside.http import client_session
from wsdash.steps.base import Evidence, StepContext
from wsdash.watch.monitoring import ScrapeTarget, render_monitoring
from wsdash.watch.pollers.http import timed_get
from wsdash.watch.world import rules_of


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
