"""A service that moves online, in real processes: both APIs, the relay, and traffic with its ledger.

The move itself is conducted here as the engine's plan orders it, at the data level: the old API serves reads
until the target is open and is stopped right after; on the way back it starts first.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import free_port
from wsdash.data.online.switch.cutover import AbortedError, OnStage, Switched, switch_over
from wsdash.data.online.sync.copying import compare_moving
from wsdash.data.online.sync.follow import follow
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint
from wsdash.demo.api.server import PREFIXES
from wsdash.demo.traffic import traffic_for
from wsdash.demo.traffic.judge import Judged, compare
from wsdash.demo.traffic.ledger import Tally, read_ledgers, read_tally
from wsdash.errors import RefusedError

HOST = "127.0.0.1"
START_SECONDS, END_SECONDS = 90.0, 30.0
ATTEMPTS = 10
LOOK_SECONDS = 0.002
PAUSE_SECONDS = 1.0


async def _nothing(_: str) -> None:
    """Nothing happens."""


@dataclass
class Program:
    """One process of the site. It tells in a line of JSON when it listens."""

    name: str
    argv: list[str]
    env: dict[str, str]
    process: asyncio.subprocess.Process | None = None

    async def start(self, said: str) -> None:
        """Start, and wait until it says so."""
        self.process = await asyncio.create_subprocess_exec(
            *self.argv,
            env=os.environ | self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await self.hear(said)
        self._drain = asyncio.create_task(self._read_on())

    async def hear(self, said: str) -> None:
        """Wait until it says so."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while line := await self.process.stdout.readline():
                if said in json.loads(line)["message"]:
                    return
        raise AssertionError(f"{self.name} ended before it said {said!r}")

    async def _read_on(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        while await self.process.stdout.read(1 << 16):
            pass

    async def die(self, said: str) -> None:
        """kill -9, and start anew."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        await self._drain
        await self.start(said)

    async def stop(self) -> None:
        """SIGTERM, and its end."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), END_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        await self._drain
        self.process = None


@dataclass
class Trip:
    """One way there and back. client_gaps, downtimes: seconds, one a switch; port_gap: for how long nobody
    listened on the old port when the relay took it."""

    tally: Tally
    judged: list[Judged]
    equal: bool
    downtimes: list[float] = field(default_factory=list)
    client_gaps: list[float] = field(default_factory=list)
    attempts: int = 0
    port_gap: float = 0.0
    lines: int = 0

    @property
    def amiss(self) -> list[str]:
        """What must not be."""
        told = [text for judged in self.judged for text in judged.findings]
        return told if self.equal else [*told, "the two databases differ"]

    def line(self) -> str:
        """One line of figures."""
        worst = [sum(getattr(one, name) for one in self.judged) for name in ("lost", "duplicated", "wrong")]
        tally = self.tally
        downtimes = ", ".join(f"{one:.2f}" for one in self.downtimes)
        gaps = ", ".join(f"{one:.2f}" for one in self.client_gaps)
        return (
            f"acknowledged {tally.acknowledged}, lost {worst[0]}, duplicated {worst[1]}, wrong {worst[2]}, "
            f"unknown {tally.unknown}, reads {tally.reads_answered} answered, {tally.reads_refused} refused "
            f"(longest {tally.longest_read_refusal_ms:.0f} ms, {tally.reads_stale} stale), refused for "
            f"{downtimes} s, clients' gap {gaps} s, port free for {self.port_gap * 1000:.0f} ms, "
            f"{self.attempts} switches taken back" + "".join(f"\n    {note}" for note in tally.notes)
        )


@dataclass
class Site:
    """The processes of one move. rate: writes a second."""

    move: Move
    directory: Path
    rate: float
    old_port: int = field(default_factory=free_port)
    new_port: int = field(default_factory=free_port)
    limit: float = 10.0
    """Of a switch, in seconds: a slow one is measured and not taken back."""

    def __post_init__(self) -> None:
        """Nothing runs yet."""
        self.old = self._api("old", self.move.source, self.old_port)
        self.new = self._api("new", self.move.target, self.new_port)
        listen, to = f"{HOST}:{self.old_port}", f"http://{HOST}:{self.new_port}"
        argv = [sys.executable, "-m", "wsdash", "relay", "--listen", listen, "--to", to]
        self.relay = Program("relay", argv, {})

    def _api(self, generation: str, side: Endpoint, port: int) -> Program:
        prefix, password = PREFIXES[generation], side.password()
        env = {
            f"{prefix}_HOST": side.host,
            f"{prefix}_PORT": str(side.port),
            f"{prefix}_DATABASE": side.database,
            f"{prefix}_USER": side.user,
            f"{prefix}_PASSWORD": password or "",
            "RATE_LIMIT_MAX": "100000000",
        }
        argv = ["-m", "wsdash.demo.api.server", "--generation", generation, "--port", str(port)]
        return Program(f"{generation} API", [sys.executable, *argv], env)

    @property
    def apis(self) -> list[str]:
        """Both addresses, the usual one first."""
        return [f"http://{HOST}:{self.old_port}", f"http://{HOST}:{self.new_port}"]

    async def round_trip(self, seed: int, dwell: float) -> Trip:
        """There and back under traffic; dwell: seconds of traffic on either side, before and after."""
        traffic, directory = await self._traffic(seed)
        try:
            async with self._following(self.move.source):
                await asyncio.sleep(dwell)
                await self.relay.start("waits")
            there, attempts = await self._switch(self.move.source)
            opened = time.time()
            port_gap = await self._hand_over()
            gaps = [await _client_gap(directory, there, opened)]
            async with self._following(self.move.target):
                await asyncio.sleep(dwell)
                await self.relay.stop()
                await self.old.start("listens")
            back, more = await self._switch(self.move.target)
            gaps.append(await _client_gap(directory, back, time.time()))
            await asyncio.sleep(dwell)
        finally:
            await traffic.stop()
        trip = await self._judge(directory)
        trip.downtimes = [there.downtime or 0.0, back.downtime or 0.0]
        trip.client_gaps, trip.attempts, trip.port_gap = gaps, attempts + more, port_gap
        trip.lines = there.lines + back.lines
        return trip

    async def switches(self, seed: int, switches: Sequence[OnStage]) -> Trip:
        """Switches there and back in turns under traffic, both APIs at work all the time; each with something
        that happens at its stages. Ends with the source open."""
        traffic, directory = await self._traffic(seed)
        try:
            for place, on_stage in enumerate(switches):
                leaving = (self.move.source, self.move.target)[place % 2]
                before = await _acknowledged(directory)
                await self._switch(leaving, on_stage)
                async with asyncio.timeout(END_SECONDS):
                    while await _acknowledged(directory) < before + 10:  # noqa: ASYNC110 - others write
                        await asyncio.sleep(0.1)
            if len(switches) % 2:
                await self._switch(self.move.target)
        finally:
            await traffic.stop()
        return await self._judge(directory)

    async def _traffic(self, seed: int) -> tuple[Program, Path]:
        directory = self.directory / f"seed-{seed}"
        traffic = Program("traffic", traffic_for(self.apis, self.rate, seed, directory), {})
        await traffic.start("writes and")
        return traffic, directory

    @asynccontextmanager
    async def _following(self, leaving: Endpoint) -> AsyncIterator[None]:
        """Changes are carried for the length of a block."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self.move, leaving, over))
            yield
            over.set()

    async def _switch(self, leaving: Endpoint, on_stage: OnStage = _nothing) -> tuple[Switched, int]:
        for attempt in range(ATTEMPTS):
            try:
                return await switch_over(self.move, leaving, limit=self.limit, on_stage=on_stage), attempt
            except (AbortedError, RefusedError) as error:
                print(f"not switched: {error}")
                await asyncio.sleep(PAUSE_SECONDS)  # a writer that took long on a busy machine has ended then
        raise AssertionError(f"no switch in {ATTEMPTS} attempts")

    async def _hand_over(self) -> float:
        """Stop the old API; for how long nobody listened on its port until the relay did, in seconds."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(_longest_refusal(self.old_port, over))
            await self.old.stop()
            async with asyncio.timeout(END_SECONDS):
                while not await _listens(self.old_port):  # noqa: ASYNC110 - another process begins to
                    await asyncio.sleep(LOOK_SECONDS)
            over.set()
        return looking.result()

    async def _judge(self, directory: Path) -> Trip:
        """The ledger against both sides, when the closed one has been brought to the open one's rows."""
        (ledger,) = await asyncio.to_thread(read_ledgers, directory)
        async with open_link(self.move, self.move.source) as link:
            tables = await compare_moving(link)
        judged = [await compare(ledger, side) for side in (self.move.source, self.move.target)]
        judged[1].wrong -= len(ledger.tally.faults)  # counted once
        return Trip(ledger.tally, judged, all(table.match for table in tables))


async def _acknowledged(directory: Path) -> int:
    tally = await asyncio.to_thread(read_tally, directory)
    return tally.acknowledged if tally else 0


async def _client_gap(directory: Path, switched: Switched, opened: float) -> float:
    """The clients' gap around a switch, once their tally tells of a time after it. opened: epoch seconds."""
    began = opened - (switched.downtime or 0.0) - 1.0
    async with asyncio.timeout(END_SECONDS):
        while True:
            tally = await asyncio.to_thread(read_tally, directory)
            if tally is not None and tally.written > opened + 1.0:
                return tally.gap(since=began)
            await asyncio.sleep(0.2)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def _longest_refusal(port: int, over: asyncio.Event) -> float:
    """The longest time from the last connection before a refusal to the next one after it."""
    longest, last, refused = 0.0, time.monotonic(), False
    while not over.is_set() or refused:
        if await _listens(port):
            now = time.monotonic()
            longest = max(longest, now - last) if refused else longest
            last, refused = now, False
        else:
            refused = True
        await asyncio.sleep(LOOK_SECONDS)
    return longest


@asynccontextmanager
async def running_site(move: Move, directory: Path, rate: float) -> AsyncIterator[Site]:
    """Both APIs at work over a move whose source is open and whose rows are copied."""
    site = Site(move, directory, rate)
    try:
        await site.old.start("listens")
        await site.new.start("listens")
        yield site
    finally:
        for program in (site.relay, site.old, site.new):
            await program.stop()
