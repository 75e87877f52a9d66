"""Faults at the stages of the switch, there and back: it is finished or taken back, and the ledger balances.

The stages are those of the code's own table: a new one is tried without a line here. `WSDASH_FAULTS=all`
tries every fault at every stage; without it each stage meets some faults, and each fault some stages.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest

from tests.data.copying import run_sql
from tests.data.online.conftest import copy_of
from tests.data.online.ledger import Ledger, check, writing
from tests.data.online.world import make_move, refused, same, state_now, until, value
from tests.data.test_copy_crash import blow
from tests.support.servers import Server, running_server
from wsdash.data.online.switch.cutover import STAGES, AbortedError, CutoverStage, resume, switch_over
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import RefusedError

ALL = os.environ.get("WSDASH_FAULTS") == "all"
PATIENT, SHORT = 60.0, 3.0
STOPPED_SECONDS = 10.0 if ALL else 0.0
"""How long wsdash is stopped at least."""
NOTHING = "DELETE FROM s.items WHERE id = -1"
SETTINGS = "max_prepared_transactions = 5\nsynchronous_commit = on\n"


@dataclass
class Relay:
    """TCP between a client and a server; cut() lets no byte through in either direction, and tells nobody."""

    port: int
    to: int
    alive: bool = True
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    silent: list[asyncio.Event] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        cut = asyncio.Event()
        self.silent.append(cut)
        with suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", self.to)
            self.writers += [writer, there[1]]
            await asyncio.gather(_pump(reader, there[1], cut), _pump(there[0], writer, cut))

    def cut(self) -> None:
        """The connections of now fall silent; new ones are served."""
        for one in self.silent:
            one.set()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: asyncio.Event) -> None:
    try:
        while data := await reader.read(1 << 16):
            if cut.is_set():
                await asyncio.Event().wait()
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # a killed client resets its connection: that is an end as well
    finally:
        if not cut.is_set():
            writer.close()


@asynccontextmanager
async def relayed(side: Endpoint) -> AsyncIterator[tuple[Endpoint, Relay]]:
    """A side's address by way of a relay."""
    relay = Relay(0, side.port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    try:
        yield replace(side, port=server.sockets[0].getsockname()[1]), relay
    finally:
        server.close()
        for writer in relay.writers:
            writer.transport.abort()


@dataclass
class Scene:
    """A switch in a process of its own, and what a fault may touch."""

    move: Move
    servers: tuple[Server, Server]
    relays: tuple[Relay, Relay]
    leaving: Endpoint
    argument: str
    ledger: Ledger
    process: asyncio.subprocess.Process = field(init=False)

    async def begin(self) -> None:
        """Start the process."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.data.online.switch_child",
            self.argument,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )

    async def end(self) -> None:
        """Kill what is left of it."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def say(self) -> None:
        """Let the process go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def stage(self, name: str) -> None:
        """Let it go on until it is about to begin a stage; where a loaded machine lets the limit pass before,
        it begins anew."""
        while True:
            assert self.process.stdout is not None
            line = (await asyncio.wait_for(self.process.stdout.readline(), 90)).decode().strip()
            if line.startswith("aborted: "):
                await self.end()
                await self.begin()
                continue
            assert line in [stage.name for stage in STAGES], f"{line} before {name}"
            if line == name:
                return
            self.say()

    async def rest(self) -> str:
        """Let it go on to its end; its last line."""
        assert self.process.stdout is not None
        last = ""
        self.say()
        while line := (await asyncio.wait_for(self.process.stdout.readline(), 150)).decode().strip():
            last = line
            self.say()
        await self.process.wait()
        return last


async def killed(scene: Scene, stage: CutoverStage) -> None:
    scene.process.kill()
    await scene.process.wait()
    if stage.back:
        await until(lambda: _goes_on(scene.leaving))


async def stopped(scene: Scene, stage: CutoverStage) -> None:
    """While it is stopped, the fence lifts by itself."""
    scene.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_SECONDS)
    if stage.back:
        await until(lambda: _goes_on(scene.leaving))
    else:
        await asyncio.sleep(1)
    scene.process.send_signal(signal.SIGCONT)
    await scene.rest()


def crashed(place: int) -> Callable[[Scene, CutoverStage], Awaitable[None]]:
    async def crash(scene: Scene, stage: CutoverStage) -> None:
        await asyncio.to_thread(blow, scene.servers[place], "kill -9")
        scene.say()
        await asyncio.to_thread(scene.servers[place].start)
        await scene.rest()

    return crash


def cut(place: int) -> Callable[[Scene, CutoverStage], Awaitable[None]]:
    async def cut_off(scene: Scene, stage: CutoverStage) -> None:
        scene.relays[place].cut()
        await scene.rest()

    return cut_off


FAULTS: dict[str, tuple[Callable[[Scene, CutoverStage], Awaitable[None]], float]] = {
    "kill -9": (killed, PATIENT),
    "SIGSTOP": (stopped, SHORT),
    "the source crashes": (crashed(0), PATIENT),
    "the target crashes": (crashed(1), PATIENT),
    "the source is cut off": (cut(0), SHORT),
    "the target is cut off": (cut(1), SHORT),
}
"""What happens when a stage is about to begin, and the limit of that switch in seconds."""


SPREAD = {"there": 1 if ALL else 4, "back": 1 if ALL else 6}
CASES = [
    (way, stage, fault)
    for way, spread in SPREAD.items()
    for place, stage in enumerate(STAGES)
    for number, fault in enumerate(FAULTS)
    if (place + number) % spread == 0
]


@pytest.mark.parametrize("way", SPREAD)
def test_no_stage_is_without_a_fault_and_no_fault_without_a_stage(way: str) -> None:
    assert {stage.name for its, stage, _ in CASES if its == way} == {stage.name for stage in STAGES}
    assert {fault for its, _, fault in CASES if its == way} == set(FAULTS)


@pytest.fixture(scope="module")
def mortals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two servers that a test may crash."""
    directories = [tmp_path_factory.mktemp(name) for name in ("mortal16", "mortal18")]
    for directory in directories:
        directory.chmod(0o755)
    with (
        running_server(16, directories[0], settings=SETTINGS) as source,
        running_server(18, directories[1], settings=SETTINGS) as target,
    ):
        yield source, target


@pytest.fixture(scope="module")
def mortal_templates(mortals: tuple[Server, Server]) -> Move:
    async def make() -> Move:
        return await make_move(await mortals[0].fresh_database(), await mortals[1].fresh_database())

    return asyncio.run(make())


@pytest.fixture
async def mortal_move(mortals: tuple[Server, Server], mortal_templates: Move) -> Move:
    """A move whose servers may be crashed."""
    source = await copy_of(mortals[0], mortal_templates.source.database)
    target = await copy_of(mortals[1], mortal_templates.target.database)
    for server in mortals:
        # a copied sequence takes values ahead for logged, which its template logged: a crash would give them
        # out again; after a checkpoint they are logged anew
        await server.execute("CHECKPOINT")
    return replace(mortal_templates, source=source, target=target)


@asynccontextmanager
async def scene(
    move: Move, servers: tuple[Server, Server], leaving: Endpoint, limit: float
) -> AsyncIterator[Scene]:
    """A process that switches away from a side, with clients that write meanwhile."""
    async with (
        relayed(move.source) as (source, first),
        relayed(move.target) as (target, second),
        writing(move.source, move.target, seed=1, clients=4, rate=40) as ledger,
    ):
        side = "source" if leaving == move.source else "target"
        argument = json.dumps([asdict(source), asdict(target), side, limit])
        now = Scene(move, servers, (first, second), leaving, argument, ledger)
        await now.begin()
        try:
            yield now
        finally:
            await now.end()


async def _goes_on(side: Endpoint) -> bool:
    return await refused(side, NOTHING) == ""


async def _finish(move: Move, leaving: Endpoint) -> None:
    """What an operator does afterwards: resume, and switch again where it was taken back."""
    await resume(move)
    if (await state_now(move)).leaving != leaving:
        return
    for _ in range(10):
        with suppress(AbortedError):
            await switch_over(move, leaving, limit=PATIENT)
            return
    raise AssertionError("no switch in ten attempts")


@pytest.mark.parametrize(
    ("way", "stage", "fault"), CASES, ids=[f"{way}-{stage.name}-{fault}" for way, stage, fault in CASES]
)
async def test_a_fault_loses_nothing(
    mortal_move: Move, mortals: tuple[Server, Server], way: str, stage: CutoverStage, fault: str
) -> None:
    happen, limit = FAULTS[fault]
    leaving, entering = mortal_move.source, mortal_move.target
    if way == "back":
        await switch_over(mortal_move, leaving, limit=PATIENT)
        leaving, entering = entering, leaving
    async with scene(mortal_move, mortals, leaving, limit) as now:
        await now.stage(stage.name)
        await happen(now, stage)
        await _finish(mortal_move, leaving)
        before = now.ledger.acknowledged

        async def written() -> bool:
            return now.ledger.acknowledged > before + 5

        await until(written)
    assert await check(now.ledger, entering) == []
    await switch_over(mortal_move, entering, limit=PATIENT)
    assert await same(mortal_move)


async def test_a_prepared_transaction_is_told(mortal_move: Move) -> None:
    await run_sql(mortal_move.source, "BEGIN; UPDATE s.items SET size = 1; PREPARE TRANSACTION 'forgotten'")
    with pytest.raises(RefusedError, match="forgotten"):
        await switch_over(mortal_move, mortal_move.source, limit=PATIENT)
    await run_sql(mortal_move.source, "COMMIT PREPARED 'forgotten'")
    await switch_over(mortal_move, mortal_move.source, limit=PATIENT)
    assert await value(mortal_move.target, "SELECT count(*) FROM s.items WHERE size = 1") == 300
