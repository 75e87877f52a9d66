"""A container that an operator wants restarted: refused with a reason, or done and noted with who and how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest

from tests.engine.session import Session, history, states
from tests.engine.small_world import NoContainers, Small
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading, Notice
from wsdash.stack.base import OutputSink


class Standin(NoContainers):
    """A stand-in for containers: keeps what it was told; ill: what it refuses with."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.ill = ""
        self.hold = asyncio.Event()
        self.hold.set()

    async def readings(self) -> list[ContainerReading]:
        names = ("data-timescale", "apps-workspace", "workspace-api", "workspace-db-compute")
        return [ContainerReading(name, "running", "healthy") for name in names]

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        await self._do("start", *names)

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        await self._do("stop", *names)

    async def restart(self, name: str, output: OutputSink) -> None:
        output(f"restarting {name}")
        await self._do("restart", name)

    async def _do(self, *words: str) -> None:
        await self.hold.wait()
        if self.ill:
            raise WsdashError(self.ill, where=words[-1], remedy="read its log")
        self.told.append(" ".join(words))


@pytest.fixture
def standin(session: Session) -> Standin:
    made = Standin()
    session.changes = {"stack": made}
    return made


def notices(small: Small) -> list[tuple[str, str]]:
    return [(e.level, e.text) for e in history(small) if isinstance(e, Notice)]


async def asked(session: Session, action: str, name: str, *, force: bool = False, who: str = "Ana") -> str:
    """The refusal, or '' when it was begun."""
    options = {"action": action, "name": name}
    reply = await session.send("container", who=who, force=force, options=options)
    return "" if reply.ok else reply.text


async def ended(small: Small, text: str) -> None:
    async with asyncio.timeout(90):
        while not any(text in told for _, told in notices(small)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def restarting(session: Session, standin: Standin, name: str) -> AsyncIterator[None]:
    """An engine in which a restart is under way until `standin.hold` is set."""
    standin.hold.clear()
    async with session:
        assert await asked(session, "restart", name) == ""
        yield


async def put_up_the_fence(session: Session) -> None:
    await session.ask("run-auto", options={"yes": True, "until": "stop-old"})
    await session.until("stop-old", "done")
    await session.idle()


async def test_a_restart_is_noted_before_and_after_with_who_asked(
    session: Session, small: Small, standin: Standin
) -> None:
    async with session:
        assert await asked(session, "restart", "workspace-api") == ""
        await ended(small, "restart done")
    assert standin.told == ["restart workspace-api"]
    assert notices(small) == [
        ("info", "container workspace-api: restart asked for by Ana"),
        ("info", "container workspace-api: restarting workspace-api"),
        ("info", "container workspace-api: restart done: running, healthy (for Ana)"),
    ]


@pytest.mark.parametrize("action", ["start", "stop"])
async def test_start_and_stop_are_of_that_container(
    session: Session, small: Small, standin: Standin, action: str
) -> None:
    async with session:
        assert await asked(session, action, "workspace-api") == ""
        await ended(small, f"{action} done")
    assert standin.told == [f"{action} workspace-api"]


async def test_a_failure_is_noted_with_its_words(session: Session, small: Small, standin: Standin) -> None:
    standin.ill = "workspace-api is not healthy"
    async with session:
        assert await asked(session, "restart", "workspace-api") == ""
        await ended(small, "restart failed: workspace-api is not healthy")
    assert notices(small)[-1][0] == "error"
    assert session.code == 0


@pytest.mark.parametrize(
    ("action", "name", "who", "told"),
    [
        ("restart", "postgres", "Ana", "no container of the two stacks"),
        ("kill", "workspace-api", "Ana", "start, stop, restart"),
        ("restart", "workspace-api", " ", "name of the person"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    session: Session, standin: Standin, action: str, name: str, who: str, told: str
) -> None:
    async with session:
        assert told in await asked(session, action, name, who=who)
    assert standin.told == []


async def test_an_item_that_runs_keeps_what_it_stands_on(
    session: Session, small: Small, standin: Standin
) -> None:
    hold = small.put("hold-backup")
    async with session:
        await session.ask("run-item", "backup")
        await session.until("backup", "running")
        assert "backup is running" in await asked(session, "stop", "data-timescale")
        assert await asked(session, "restart", "workspace-api") == ""  # the backup reads the old world only
        await ended(small, "workspace-api: restart done")
        assert await asked(session, "restart", "data-timescale", force=True) == ""
        await ended(small, "restart done: running, healthy (for Ana (forced, while backup runs))")
        hold.unlink()
        await session.until("backup", "done")
    assert standin.told == ["restart workspace-api", "restart data-timescale"]


async def test_the_old_service_is_not_started_behind_the_fence(
    session: Session, small: Small, standin: Standin
) -> None:
    async with session:
        await put_up_the_fence(session)
        assert "wsdash rollback" in await asked(session, "start", "apps-workspace")
        assert "wsdash rollback" in await asked(session, "restart", "apps-workspace")
        assert await asked(session, "restart", "data-timescale") == ""
        await ended(small, "restart done")
    assert standin.told == ["restart data-timescale"]


async def test_one_at_a_time(session: Session, small: Small, standin: Standin) -> None:
    async with restarting(session, standin, "workspace-api"):
        assert "wait for it" in await asked(session, "restart", "data-timescale")
        standin.hold.set()
        await ended(small, "restart done")
    assert standin.told == ["restart workspace-api"]


async def test_an_engine_that_ends_meanwhile_says_that_it_did_not_see_the_end(
    session: Session, small: Small, standin: Standin
) -> None:
    async with restarting(session, standin, "workspace-api"):
        await ended(small, "restart asked for")
    assert notices(small)[-1] == (
        "warning",
        "container workspace-api: restart failed: the engine ended before it did; look at the container",
    )


async def test_an_item_waits_until_a_container_action_has_ended(
    session: Session, small: Small, standin: Standin
) -> None:
    async with restarting(session, standin, "workspace-api"):
        await session.ask("run-item", "backup")
        await ended(small, "the run waits for: restart workspace-api")
        assert states(small).get("backup") is None
        standin.hold.set()
        await session.until("backup", "done")
    told = [text for _, text in notices(small)]
    assert "container workspace-api: restart done: running, healthy (for Ana)" in told


async def test_a_rollback_waits_too_and_leaves_the_action_alone(
    session: Session, small: Small, standin: Standin
) -> None:
    async with session:
        await put_up_the_fence(session)
        standin.hold.clear()
        assert await asked(session, "restart", "data-timescale") == ""
        await session.ask("rollback", phrase="ROLLBACK")
        await ended(small, "the run waits for")
        assert states(small)["stop-old"] == "done"
        standin.hold.set()
        await session.until("stop-old", "undone")
    assert standin.told == ["restart data-timescale"]


async def test_what_waits_for_an_action_can_be_interrupted(
    session: Session, small: Small, standin: Standin
) -> None:
    async with restarting(session, standin, "data-timescale"):
        await session.ask("run-item", "backup")
        await ended(small, "the run waits for")
    assert session.code == 0
    assert "act backup" not in small.ledger()
