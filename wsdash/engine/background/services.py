"""What lives beside a run: the pollers, who is notified of alerts, the days after, a source of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wsdash.config import Settings
from wsdash.engine.at_rest import last_seen
from wsdash.engine.background.alarms import Alarms, telling
from wsdash.engine.background.following import ChangeFollower
from wsdash.engine.background.history import EngineHistory
from wsdash.engine.background.post_migration import PostMigration
from wsdash.engine.background.spool import LogSpool
from wsdash.engine.limits import CLEANUP_SECONDS, REMIND_SECONDS
from wsdash.engine.options import EngineOptions, MetricsAddress
from wsdash.engine.run.asked import Comparer, ContainerHands
from wsdash.engine.run.duty import ManualActions, duties
from wsdash.engine.run.perform import Performer
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.source import EventSource, RunHandle
from wsdash.engine.source_jobs import SourceJobs
from wsdash.engine.world import World, watch_for_ever
from wsdash.errors import InputError
from wsdash.model import ItemChanged, ItemIntended, ItemState, Mode, Recorded
from wsdash.plan import Plan
from wsdash.stack.base import Stack
from wsdash.tasks import LoopLag
from wsdash.timeline.spec import load_timeline

if TYPE_CHECKING:
    from wsdash.engine.background.exporter import Exporter
    from wsdash.engine.background.exposition import Exposition, MeasuredAlerts
    from wsdash.watch.alerting.channels import Notifier


class BackgroundServices:
    """Owns their tasks from `begin` to `close`. None of them holds up the run.

    after: the days after, hands: what a single container is restarted by, comparer: what compares both sides
    when somebody asks, and follower: what applies changes in mode online; all once begun. stuck: the pollers
    did not end after their cancellation.
    """

    def __init__(
        self,
        options: EngineOptions,
        recorder: Recorder,
        spool: LogSpool,
        alarms: Alarms,
        history: EngineHistory,
        jobs: SourceJobs,
        lag: LoopLag,
    ) -> None:
        self.after: PostMigration | None = None
        self.hands: ContainerHands | None = None
        self.comparer: Comparer | None = None
        self.follower: ChangeFollower | None = None
        self.stuck = False
        self._options = options
        self._recorder = recorder
        self._spool = spool
        self._alarms = alarms
        self._history = history
        self._jobs = jobs
        self._lag = lag
        self.performer: Performer | None = None
        """What runs items, as soon as the run has it."""
        self._asked = ManualActions(lambda: recorder.journal.clock.time())
        self._helpers: list[asyncio.Task[None]] = []
        self._watcher: asyncio.Task[None] | None = None
        self._source: asyncio.Task[None] | None = None
        self._exposition: Exposition | None = None
        self._exporter: Exporter | None = None
        self._notifier: Notifier | None = None

    async def begin(self, world: World, stack: Stack, running: Callable[[], str] = str) -> None:
        """Begin what the options ask for. running: the item that runs, or ''.

        Raises InputError for a timeline that cannot be read, or metrics that cannot be served there.
        """
        config = Path(world.settings.directory) if world.settings.directory else None
        spec = await asyncio.to_thread(load_timeline, config)
        thresholds, settle = world.settings.thresholds, self._history.settle
        self.after = PostMigration(
            self._recorder, world.plan, spec, thresholds, self._options.state, settle, self._history.cut
        )
        for recorded in await self._recorder.journal.history():
            self._asked.see(recorded)
        passing, source = self._recorder.journal.passing, self._options.source
        telling = passing is not None and not passing.over
        if telling and source is not None:
            # samples that a crash lost are not written again yet: nothing may be judged without them
            self.after.not_yet = "the days so far are being read again; try in a moment"
        else:
            self._begin_judging(self.after)
        self.comparer = Comparer(world.settings, self._recorder, running, self._jobs.during_comparison)
        self.hands = ContainerHands(world.settings, world.plan, self._recorder, stack, self._asked)
        if self._options.mode == Mode.ONLINE:
            self.follower = ChangeFollower(
                world.settings, self._recorder, stack, self._options.state, self._alarms.unheeded
            )
            await self.follower.open()
        if self._options.metrics is not None:
            await self._export(world, self._options.metrics)
        if self._options.watch and not telling:  # what a source tells is not for the pollers
            self._watch(world, stack)
        if source is not None:
            self._run_source(source, world, stack, self.after)

    def see(self, recorded: Recorded) -> None:
        """Take an event of the journal, from its thread; returns at once."""
        if self._exposition is not None:
            self._exposition.see(recorded)

    async def hands_free(self) -> None:
        """Return when no single container is being started or stopped."""
        if self.hands is not None:
            await self.hands.free()

    async def source_ended(self) -> None:
        """Return when the source in the pollers' place is over; at once where there is none."""
        if self._source is not None:
            await self._source

    async def close(self) -> None:
        """End them all; returns after twice CLEANUP_SECONDS at the latest."""
        for helper in self._helpers:
            helper.cancel()
        if self._helpers:
            await asyncio.wait(self._helpers, timeout=CLEANUP_SECONDS)
        if self.follower is not None:
            await self.follower.close()
        if self.after is not None:
            self.after.close()
        if self._exporter is not None:
            await self._exporter.close()
        if self.comparer is not None:
            await self.comparer.close()
        if self.hands is not None:
            await self.hands.close()
        await self._end_watch()

    async def _export(self, world: World, address: MetricsAddress) -> None:
        from wsdash.engine.background.exporter import Exporter  # an HTTP server, which takes time to import
        from wsdash.engine.background.exposition import Exposition

        journal = self._recorder.journal
        measured = await asyncio.to_thread(_measured, world.settings)
        self._exposition = Exposition(world.plan, await journal.history(), measured)
        self._exporter = Exporter(self._exposition, lambda: journal.clock.time(), self._options.state)
        await self._exporter.open(address)

    def _begin_judging(self, after: PostMigration) -> None:
        after.not_yet = ""
        self._helpers.append(asyncio.create_task(after.run()))

    def _watch(self, world: World, stack: Stack) -> None:
        from wsdash.watch.alerting.channels import Notifier, channels_of

        journal = self._recorder.journal
        emit, clock = journal.emit, journal.clock
        if self._notifier is None:
            channels = channels_of(world.settings.alerts)
            sent = self._alarms.board.sent
            self._notifier = Notifier(channels, emit, world.settings.world, sent=sent)
            self._helpers.append(asyncio.create_task(self._notifier.run()))
            self._helpers.append(asyncio.create_task(self._remind(self._notifier)))
        self._notifier.clock = clock
        watching = watch_for_ever(
            world.settings,
            stack,
            telling(emit, self._alarms, self._notifier),
            self._spool.write,
            state=self._options.state,
            newest_log=lambda: self._spool.newest,
            raised_before=self._alarms.raised,
            backed_up=lambda: self._alarms.backed_up_at,
            clock=clock,
            duties=duties(world.settings, world.plan, lambda: self._recorder.view, self._asked),
            seen=lambda: last_seen(self._options.state, world.settings),
            lag=self._lag,
        )
        # not in a group: pollers that do not end must not hold the engine back
        self._watcher = asyncio.create_task(watching)

    def _run_source(self, source: EventSource, world: World, stack: Stack, after: PostMigration) -> None:
        after.fast = source.fast

        def caught_up() -> None:
            if after.not_yet:
                self._begin_judging(after)

        def watch_again() -> None:
            after.fast = False
            if self._options.watch and not self._options.exit_when_done:
                self._watch(world, stack)

        handle = RunHandle(
            world.settings,
            world.plan,
            self._recorder,
            self._options.state,
            self._spool.write,
            after.look,
            after.handle,
            self._end_watch,
            caught_up,
            watch_again,
            self._history.recaller,
            lambda: self._alarms.backed_up_at,
            lambda name: self._perform(world.plan, name),
            self._tick,
        )
        self._source = asyncio.create_task(source.run(handle))
        self._helpers.append(self._source)

    async def _remind(self, notifier: Notifier) -> None:
        """For ever: send what is raised and was not sent, or long ago."""
        while True:
            notifier.remind(self._alarms.board)
            await asyncio.sleep(REMIND_SECONDS)

    async def _perform(self, plan: Plan, name: str) -> None:
        """An item or test that the source has somebody carry out, unless it is done."""
        while self.performer is None:  # noqa: ASYNC110 - the run is about to begin
            await asyncio.sleep(0.01)
        known = any(item.id == name for item in plan.everything)
        if known and self._recorder.view.item(name).state is not ItemState.DONE:
            await self.performer.perform(plan.item(name))

    async def _tick(self, name: str, who: str, note: str) -> None:
        if self._recorder.view.item(name).state is not ItemState.DONE:
            await self._recorder.record(ItemIntended(name, "confirm", 1))
            evidence = f"confirmed by {who}: {note}"
            await self._recorder.record(ItemChanged(name, ItemState.DONE, evidence, who=who, note=note))

    async def _end_watch(self) -> None:
        if self._watcher is None:
            return
        self._watcher.cancel()
        _, running = await asyncio.wait({self._watcher}, timeout=CLEANUP_SECONDS)
        self.stuck = self.stuck or bool(running)


def _measured(settings: Settings) -> MeasuredAlerts:
    """What the alert rules measure; nothing while their file is refused, which the pollers tell."""
    from wsdash.engine.background.exposition import (
        MeasuredAlerts,
    )  # Prometheus' client and the pollers take time to import
    from wsdash.watch.board import containers_of_series
    from wsdash.watch.world import rules_of

    try:
        return MeasuredAlerts(rules_of(settings), containers_of_series(settings))
    except InputError:
        return MeasuredAlerts()
