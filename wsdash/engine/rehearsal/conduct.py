"""One rehearsal from its beginning to its end; what was found is in the journal then."""

from __future__ import annotations

import asyncio
import secrets
import time

from wsdash.engine.outlook.words import forecast
from wsdash.engine.rehearsal.found import RehearsalFinds, StoppedError
from wsdash.engine.rehearsal.measure import ResourceMeter
from wsdash.engine.rehearsal.round import Round
from wsdash.engine.rehearsal.schema_only import rehearse_schema
from wsdash.engine.rehearsal.stage import RehearsalStage
from wsdash.engine.rehearsal.tidy import Before, Tidy
from wsdash.model import REHEARSAL, Notice, RehearsalOutcome, Rehearsed
from wsdash.steps.base import endpoint
from wsdash.tasks import finished_though_cancelled, task_group


class Rehearsal:
    """Conducts rehearsals; the caller sees that nothing else runs meanwhile."""

    def __init__(self, stage: RehearsalStage) -> None:
        self._stage = stage
        self._tidy = Tidy(stage)
        self._recorder = stage.recorder

    async def clear_killed(self) -> None:
        """Give back what a killed rehearsal of this run left; does nothing where none was killed.

        Raises WsdashError when it cannot be given back.
        """
        if self._tidy.killed:
            await self._tidy.clear(self._warn)

    async def run(self, rounds: int) -> bool:
        """Rehearse, and clean up whatever happens; whether all was clean.

        Cancelled, it cleans up first. What goes wrong is found, not raised.
        """
        clock = self._recorder.journal.clock
        name = time.strftime("rehearsal-%Y%m%d-%H%M%S-", time.gmtime(clock.time())) + secrets.token_hex(2)
        found = RehearsalFinds(name, clock.time())
        try:
            await self._rounds(found, rounds)
            if found.blocked and not found.verified:
                await rehearse_schema(self._stage, found)
        except asyncio.CancelledError:
            found.interrupted = "it was ended before its last round was over"
            raise
        finally:
            await finished_though_cancelled(self._tell(found))
        return found.outcome is RehearsalOutcome.CLEAN

    async def _rounds(self, found: RehearsalFinds, rounds: int) -> None:
        stage = self._stage
        try:
            await self._tidy.clear(self._warn)
            before = Before(found.id, found.started_at, await self._tidy.running())
            if before.running:
                found.notes.append("the new stack ran already: its start was not measured")
            meter = ResourceMeter(stage.settings, stage.stack, stage.state)
            async with task_group() as group:
                metering = group.create_task(meter.run())
                try:
                    for number in range(1, rounds + 1):
                        await Round(stage, self._tidy, found, before, meter, (number, rounds)).run()
                finally:
                    metering.cancel()
                    found.resources = await meter.uses()
        except StoppedError:
            return
        except Exception as error:
            found.blocked.append(await stage.words(error))
        for use in found.resources:
            if use.exceeded:
                found.differed.append(f"{use.name}: {use.used:,} bytes, the limit is {use.limit:,}")

    def _warn(self, text: str) -> None:
        self._recorder.journal.emit(Notice("warning", text, REHEARSAL))

    async def _tell(self, found: RehearsalFinds) -> None:
        settings = self._stage.settings
        world = f"{endpoint(settings.source).address} → {endpoint(settings.target).address}"
        items = found.items()
        await self._recorder.record(
            Rehearsed(
                id=found.id,
                outcome=found.outcome,
                started_at=found.started_at,
                finished_at=self._recorder.journal.clock.time(),
                where="target" if found.scratch is None else "scratch",
                world=world,
                items=items,
                blocked=tuple(found.blocked),
                differed=tuple(found.differed),
                moved=tuple(found.moved.values()),
                notes=(*found.notes, *([found.interrupted] if found.interrupted else ())),
                downtime=forecast(items, world, self._recorder.view.rehearsals),
                resources=found.resources,
                left=found.left,
            )
        )
