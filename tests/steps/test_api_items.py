"""The API's tests against an API with the real one's rules and limit: they hold, and leave nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.steps.support import context
from wsdash.api.client import ApiClient
from wsdash.config import ApiSettings, load_settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.api.gate import RateLimit
from wsdash.demo.api.server import Database, create_app
from wsdash.demo.world import schema
from wsdash.demo.world.schema import load_items
from wsdash.errors import WsdashError
from wsdash.model import Notice
from wsdash.model.facts import API_TESTED, TEST_ROWS, RowsOfTests
from wsdash.steps.base import StepContext
from wsdash.steps.items import TestItems, clear_at_start, client, items_for_test
from wsdash.steps.trials.api import TestApi, create_item, read_back

ITEMS, AUDIT = "workspace.workspace_items", "workspace.workspace_audit_log"


def _side(place: Endpoint, side: str) -> Any:
    return msgspec.structs.replace(
        getattr(load_settings(), side),
        host=place.host,
        port=place.port,
        database=place.database,
        user=place.user,
        password_env=place.password_env,
    )


@pytest.fixture
async def filled(target: Endpoint) -> Endpoint:
    """PostgreSQL 18 with the workspace's schema, its audit trigger and forty items."""
    async with connection(target, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        await load_items(conn, 40, seed=3)
    return target


@pytest.fixture
async def served(filled: Endpoint) -> AsyncIterator[str]:
    """The API on it in its real shape: 60 requests in 2 s of one address."""
    database = Database(filled.host, filled.port, filled.database, filled.user, filled.password() or "")
    application = create_app("new", database, limit=RateLimit(60, 2.0), whole_list=True)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


def _context(state: Path, place: Endpoint, base: str, **api: Any) -> tuple[StepContext, list[Any]]:
    settings = {"source": _side(place, "source"), "target": _side(place, "target")}
    return context(state, api=ApiSettings(base, base, **api), **settings)


async def _count(place: Endpoint, table: str) -> int:
    async with connection(place, read_only=True) as conn:
        count: int = await conn.fetchval(f"select count(*) from {table}")
        return count


async def test_the_list_holds_on_the_real_apis_rules_and_limit(
    filled: Endpoint, served: str, tmp_path: Path
) -> None:
    ctx, events = _context(tmp_path, filled, served)
    audited = await _count(filled, AUDIT)
    step = TestApi()
    await step.act(ctx)
    evidence = await step.check(ctx)
    assert evidence.holds, evidence.text
    assert "kanban status moves" in evidence.text
    assert "at most 1620 of the 1800 requests a minute that it allows one address" in evidence.text
    assert await _count(filled, ITEMS) == 40
    assert await _count(filled, AUDIT) == audited
    assert ctx.facts.get(TEST_ROWS) is None
    assert not [event for event in events if isinstance(event, Notice) and event.level == "warning"]


async def test_an_item_whose_answer_was_lost_is_found_by_its_marker(
    filled: Endpoint, served: str, tmp_path: Path
) -> None:
    ctx, events = _context(tmp_path, filled, served)
    audited = await _count(filled, AUDIT)
    items = await TestItems.begin(ctx)
    async with client(ctx) as api:  # killed before the id was noted, and after a change
        for _ in range(2):
            body = {"title": items.marker, "description": "x", "category": "dashboard", "priority": "low"}
            made = (await api.call("POST", "/api/items", body))["data"]["id"]
            await api.call("PUT", api.item_path(made), {"status": "review"})
    assert not (await TestApi().check(ctx)).holds
    await clear_at_start(ctx)
    assert (await _count(filled, ITEMS), await _count(filled, AUDIT)) == (40, audited)
    assert ctx.facts.get(TEST_ROWS) is None
    (told,) = [event.text for event in events if isinstance(event, Notice)]
    assert "2 test items made, 2 removed through the API" in told


async def test_with_the_api_gone_the_database_is_cleaned_alone(filled: Endpoint, tmp_path: Path) -> None:
    ctx, events = _context(tmp_path, filled, "http://127.0.0.1:9")
    audited = await _count(filled, AUDIT)
    items = await TestItems.begin(ctx)
    async with connection(filled, read_only=False) as conn:
        await conn.execute(
            f"insert into {ITEMS} (title, category) values ($1, 'dashboard')", items.marker + " updated"
        )
    await clear_at_start(ctx)
    assert (await _count(filled, ITEMS), await _count(filled, AUDIT)) == (40, audited)
    assert "1 rows of workspace_items" in events[-1].text


async def test_a_target_that_is_away_is_a_warning_and_the_note_stays(
    tmp_path: Path, target: Endpoint
) -> None:
    ctx, events = _context(tmp_path, target, "http://127.0.0.1:9")
    noted = RowsOfTests(marker="wsdash-test-1", ids=["1"], begun=0.0)
    await ctx.facts.put(TEST_ROWS, noted)
    away = msgspec.structs.replace(ctx.settings.target, port=9)
    object.__setattr__(ctx, "settings", msgspec.structs.replace(ctx.settings, target=away))
    await clear_at_start(ctx)
    assert ctx.facts.get(TEST_ROWS) == noted
    assert "may still be in the target" in events[-1].text


async def test_interrupted_it_leaves_nothing(filled: Endpoint, served: str, tmp_path: Path) -> None:
    ctx, _ = _context(tmp_path, filled, served)
    made = asyncio.Event()

    async def interrupted() -> None:
        async with items_for_test(ctx) as (api, items):
            await create_item(api, items, ["dashboard"])
            made.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(interrupted())
    await made.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _count(filled, ITEMS) == 40
    assert ctx.facts.get(TEST_ROWS) is None


async def test_a_row_that_merely_has_a_noted_number_is_somebody_elses(
    target: Endpoint, tmp_path: Path
) -> None:
    """Numbers are given again: after a restore, a noted 1 may be a user's own item, with its own history."""
    ctx, _ = _context(tmp_path, target, "http://127.0.0.1:9", table="notes")
    async with connection(target, read_only=False) as conn:
        await conn.execute(
            "create schema workspace; create table workspace.notes (id serial primary key, title text);"
            "create table workspace.tags (note_id int references workspace.notes, tag text);"
            "create table workspace.history (note_id int, at timestamptz default now(), what text);"
            "insert into workspace.notes (title) values ('a user''s');"
            "insert into workspace.history values (1, '2020-01-01', 'made'), (2, now(), 'made');"
        )
        noted = RowsOfTests(marker="wsdash-test-5", ids=["1"], begun=1.7e9)
        await ctx.facts.put(TEST_ROWS, noted)
        await conn.execute("insert into workspace.notes (title) values ('wsdash-test-5')")
        await conn.execute("insert into workspace.tags values (1, 'user'), (2, 'test')")
        await clear_at_start(ctx)
        assert [row[0] for row in await conn.fetch("select id from workspace.notes")] == [1]
        assert [row[0] for row in await conn.fetch("select note_id from workspace.tags")] == [1]
        assert [row[0] for row in await conn.fetch("select note_id from workspace.history")] == [1]


class StandinNotes:
    """An API of another shape, like a Django REST service: bare objects, numbers as ids, PATCH, a token.

    lossy: what it stores of a text is cut off.
    """

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.lossy = False
        self.tokens: set[str | None] = set()

    async def answer(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization"))
        last = request.path.rstrip("/").split("/")[-1]
        if request.method == "POST":
            body = await request.json()
            if self.lossy:
                body["text"] = body["text"][:10]
            number = len(self.rows) + 1
            self.rows[number] = {"id": number, "author": "somebody", **{k: body[k] for k in ("text",)}}
            return web.json_response(self.rows[number], status=201)
        if last == "notes":
            return web.json_response(list(self.rows.values()))
        if int(last) not in self.rows:
            return web.Response(
                status=404, text="<!doctype html><h1>Not found</h1>", content_type="text/html"
            )
        if request.method == "PATCH":
            self.rows[int(last)] |= await request.json()
        if request.method == "DELETE":
            del self.rows[int(last)]
            return web.Response(status=204)
        return web.json_response(self.rows[int(last)])


async def _notes(standin: StandinNotes) -> TestServer:
    application = web.Application()
    application.router.add_route("*", "/{any:.*}", standin.answer)
    server = TestServer(application)
    await server.start_server()
    return server


SHAPE = {
    "path": "/v1/notes",
    "health_path": "",
    "categories_path": "",
    "table": "notes",
    "token_env": "NOTES_TOKEN",
    "update_method": "PATCH",
    "body": {"text": "{marker} ünïcödé", "author": "wsdash"},
    "update": {"text": "{marker} changed"},
    "compare": ("text",),
    "statuses": (),
}


async def test_an_api_of_another_shape_is_described_in_the_configuration(
    target: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_TOKEN", "s3cret")
    standin = StandinNotes()
    server = await _notes(standin)
    ctx, _ = _context(tmp_path, target, str(server.make_url("")).rstrip("/"), **SHAPE)
    step = TestApi()
    await step.act(ctx)
    evidence = await step.check(ctx)
    assert evidence.holds, evidence.text
    assert "create item, read it back, update item, delete item" in evidence.text
    assert standin.rows == {}
    assert standin.tokens == {"Bearer s3cret"}
    standin.lossy = True
    with pytest.raises(WsdashError, match="differs in text"):
        await step.act(ctx)
    result = ctx.facts.get(API_TESTED)
    assert result is not None
    assert not result["holds"]
    await server.close()


async def test_a_page_of_html_is_told_as_one(tmp_path: Path) -> None:
    server = await _notes(StandinNotes())
    base = str(server.make_url("")).rstrip("/")
    async with ApiClient(base) as api:
        with pytest.raises(WsdashError, match=r"answered 404: an HTML page"):
            await api.call("GET", "/v1/notes/5")
    await server.close()


async def test_fields_that_the_api_sets_itself_are_named_and_not_compared(
    filled: Endpoint, served: str, tmp_path: Path
) -> None:
    body = {"title": "{marker}", "description": "d", "category": "{category}", "priority": "low"}
    ctx, _ = _context(tmp_path, filled, served, body=body | {"created_by": "wsdash"})
    async with items_for_test(ctx) as (api, items):
        made = await create_item(api, items, ["dashboard"])
        assert made.ignored == ("created_by",)
        assert (await read_back(api, made)).holds
