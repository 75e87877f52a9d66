"""Item neon-image: everything the new stack runs is present on this machine."""

from __future__ import annotations

from wsdash.errors import WsdashError
from wsdash.steps.base import Evidence, StepContext


class NeonImage:
    """Build Neon image."""

    id = "neon-image"

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when the image (or program) of every container of the new stack is here."""
        images = await ctx.stack.images()
        missing = sorted(name for name, present in images.items() if not present)
        if missing:
            return Evidence(False, "missing: " + ", ".join(missing))
        if not images:
            return Evidence(False, "the new stack names no image")
        return Evidence(True, "present: " + ", ".join(sorted(images)))

    async def act(self, ctx: StepContext) -> None:
        """wsdash never builds Neon: it says what is missing and how to get it. Raises WsdashError."""
        missing = sorted(name for name, present in (await ctx.stack.images()).items() if not present)
        raise WsdashError(
            "images of the new stack are missing: " + (", ".join(missing) or "none is named"),
            where=ctx.settings.stack.workspace.file,
            remedy=f"docker compose -f {ctx.settings.stack.workspace.file} pull "
            "(or bash scripts/database/build-neon-from-source.sh), then retry",
        )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Images stay."""
        return None
