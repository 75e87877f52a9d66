"""All pollers of a world, in one task group.

Where the run's clock is not the machine's, containers and their logs are read in the run's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from wsdash.clock import Clock, ShiftedClock, SystemClock
from wsdash.config import DatabaseSettings, Settings
from wsdash.model import AlertChanged, AnyEvent, ContainerReading, LogLine, MetricsReading, Notice
from wsdash.model.ports import PortPlan, port_plan
from wsdash.tasks import LoopLag
from wsdash.watch import alerts
from wsdash.watch.alerting.rules import AlertRule, load_rules, rules_file
from wsdash.watch.alerts import Alerts
from wsdash.watch.board import Board, Strays, containers_of_series
from wsdash.watch.limits import JUDGE_EVERY, LONGEST_INTERVAL
from wsdash.watch.pollers import api, containers, host, metrics, ports, storage
from wsdash.watch.pollers.containers import LastSeen
from wsdash.watch.pollers.http import probe_session
from wsdash.watch.pollers.logs import LogWatch
from wsdash.watch.pollers.poller import Pace, Poller
from wsdash.watch.sources import (
    CountConnections,
    CountRows,
    Duties,
    Emit,
    ListBranches,
    NotStartedError,
    OnLog,
    WatchedStack,
    unknown,
)

BRANCHES_PACE = Pace(interval=10.0, timeout=20.0, longest_pause=60.0)
POOL_PACE = Pace(interval=10.0, timeout=10.0, longest_pause=60.0)
ROWS_PACE = Pace(interval=2.0, timeout=120.0, longest_pause=15.0)
ROWS_SHARE = 10
"""A look at both servers takes at most one part in this many of the time."""


class ShiftedStack:
    """The same stack with its times moved to the run's. What began before the shift keeps its time."""

    def __init__(self, stack: WatchedStack, clock: ShiftedClock) -> None:
        self._stack = stack
        self._clock = clock

    async def readings(self) -> list[ContainerReading]:
        """As the stack's."""
        return [self._moved(reading) for reading in await self._stack.readings()]

    async def watch(self, changed: Callable[[], object]) -> None:
        """As the stack's."""
        await self._stack.watch(changed)

    async def port_plan(self) -> PortPlan:
        """As the stack's."""
        return await port_plan(self._stack)

    async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        """Lines from the run's time `since` on, none of the days before the shift."""
        stream = self._stack.follow_logs(self._clock.machine(since))
        if not isinstance(stream, AsyncGenerator):
            async for line in stream:
                yield self._line(line)
            return
        async with aclosing(stream):
            async for line in stream:
                yield self._line(line)

    def _line(self, line: LogLine) -> LogLine:
        return msgspec.structs.replace(line, at=self._clock.of(line.at))

    def _moved(self, reading: ContainerReading) -> ContainerReading:
        if reading.started_at is None:
            return reading
        return msgspec.structs.replace(reading, started_at=self._clock.of(reading.started_at))


