"""The source's background jobs: asked about, paused from the first long reading to the comparison, put back.

Each test runs twice: on a real TimescaleDB, where there is one, and on an imitation of its jobs, which knows
of scheduled and paused ones only (checked against 2.23.0 by the other run).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from tests.data.backup_world import run_sql, value
from tests.data.timescaledb.small import copy_of, make_template, reader
from tests.engine.session import Session, history, states, view
from tests.engine.small_world import MakeFiles, Small
from tests.support.servers import PASSWORD_ENV, Server
from wsdash.config import load_settings
from wsdash.data.pg.connect import Endpoint
from wsdash.data.timescaledb.jobs import BackgroundJob
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.writer import Journal
from wsdash.engine.process import serve
from wsdash.engine.source_jobs import paused_at_rest
from wsdash.errors import UnreachableError
from wsdash.model import PAUSE_JOBS, JobsAnswered, JobsAsked, Notice, Recorded
from wsdash.model.facts import PAUSED
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.database import backup

ITEMS = ("backup", "stop-old", "migrate-data", "verify-data", "test-api")
PLAN = """
items:
  - {id: backup, phase: pre, kind: auto, title: "Save"}
  - {id: stop-old, phase: migration, kind: auto, title: "Stop", needs: [backup]}
  - {id: migrate-data, phase: migration, kind: auto, title: "Copy", needs: [stop-old]}
  - {id: verify-data, phase: migration, kind: auto, title: "Compare", needs: [migrate-data]}
  - {id: test-api, phase: migration, kind: auto, title: "Test", needs: [verify-data]}
"""
SCHEDULED = "SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled"
BOTH = 2
"""The jobs of the source: compression and retention."""


class Source(Protocol):
    """The source's jobs."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the configuration says of the source."""
        ...

    async def scheduled(self) -> int:
        """How many may start."""
        ...

    async def pause(self) -> None:
        """Pause them, as somebody else."""
        ...


@dataclass
class Real:
    """A TimescaleDB."""

    endpoint: Endpoint

    @property
    def settings(self) -> dict[str, Any]:
        return {name: getattr(self.endpoint, name) for name in ("host", "port", "database", "user")} | {
            "password_env": PASSWORD_ENV,
            "schema": "s",
        }

    async def scheduled(self) -> int:
        count: int = await value(self.endpoint, SCHEDULED)
        return count

    async def pause(self) -> None:
        await run_sql(
            self.endpoint,
            "SELECT public.alter_job(j, scheduled => false) FROM unnest('{1000,1001}'::int[]) j",
        )


@dataclass
class Imitated:
    """Two jobs that are nowhere but here."""

    on: dict[int, bool] = field(default_factory=lambda: {1000: True, 1001: True})
    settings: dict[str, Any] = field(default_factory=lambda: {"port": 1})

    def _jobs(self, ids: Sequence[int]) -> list[BackgroundJob]:
        return [
            BackgroundJob(one, "retention", "s.t", "1 day", None, self.on[one], False, "postgres", True)
            for one in ids
        ]

    async def scheduled(self) -> int:
        return sum(self.on.values())

    async def pause(self) -> None:
        self.on = dict.fromkeys(self.on, False)

    async def read(self, source: Endpoint, schema: str) -> list[BackgroundJob]:
        if source.user == reader(source).user:
            raise UnreachableError("it does not answer")
        return self._jobs([one for one, on in self.on.items() if on])

    def setting(self, scheduled: bool) -> Callable[..., Awaitable[list[BackgroundJob]]]:
        async def alter(source: Endpoint, schema: str, ids: Sequence[int]) -> list[BackgroundJob]:
            for one in ids:
                self.on[one] = scheduled
            return self._jobs(ids)

        return alter


@pytest.fixture(scope="module")
def real_template(timescale_server: Server) -> Iterator[str]:
    """The database that each real source is a copy of."""
    name = asyncio.run(make_template(timescale_server))
    yield name
    asyncio.run(timescale_server.drop_database(name))


@pytest.fixture(params=["imitated", pytest.param("real", marks=pytest.mark.timescaledb)])
def template(request: pytest.FixtureRequest) -> str:
    """That database's name; '' for the imitation."""
    return "" if request.param == "imitated" else str(request.getfixturevalue("real_template"))


@pytest.fixture
async def source(
    template: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Source]:
    """A source with two active jobs."""
    if not template:
        made = Imitated()
        monkeypatch.setattr(backup, "scheduled_jobs", made.read)
        monkeypatch.setattr(backup, "pause_jobs", made.setting(False))
        monkeypatch.setattr(backup, "resume_jobs", made.setting(True))
        yield made
        return
    server: Server = request.getfixturevalue("timescale_server")
    endpoint = await copy_of(server, template)
    yield Real(endpoint)
    await server.drop_database(endpoint.database)


