"""Clearing up after a rehearsal: the database has its name back, and what did not run before is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from wsdash.data.rehearsal.trial_database import end_trial, find_trial
from wsdash.engine.rehearsal.stage import RehearsalStage
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model.facts import Fact
from wsdash.steps.base import endpoint
from wsdash.steps.services.readiness import needs_schema


class Before(msgspec.Struct, frozen=True):
    """How the world was before a rehearsal. running: containers of the new stack that ran. trial: a copy of
    the target's database may have its name."""

    id: str
    started_at: float
    running: tuple[str, ...] = ()
    trial: bool = False


UNDER_WAY: Fact[Before] = Fact("rehearsal.under-way", Before)
"""What a rehearsal that runs now, or was killed, has to give back."""


@dataclass(frozen=True)
class Tidy:
    """Gives a world back as it was."""

    stage: RehearsalStage

    @property
    def killed(self) -> bool:
        """Whether a rehearsal of this run was killed, and what it took is not given back yet."""
        return self.stage.recorder.journal.get(UNDER_WAY) is not None

    async def note(self, before: Before | None) -> None:
        """Make durable what is to be given back; None: nothing."""
        await self.stage.recorder.note(UNDER_WAY, before)

    @property
    def workspace(self) -> tuple[str, ...]:
        """The new stack's containers."""
        return self.stage.settings.stack.workspace.containers

    async def running(self) -> tuple[str, ...]:
        """The containers of the new stack that run now."""
        return tuple(
            r.name
            for r in await self.stage.stack.readings()
            if r.name in self.workspace and r.state == "running"
        )

    async def api_container(self) -> str:
        """The container that publishes the new API's port, or '' where none of the new stack does."""
        port = urlsplit(self.stage.settings.api.new).port
        name = (await self.stage.stack.publishers()).get(port or 0, "")
        return name if name in self.workspace else ""

    async def give_back(self, before: Before, api: str = "") -> tuple[str, ...]:
        """Put everything back; what could not be, one text each. api: the service that uses the database.

        May be called again; one thing that fails does not keep the others back.
        """
        left: list[str] = []
        if before.trial:
            try:
                if api:
                    await self.stage.stack.stop([api], self.stage.output)
                await self._end_trial()
            except WsdashError as error:
                left.append(str(error))
        if not left:  # else the server must stay, so that its database can be put back
            await self._stack_as_it_was(before, left)
        await self.note(before if left else None)
        return tuple(left)

    async def _end_trial(self) -> None:
        target = endpoint(self.stage.settings.target)
        try:
            await end_trial(target)
        except UnreachableError:
            # the machine was started again, say: the server must run to get its database back
            await self._start(self.workspace)
            await end_trial(target)

    async def _start(self, names: tuple[str, ...]) -> None:
        later = needs_schema(self.stage.settings)
        await self.stage.stack.start(list(names), self.stage.output, unready=later)

    async def _stack_as_it_was(self, before: Before, left: list[str]) -> None:
        stop = [name for name in self.workspace if name not in before.running]
        try:
            if stop:
                await self.stage.stack.stop(stop, self.stage.output)
            if before.running:
                await self._start(before.running)
            left += [f"{name} still runs" for name in await self.running() if name in stop]
        except WsdashError as error:
            left.append(str(error))

    async def clear(self, tell: Callable[[str], None]) -> None:
        """Give back what a killed rehearsal left; does nothing where there is nothing.

        Known by the fact in the journal, and where that is lost, by the mark of the copy in a target that
        answers. Raises WsdashError when it cannot be given back, or another rehearsal is at work there.
        """
        before = self.stage.recorder.journal.get(UNDER_WAY)
        if before is not None:
            tell(f"a rehearsal that was killed ({before.id}) is cleared up")
            left = await self.give_back(before)
            if left:
                raise WsdashError(
                    f"what a killed rehearsal left could not be cleared up: {'; '.join(left)}",
                    where=endpoint(self.stage.settings.target).address,
                    remedy="start the new stack, then run `wsdash rehearse` again",
                )
            return
        target = endpoint(self.stage.settings.target)
        try:
            found = await find_trial(target)
        except UnreachableError:
            return
        if found is None:
            return
        if found.alive:
            raise WsdashError(
                f"rehearsal {found.run} is at work on this target",
                where=target.address,
                remedy="wait for its end; `wsdash monitor --state DIR` of its directory shows it",
            )
        tell(f"a copy of the target's database that a dead rehearsal ({found.run}) left is dropped")
        await end_trial(target)