async def watch_world(
    settings: Settings,
    stack: WatchedStack,
    emit: Emit,
    on_log: OnLog,
    *,
    count_rows: CountRows,
    stop: asyncio.Event | None = None,
    connections: CountConnections | None = None,
    branches: ListBranches | None = None,
    state: Path | None = None,
    logs_since: float | None = None,
    raised_before: Sequence[AlertChanged] = (),
    backed_up: Callable[[], float | None] = lambda: None,
    clock: Clock | None = None,
    duties: Duties = unknown,
    seen: Mapping[str, LastSeen] | None = None,
    lag: LoopLag | None = None,
) -> None:
    """Run all pollers until cancelled, or until `stop` is set (for ever without it).

    emit takes readings, SourceState, Notice and AlertChanged; on_log takes log lines; both are called on the
    event loop and must not block. connections: for the alert on the connection pool, which is silent without
    it. branches: lists the new database's timelines. state: a further directory whose disk is watched.
    logs_since: epoch seconds of the last line that the caller has; without it logs begin now. raised_before:
    alerts that an earlier process raised and that did not end. backed_up: when the newest backup was proven,
    in epoch seconds; None: never. clock: the run's, in whose time everything is recorded; None: the
    machine's. duties: what containers are meant to do. seen: how containers were when somebody last watched
    them. lag: measures this event loop, and runs already; None: it is measured here. Raises InputError for an
    address in the settings that is none, and else only what emit or on_log raise.
    """
    rules = await asyncio.to_thread(rules_of, settings)
    if isinstance(clock, ShiftedClock):
        stack = ShiftedStack(stack, clock)
    world = _World(settings, stack, emit, on_log, rules, raised_before, clock or SystemClock(), duties)
    world.backed_up = backed_up
    world.seen = seen or {}
    disks = [Path(settings.paths.backups), *([state] if state is not None else [])]
    world.logs = LogWatch(stack, world.emit, world.log, since=logs_since, clock=world.clock)
    async with probe_session() as session:
        pollers = [rows_poller(count_rows, world.emit, world.clock), *world.pollers(session)]
        if connections is not None:
            pollers.append(world.pool_poller(connections))
        if branches is not None and settings.endpoints.pageserver_http:
            pollers.append(world.branches_poller(branches))
        measured = lag or LoopLag()
        pollers.insert(0, world.poller("host", host.HostWatch(disks, world.emit, measured), host.PACE))
        await world.run(pollers, [] if lag is not None else [measured.run], world.logs, stop)


def rules_of(settings: Settings) -> tuple[AlertRule, ...]:
    """The alert rules of these settings. Raises InputError. Reads a file: not for the event loop."""
    return load_rules(rules_file(settings), settings.thresholds, containers_of_series(settings))


