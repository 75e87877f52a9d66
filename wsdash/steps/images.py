"""Item neon-image: everything the new stack runs is present on this machine."""

from __future__ import annotations

from wsdash.model import StepId
from wsdash.steps.base import Evidence, StepContext, command_output


class NeonImage:
    """Build Neon image."""

    id: str = StepId.NEON_IMAGE

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
        """Get what is missing: with the operator's build command, else by pulling. wsdash never builds Neon.

        Raises WsdashError with the command's last words.
        """
        await ctx.stack.fetch_images(command_output(ctx))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Images stay."""
        return None
