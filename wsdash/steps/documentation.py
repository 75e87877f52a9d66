"""Item update-docs: the report of the run, written for the team, and read back."""

from __future__ import annotations

import sys

from wsdash.errors import WsdashError
from wsdash.model import StepId
from wsdash.runtime import report_directory
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.limits import REPORT_SECONDS
from wsdash.subprocesses import CannotStartError, OverdueError, run_program


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