class Reading(MakeFiles):
    """A step that notes how many of the source's jobs may start while it acts."""

    def __init__(self, item: str, work: Path, source: Source, seen: list[tuple[str, int]]) -> None:
        super().__init__(item, work)
        self._source = source
        self._seen = seen

    async def act(self, ctx: StepContext) -> None:
        self._seen.append((self.id, await self._source.scheduled()))
        await super().act(ctx)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        for part in self.parts():
            part.unlink(missing_ok=True)
        return None


@dataclass
class Night:
    """A run on that source. seen: how many jobs could start while each item acted."""

    small: Small
    source: Source
    seen: list[tuple[str, int]]

    def options(self, **more: Any) -> dict[str, Any]:
        steps = {name: Reading(name, self.small.work, self.source, self.seen) for name in ITEMS}
        return {"steps": steps} | more

    def configure(self, **changes: Any) -> None:
        """Change the source's settings."""
        path = self.small.config / "wsdash.yaml"
        settings = yaml.safe_load(path.read_text())
        settings["source"] |= self.source.settings | changes
        path.write_text(yaml.safe_dump(settings))

    async def run(self, **more: Any) -> int:
        """An engine in the foreground."""
        return await serve(self.small.options(**self.options(**({"auto": True} | more))))

    @property
    def session(self) -> Session:
        """An operator's screen."""
        made = Session(self.small)
        made.changes = self.options()
        return made

    @property
    def notices(self) -> str:
        return "\n".join(event.text for event in history(self.small) if isinstance(event, Notice))

    @property
    def paused(self) -> Any:
        found = JournalReader(self.small.state)
        try:
            return found.facts().get(PAUSED)
        finally:
            found.close()

    async def asked(self, session: Session) -> JobsAsked:
        """The question, once it is put and the engine waits for its answer."""
        async with asyncio.timeout(90):
            while (question := view(self.small).jobs_asked) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await session.idle()
        return question


@pytest.fixture
def night(small: Small, source: Source) -> Night:
    """A run in which nobody has answered yet."""
    (small.config / "plan.yaml").write_text(PLAN)
    made = Night(small, source, [])
    made.configure()
    return made


def test_the_shipped_configuration_asks() -> None:
    assert load_settings().source.pause_jobs == "ask"


async def test_before_the_first_long_reading_a_person_is_asked_and_nothing_is_done(night: Night) -> None:
    async with night.session as session:
        await session.ask("run-auto")
        question = await night.asked(session)
        await session.idle()
        assert question.item == "backup"
        assert [job.partition(",")[0] for job in question.jobs if "job 100" in job]
        assert len(question.jobs) == BOTH
        assert states(night.small) == {}
        assert await night.source.scheduled() == BOTH


async def test_agreed_to_they_are_paused_from_the_backup_to_the_comparison(night: Night) -> None:
    async with night.session as session:
        await session.ask("run-auto")
        await night.asked(session)
        await session.ask(PAUSE_JOBS, who="ana", options={"pause": True})
        await session.until("test-api", "done")
        assert night.seen == [(name, BOTH if name == "test-api" else 0) for name in ITEMS]
        assert await night.source.scheduled() == BOTH
    assert JobsAnswered(True, "ana") in history(night.small)
    assert (
        night.notices.count("paused, and read again") == night.notices.count("put back, and read again") == 1
    )
    assert night.paused is None


async def test_declined_they_run_and_are_told_of(night: Night) -> None:
    async with night.session as session:
        await session.ask("run-auto")
        await night.asked(session)
        await session.ask(PAUSE_JOBS, who="ana", options={"pause": False})
        await session.until("test-api", "done")
    assert night.seen == [(name, BOTH) for name in ITEMS]
    assert "may start during the run: job 1000" in night.notices


async def test_an_item_run_by_hand_asks_too_and_goes_on_with_the_answer(night: Night) -> None:
    async with night.session as session:
        await session.ask("run-item", "backup")
        await night.asked(session)
        await session.ask(PAUSE_JOBS, who="ana", options={"pause": True})
        await session.until("backup", "done")
        await session.idle()
        assert await night.source.scheduled() == 0, "the migration is still to come"
    assert await night.source.scheduled() == BOTH, "the engine ended"