class _World:
    """What the pollers of one world share."""

    def __init__(
        self,
        settings: Settings,
        stack: WatchedStack,
        emit: Emit,
        on_log: OnLog,
        rules: Sequence[AlertRule],
        raised_before: Sequence[AlertChanged],
        clock: Clock,
        duties: Duties,
    ) -> None:
        self.logs: LogWatch | None = None
        self.clock = clock
        self._settings = settings
        self._stack = stack
        self._emit = emit
        self._on_log = on_log
        self.seen: Mapping[str, LastSeen] = {}
        self.backed_up: Callable[[], float | None] = lambda: None
        self._board = Board(settings, self.clock, duties)
        expected = containers.expected_containers(settings)
        self.error_rates = alerts.ErrorRates(expected, emit, self.clock, self.log_read, duties)
        self.strays = Strays(settings, self._board, self.emit, self.clock)
        of_the_api = self.error_rates.counter(self._board.container.get("api-new", ""))
        self._alerts = Alerts(rules, self._board, of_the_api, emit, self.clock, raised_before, self.log_read)

    def emit(self, event: AnyEvent) -> None:
        self._alerts.observe(event)
        self._emit(event)

    def log(self, line: LogLine) -> None:
        self.error_rates.see(line)
        self._on_log(line)

    def log_read(self, container: str) -> bool:
        """Whether what the container writes arrives: the stream of logs is open, and it runs."""
        return self.logs is not None and self.logs.live and self._board.runs(container)

    async def judge(self) -> None:
        while True:
            await self.clock.sleep(JUDGE_EVERY)
            backed_up = self.backed_up()
            if backed_up is not None:
                self._alerts.sample("backup:age", self.clock.time() - backed_up)
            self._alerts.evaluate()

    def poller(self, source: str, probe: Callable[[], Awaitable[None]], pace: Pace) -> Poller:
        return Poller(source, probe, self.emit, pace, clock=self.clock)

    async def run(
        self,
        pollers: Sequence[Poller],
        beside: Sequence[Callable[[], Coroutine[None, None, None]]],
        logs: LogWatch,
        stop: asyncio.Event | None,
    ) -> None:
        """Everything that has no end, in one task group, until `stop` is set."""
        loops = (
            *beside,
            logs.run,
            self.judge,
            self.error_rates.run,
            self.strays.run,
            self.wake,
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run()) for run in (*(poller.run for poller in pollers), *loops)]
            if stop is not None:
                await stop.wait()
                for task in tasks:
                    task.cancel()

    def pollers(self, session: aiohttp.ClientSession) -> list[Poller]:
        """Those that every world has."""
        return [*self.machine_pollers(), *self.latency_pollers(session), self.metrics_poller(session)]

    def machine_pollers(self) -> list[Poller]:
        container_watch = containers.ContainerWatch(
            self._settings,
            self._stack,
            self._board,
            self.emit,
            self.log,
            self.clock,
            self.seen,
        )
        port_watch = ports.PortWatch(
            self._settings, self._board, self.emit, partial(port_plan, self._stack), self.clock
        )
        self._containers = self.poller("containers", container_watch, containers.PACE)
        return [self._containers, self.poller("ports", port_watch, ports.PACE)]

    async def wake(self) -> None:
        """Read the containers again as soon as the stack says that something changed."""
        await self._stack.watch(self._containers.nudge)

    def latency_pollers(self, session: aiohttp.ClientSession) -> list[Poller]:
        settings, nodes = self._settings, self._settings.endpoints

        def api_probe(series: str, base: str) -> Poller:
            probe = api.ApiProbe(series, base, session, self._board, self.emit, settings.api)
            return self.poller(f"latency:{series}", probe, api.PACE)

        def storage_probe(series: str, address: str, http: str) -> Poller:
            probe = storage.StorageProbe(series, address, http, session, self._board, self.emit)
            return self.poller(f"latency:{series}", probe, storage.STORAGE_PACE)

        def database_probe(series: str, side: DatabaseSettings) -> Poller:
            probe = storage.DatabaseProbe(series, side.host, side.port, self._board, self.emit)
            return self.poller(f"latency:{series}", probe, storage.DATABASE_PACE)

        stored = [
            storage_probe(series, address, http)
            for series, address, http in (
                ("pageserver", nodes.pageserver_pg, nodes.pageserver_http),
                ("safekeeper", nodes.safekeeper_pg, nodes.safekeeper_http),
            )
            if address and http
        ]
        return [
            api_probe("api-old", settings.api.old),
            api_probe("api-new", settings.api.new),
            *stored,
            database_probe("source-db", settings.source),
            database_probe("target-db", settings.target),
        ]

    def metrics_poller(self, session: aiohttp.ClientSession) -> Poller:
        probe = metrics.MetricsWatch(self._settings, session, self._board, self.emit, self.clock)
        return self.poller("metrics", probe, metrics.PACE)

    def pool_poller(self, connections: CountConnections) -> Poller:
        bound = ""

        async def probe() -> None:
            nonlocal bound
            found = await connections()
            if found.bound and found.bound != bound and (bound or found.bound != "server"):
                text = f"connections are limited by the {found.bound}: {found.used} of {found.limit}"
                self._emit(Notice("info", text))
            bound = found.bound or bound
            values = {"pool:limit": found.limit, "pool:used": found.used}
            values |= {f"pool:state:{state}": number for state, number in found.states.items()}
            self.emit(MetricsReading("connections", dict(values)))

        return self.poller("connections", probe, POOL_PACE)

    def branches_poller(self, branches: ListBranches) -> Poller:
        async def probe() -> None:
            absent = self._board.absence("pageserver")
            if absent:
                raise NotStartedError(absent)
            self.emit(await branches())

        return self.poller("branches", probe, BRANCHES_PACE)


def rows_poller(count_rows: CountRows, emit: Emit, clock: Clock | None = None) -> Poller:
    """The poller of the source `rows`: every 2 s, slower (up to every 10 s) when a look takes long."""
    clock = clock or SystemClock()

    async def probe() -> None:
        begun = clock.monotonic()
        for reading in await count_rows():
            emit(reading)
        poller.interval = slowed_down(clock.monotonic() - begun)

    poller = Poller("rows", probe, emit, ROWS_PACE, clock=clock)
    return poller


def slowed_down(seconds: float) -> float:
    """The interval for counts that take that long; both in seconds."""
    return min(max(ROWS_PACE.interval, ROWS_SHARE * seconds), LONGEST_INTERVAL)
