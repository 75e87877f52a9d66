"""The traffic keeps its mix, tries again where it is refused, and its ledger tells what a database lacks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.data.copying import catalog_of, run_sql
from tests.support.processes import until
from tests.support.servers import free_port
from wsdash.data.online.capture.install import install
from wsdash.data.online.capture.tracked import FENCE, track
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.api import server as api
from wsdash.demo.api.gate import RateLimit
from wsdash.demo.traffic.crowd import Traffic
from wsdash.demo.traffic.judge import compare
from wsdash.demo.traffic.ledger import Gap, Ledger, Row, Tally, read_ledgers, read_tally
from wsdash.demo.world import schema


def _api(source: Endpoint, limit: RateLimit | None = None) -> TestServer:
    password = source.password()
    assert password is not None
    database = api.Database(source.host, source.port, source.database, source.user, password)
    return TestServer(api.create_app("old", database, limit=limit))


@pytest.fixture
async def empty(source: Endpoint) -> Endpoint:
    """The source's schema without items."""
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
    return source


@asynccontextmanager
async def working(traffic: Traffic) -> AsyncIterator[None]:
    """The traffic at work for the length of a block."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(traffic.run_until(stop))
        try:
            yield
        finally:
            stop.set()
    assert running.result() is True


async def test_a_fifth_of_it_writes_and_everything_is_there_as_the_ledger_says(
    empty: Endpoint, tmp_path: Path
) -> None:
    async with _api(empty) as server:
        traffic = Traffic([str(server.make_url(""))], 12, seed=3, patience=60, directory=tmp_path)
        async with working(traffic):
            await until(lambda: traffic.tally.acknowledged > 60, 90)
            assert read_tally(tmp_path) is not None
    counts, tally = traffic.counts, traffic.tally
    writes = sum(counts[kind] for kind in ("create", "update", "move", "delete"))
    assert writes == tally.acknowledged
    assert 3 <= counts["read"] / writes <= 5
    assert (tally.refused, tally.unknown, tally.reads_stale, tally.faults) == (0, 0, 0, [])
    (ledger,) = read_ledgers(tmp_path)
    judged = await compare(ledger, empty)
    assert judged.clean, judged.findings
    async with connection(empty, read_only=True) as conn:
        assert await conn.fetchval("select count(*) from workspace.workspace_audit_log") == writes


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.1.0.1 is no address of this machine")
async def test_users_with_addresses_of_their_own_stay_below_each_ones_limit(empty: Endpoint) -> None:
    limit = RateLimit(80, 60.0)
    async with _api(empty, limit) as server:
        traffic = Traffic([str(server.make_url(""))], 12, seed=3, patience=60, own_addresses=True)
        async with working(traffic):
            await until(lambda: traffic.counts["read"] > 2 * limit.most, 60)
    assert traffic.counts["refused"] == 0


async def test_it_ends_when_no_address_answers() -> None:
    traffic = Traffic([f"http://127.0.0.1:{free_port()}"], 20, seed=3, patience=0.5)
    assert await asyncio.wait_for(traffic.run_until(asyncio.Event()), 90) is False
    assert traffic.counts["refused"] > 0


async def test_a_fence_costs_no_write_and_leaves_none_unknown(empty: Endpoint) -> None:
    tables = (await catalog_of(empty, "workspace")).tables
    await install(empty, track(tables), "run-1", closed=False)
    async with _api(empty) as server:
        traffic = Traffic([str(server.make_url(""))], 40, seed=4, patience=60)
        tally = traffic.tally
        async with working(traffic), connection(empty, read_only=False) as conn:
            await until(lambda: tally.acknowledged > 20, 60)
            await conn.execute(f"select pg_advisory_lock({FENCE})")
            await until(lambda: tally.refused > 32, 60)
            during = tally.reads_answered
            await until(lambda: tally.reads_answered > during, 60)
            await conn.execute(f"select pg_advisory_unlock({FENCE})")
            before = tally.acknowledged
            await until(lambda: tally.acknowledged > before + 20, 60)
    assert (tally.unknown, tally.reads_refused, tally.faults) == (0, 0, [])
    assert tally.gap() > 0
    assert (await compare(traffic.book.ledger, empty)).clean


async def test_where_one_address_refuses_the_other_one_is_asked(empty: Endpoint) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    async with _api(empty) as server:
        traffic = Traffic([away, str(server.make_url(""))], 40, seed=4, patience=60)
        async with working(traffic):
            await until(lambda: traffic.tally.acknowledged > 20, 60)
    assert traffic.tally.reads_refused > 0
    assert traffic.tally.unknown == 0


async def test_an_answer_that_was_lost_is_unknown_and_not_asked_for_again() -> None:
    """Neither by a client nor by aiohttp, which repeats a PUT or DELETE where it is let."""
    lost, made = [], []

    async def make(request: web.Request) -> web.StreamResponse:
        made.append(await request.json())
        return web.json_response({"data": {"id": str(len(made))}}, status=201)

    async def lose(request: web.Request) -> web.StreamResponse:
        lost.append((request.method, request.path))
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    application = web.Application()
    application.router.add_post("/api/items", make)
    application.router.add_put("/api/items/{id}", lose)
    application.router.add_delete("/api/items/{id}", lose)
    async with TestServer(application) as server:
        traffic = Traffic([str(server.make_url(""))], 40, seed=4, patience=60)
        async with working(traffic):
            await until(lambda: {method for method, _ in lost} == {"PUT", "DELETE"}, 60)
    assert len(set(lost)) == len(lost) == traffic.tally.unknown
    assert all(len(row.states) == 1 + row.unknown for row in traffic.rows.values())


NEW, LATER = ("d", "low", "new"), ("e", "low", "review")


async def _judge(empty: Endpoint, row: Row, *sql: str, title: str = "t") -> tuple[int, int, int]:
    await run_sql(
        empty,
        "insert into workspace.workspace_items (id, title, description, category, priority, status, tags) "
        "values ('00000000-0000-0000-0000-000000000001', 't', 'd', 'dashboard', 'low', 'new', '{r}')",
        *sql,
    )
    row.id = "00000000-0000-0000-0000-000000000001"
    judged = await compare(Ledger(Tally("r", 0.1, 0.0), {title: row}), empty)
    return judged.lost, judged.duplicated, judged.wrong


CHANGE = "update workspace.workspace_items set description = 'e', status = 'review'"
AGAIN = (
    "insert into workspace.workspace_items (title, description, category, priority, status, tags) "
    "values ('t', 'd', 'dashboard', 'low', 'new', '{r}')"
)


@pytest.mark.parametrize(
    ("row", "sql", "expected"),
    [
        (Row(states=[NEW], writes=1), (), (0, 0, 0)),
        (Row(states=[None, NEW], unknown=1), (), (0, 0, 0)),
        (Row(states=[None, NEW], unknown=1), ("delete from workspace.workspace_items",), (0, 1, 0)),
        (Row(states=[NEW], writes=1), ("delete from workspace.workspace_items",), (1, 1, 0)),
        (Row(states=[LATER], past=[NEW], writes=2), (), (2, 0, 0)),
        (Row(states=[None], past=[NEW], writes=2), (), (2, 0, 0)),
        (Row(states=[LATER], past=[NEW], writes=2), (CHANGE,), (0, 0, 0)),
        (Row(states=[LATER], past=[NEW], writes=2), (CHANGE, CHANGE), (0, 1, 0)),
        (Row(states=[NEW], writes=2), (CHANGE,), (0, 0, 1)),
        (Row(states=[NEW], writes=1), (AGAIN,), (0, 1, 0)),
    ],
    ids=[
        "as acknowledged",
        "unknown, and made",
        "unknown, made and removed",
        "removed by nobody",
        "a change is lost",
        "a removal is lost",
        "changed as acknowledged",
        "changed twice",
        "changed by nobody",
        "made twice",
    ],
)
async def test_the_comparison_tells_what_is_lost_twice_and_wrong(
    empty: Endpoint, row: Row, sql: tuple[str, ...], expected: tuple[int, int, int]
) -> None:
    assert await _judge(empty, row, *sql) == expected


async def test_a_row_that_nobody_wrote_is_wrong(empty: Endpoint) -> None:
    row = Row(states=[NEW], writes=1)
    assert (await _judge(empty, row, title="another"))[2] == 1


def test_the_gap_is_the_longest_one_since_a_moment_less_the_interval() -> None:
    tally = Tally("r", 0.1, 0.0, gaps=[Gap(10.0, 5.0), Gap(20.0, 1.1)])
    assert tally.gap() == pytest.approx(4.9)
    assert tally.gap(since=15) == pytest.approx(1.0)
    assert tally.gap(since=30) == 0