async def test_a_question_that_nobody_answers_does_not_keep_from_rolling_back(night: Night) -> None:
    async with night.session as session:
        await session.ask("run-auto")
        await night.asked(session)
        await session.ask("rollback", phrase="ROLLBACK")
        await session.idle()
    assert str(view(night.small).finished) == "rolled_back"


async def test_headless_without_an_answer_they_are_only_told_of(night: Night) -> None:
    assert await night.run() == 0
    assert night.seen == [(name, BOTH) for name in ITEMS]
    assert "source.pause_jobs: yes, or --yes, pauses them meanwhile" in night.notices


@pytest.mark.parametrize("how", ["--yes", "the configuration", "typed beforehand"])
async def test_headless_they_are_paused_by(night: Night, how: str) -> None:
    more: dict[str, Any] = {}
    if how == "--yes":
        more = {"yes": True}
    elif how == "typed beforehand":
        more = {"pause_jobs": True}
    else:
        night.configure(pause_jobs=True)
    assert await night.run(**more) == 0
    assert night.seen == [(name, BOTH if name == "test-api" else 0) for name in ITEMS]
    assert await night.source.scheduled() == BOTH


async def test_no_in_the_configuration_is_stronger_than_yes_to_everything(night: Night) -> None:
    night.configure(pause_jobs=False)
    assert await night.run(yes=True) == 0
    assert night.seen == [(name, BOTH) for name in ITEMS]


async def test_after_a_failure_they_are_put_back_and_a_retry_pauses_them_again(night: Night) -> None:
    refusal = night.small.put("refuse-migrate-data", "the disk is full")
    night.configure(pause_jobs=True)
    async with night.session as session:
        await session.ask("run-auto")
        await session.until("migrate-data", "failed")
        await session.idle()
        assert await night.source.scheduled() == BOTH
        refusal.unlink()
        night.seen.clear()
        await session.ask("run-auto")
        await session.until("test-api", "done")
    assert night.seen == [("migrate-data", 0), ("verify-data", 0), ("test-api", BOTH)]


async def test_after_a_rollback_they_are_put_back_and_the_next_migration_asks_again(night: Night) -> None:
    async with night.session as session:
        await session.ask("run-item", "backup")
        await night.asked(session)
        await session.ask(PAUSE_JOBS, who="ana", options={"pause": True})
        await session.until("backup", "done")
        await session.ask("rollback", phrase="ROLLBACK")
        await session.until("backup", "undone")
        await session.idle()
        assert await night.source.scheduled() == BOTH
        await session.ask("run-auto")
        assert (await night.asked(session)).item == "backup"


async def test_what_a_killed_engine_left_paused_the_next_one_puts_back_first(night: Night) -> None:
    night.configure(pause_jobs=False)
    assert await night.run(until="backup") == 0
    # as an engine leaves it that was killed: noted, and then paused
    journal = Journal.open(night.small.state)
    await journal.put(PAUSED, [1000, 1001])
    await journal.close()
    await night.source.pause()
    assert await night.run(until="stop-old") == 0
    assert night.seen[-1] == ("stop-old", BOTH)
    assert "put back, and read again: job 1000" in night.notices
    assert night.paused is None


async def test_a_comparison_at_rest_pauses_and_puts_back(night: Night) -> None:
    assert await night.run(until="backup", pause_jobs=False) == 0
    told: list[Recorded] = []
    async with paused_at_rest(night.small.state, night.small.config, True, told.append):
        assert await night.source.scheduled() == 0
        assert night.paused == [1000, 1001]
    assert await night.source.scheduled() == BOTH
    assert night.paused is None
    assert [event.event.text[:7] for event in told if isinstance(event.event, Notice)] == [
        "paused,",
        "put bac",
    ]


async def test_an_answer_wants_a_name_a_word_and_a_question(night: Night) -> None:
    async with night.session as session:
        refused = await session.send(PAUSE_JOBS, who="ana", options={"pause": True})
        assert (refused.ok, refused.text) == (False, "nothing is asked about background jobs now")
        await session.ask("run-auto")
        await night.asked(session)
        assert "name" in (await session.send(PAUSE_JOBS, options={"pause": True})).text
        assert "true or false" in (await session.send(PAUSE_JOBS, who="ana", options={"pause": "yes"})).text


async def test_jobs_that_may_not_be_altered_are_told_of_and_the_item_goes_on(night: Night) -> None:
    if isinstance(night.source, Imitated):
        pytest.skip("rights are the server's")
    night.configure(pause_jobs=True, user=reader(night.source.endpoint).user)  # type: ignore[attr-defined]
    assert await night.run() == 0
    assert "cannot be paused by ts_reader: job 1000" in night.notices
    assert await night.source.scheduled() == BOTH
