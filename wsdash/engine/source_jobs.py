"""The source's background jobs during a run: a person is asked, they are paused while rows are read, and they
are put back, whatever becomes of the run.

They stay paused from the first item that reads the source for long until the comparison is done. A failure, a
rollback and the engine's end put them back earlier; what a killed engine left paused, the next one puts back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from wsdash.config import Settings, load_settings
from wsdash.data.timescaledb.jobs import describe_jobs
from wsdash.engine.journal.redact import redactor_for
from wsdash.engine.journal.writer import Journal
from wsdash.engine.limits import CLOSE_SECONDS
from wsdash.engine.operator.launch import LOG_FILE
from wsdash.engine.run.recorder import Recorder
from wsdash.errors import WsdashError
from wsdash.model import SATISFIED, ItemState, JobsAnswered, JobsAsked, Outcome, Recorded, StepId
from wsdash.model.facts import PAUSED, Fact, T
from wsdash.model.fold import fold_all
from wsdash.plan import Plan, load_plan
from wsdash.runtime import user_name
from wsdash.steps.database.backup import JobsOf, pause, put_back

LAST = StepId.VERIFY_DATA
READS = (StepId.BACKUP, StepId.MIGRATE_DATA, LAST, StepId.SWITCH)
"""Items that read the source for long, in their order; the switch needs its chunks as they are."""
YES = "--yes"


class SourceJobs:
    """Pauses and puts back; one for each life of an engine.

    asks: a person can be asked (a screen may be open); without, and without an answer, jobs are only
    reported.
    """

    def __init__(self, settings: Settings, plan: Plan, recorder: Recorder, *, asks: bool) -> None:
        self._settings = settings
        self._recorder = recorder
        self._asks = asks
        names = [item.id for item in plan.items]
        places = [names.index(name) for name in READS if name in names]
        self._span = names[places[0] : places[-1] + 1] if places else []
        self._by_run = False
        self._comparing = False
        self._one_at_a_time = asyncio.Lock()

    async def answered(self, item: str, *, yes: bool = False) -> bool:
        """Whether this item can begin: False while it waits for a person's answer, who is asked here.

        yes: somebody said --yes to everything. A source that cannot be read asks nothing: the item says why.
        """
        view = self._recorder.view
        if item not in READS or self._settings.source.pause_jobs != "ask" or view.jobs_answer is not None:
            return True
        if not (yes or self._asks):
            return True
        try:
            jobs = await self._of(item).scheduled()
        except WsdashError:
            return True
        if not jobs:
            if view.jobs_asked is not None:
                await self._recorder.record(JobsAsked(item))
            return True
        if yes:
            await self._recorder.record(JobsAnswered(True, YES))
            return True
        if view.jobs_asked is None:
            await self._recorder.record(JobsAsked(item, tuple(job.described for job in jobs)))
        return False

    async def before(self, item: str) -> None:
        """An item is about to run: where it reads the source, pause what may start, or tell of it.

        What cannot be paused is reported: what is read is proven all the same.
        """
        if item not in READS:
            return
        of = self._of(item)
        self._by_run = True
        await self._pause(of, self._agreed())

    async def settle(self, *, rolling_back: bool) -> None:
        """Between two items: put the jobs back when nothing of the run reads the source any more."""
        if not self._recorder.journal.get(PAUSED) or not (rolling_back or self._over()):
            return
        self._by_run = False
        if not self._comparing:
            await self._put_back()

    @asynccontextmanager
    async def during_comparison(self) -> AsyncIterator[None]:
        """While somebody has both sides compared: paused where that was agreed to, else reported."""
        self._comparing = True
        try:
            await self._pause(self._of(LAST), self._agreed())
            yield
        finally:
            self._comparing = False
            if not self._by_run:
                await self._put_back()

    async def begin(self, answer: bool | None) -> None:
        """An engine begins: put back what a killed one left paused, and note what was answered beforehand."""
        await self._put_back()
        if answer is not None:
            await self._recorder.record(JobsAnswered(answer, user_name()))

    async def close(self) -> None:
        """The engine ends: nobody would put them back later. Returns after CLOSE_SECONDS at the latest."""
        self._by_run = False
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._put_back()
        except TimeoutError:
            self._recorder.tell(
                "background jobs of the source are still paused; the next start puts them back"
            )

    def _agreed(self) -> bool:
        wanted = self._settings.source.pause_jobs
        answer = self._recorder.view.jobs_answer
        if isinstance(wanted, bool):
            return wanted
        return answer is not None and answer.pause

    def _over(self) -> bool:
        view = self._recorder.view
        states = [view.item(name).state for name in self._span]
        failed = any(state in (ItemState.FAILED, ItemState.INSUFFICIENT) for state in states)
        return failed or not states or states[-1] in SATISFIED or view.finished is Outcome.ROLLED_BACK

    async def _pause(self, of: JobsOf, agreed: bool) -> None:
        async with self._one_at_a_time:
            try:
                jobs = await of.scheduled()
                if agreed:
                    await pause(of, jobs)
                elif jobs:
                    how = "source.pause_jobs: yes, or --yes, pauses them meanwhile"
                    of.tell("warning", f"{describe_jobs(jobs)} ({how})")
            except WsdashError as error:
                if agreed:
                    of.tell("warning", f"background jobs are not paused: {error}")

    async def _put_back(self) -> None:
        async with self._one_at_a_time:
            await put_back(self._of(LAST))

    def _of(self, item: str) -> JobsOf:
        return JobsOf(self._settings.source, _Noted(self._recorder), self._recorder.journal.emit, item)


class _Noted:
    """The run's facts, written however long the disk is full."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def get(self, name: Fact[T]) -> T | None:
        """The value, or None."""
        return self._recorder.journal.get(name)

    async def put(self, name: Fact[T], value: T | None) -> None:
        """Durable when this returns."""
        await self._recorder.note(name, value)


@asynccontextmanager
async def paused_at_rest(
    state: Path, config: Path | None, answer: bool | None, on_event: Callable[[Recorded], None]
) -> AsyncIterator[None]:
    """With no engine alive: the jobs paused for the block where that is agreed to, and noted in the journal,
    so that the next engine puts back what a crash leaves paused. The caller holds the operator's lock.

    Raises InputError.
    """
    settings = await asyncio.to_thread(load_settings, config)
    plan = await asyncio.to_thread(load_plan, config)
    journal = await asyncio.to_thread(Journal.open, state)
    try:
        journal.redactor = await asyncio.to_thread(redactor_for, settings, state)
        journal.listener = on_event
        recorder = Recorder(journal, fold_all(await journal.history()), lambda _: None, state / LOG_FILE)
        jobs = SourceJobs(settings, plan, recorder, asks=False)
        await jobs.begin(answer)
        async with jobs.during_comparison():
            yield
    finally:
        await journal.close()
