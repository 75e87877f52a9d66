"""The guide's functional list, run against an API; every row it makes is removed again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import asyncpg

from wsdash.data.connect import Endpoint, connection
from wsdash.data.errors import DATABASE_ERRORS, describe, session_lives, words_of
from wsdash.data.sql import ident
from wsdash.errors import WsdashError
from wsdash.steps.api_client import ApiClient

MARKER = "wsdash-test"
"""created_by of every row that the tests make: how leftovers of a crash are found."""

STATUSES = ("new", "review", "in-progress", "completed", "rejected")
CATEGORIES = ("documentacao", "coleta-dados", "banco-dados", "analise-dados", "gestao-riscos", "dashboard")
GET_SAMPLES = 20
POST_SAMPLES = 20


@dataclass(frozen=True)
class Check:
    """One line of the list: what was tried, whether it held, what was seen."""

    name: str
    holds: bool
    seen: str


async def functional_checks(api: ApiClient, expected_items: int) -> list[Check]:
    """List, create, read back, update, delete, categories, and a status moved across every column."""
    checks = []
    listing = await api.call("GET", "/api/items")
    rows = listing.get("data")
    count = listing.get("count")
    fits = listing.get("success") is True and isinstance(rows, list) and count == expected_items
    checks.append(Check("list items", fits, f"count {count}, the source holds {expected_items}"))
    checks.append(await _categories(api))
    item_id, differing = await create_test_item(api)
    checks.append(Check("create item", True, f"id {item_id}"))
    seen = f"differs in {', '.join(differing)}" if differing else "equal"
    checks.append(Check("read it back", not differing, seen))
    await _kanban(api, item_id, checks)
    await api.call("PUT", f"/api/items/{item_id}", {"title": "wsdash test, updated"})
    back = await read_item(api, item_id)
    checks.append(
        Check("update item", back.get("title") == "wsdash test, updated", f"title {back.get('title')!r}")
    )
    await delete_test_item(api, item_id)
    await api.call("GET", f"/api/items/{item_id}", expect=(404,))
    checks.append(Check("delete item", True, "404 afterwards"))
    await api.call("POST", "/api/items", {"title": ""}, expect=(400,))
    checks.append(Check("refuse an invalid item", True, "400"))
    return checks


async def _categories(api: ApiClient) -> Check:
    names, missing = await missing_categories(api)
    seen = f"{len(names)} categories" + (f", missing {', '.join(missing)}" if missing else "")
    return Check("categories dropdown", not missing, seen)


async def missing_categories(api: ApiClient) -> tuple[list[str], list[str]]:
    """The names of the API's categories, and those of the guide's six that are not among them."""
    answer = await api.call("GET", "/api/categories")
    names = sorted({str(row.get("name", row.get("id"))) for row in answer.get("data", [])})
    return names, [name for name in CATEGORIES if name not in names]


def _new_item() -> dict[str, Any]:
    return {
        "title": "wsdash test",
        "description": "made and removed by wsdash: ünïcödé ✓ '\"\\",
        "category": "dashboard",
        "priority": "low",
        "tags": ["wsdash", "test"],
        "metadata": {"wsdash": True},
        "created_by": MARKER,
    }


async def create_test_item(api: ApiClient) -> tuple[str, list[str]]:
    """Make an item that carries our marker; its id, and the fields that differ when it is read back."""
    sent = _new_item()
    answer = await api.call("POST", "/api/items", sent, expect=(201, 200))
    item_id = answer.get("data", {}).get("id")
    if not isinstance(item_id, str):
        raise WsdashError("POST /api/items gave no string id", where=api.base, remedy="see the API's logs")
    back = await read_item(api, item_id)
    return item_id, [key for key, value in sent.items() if back.get(key) != value]


async def delete_test_item(api: ApiClient, item_id: str) -> None:
    """Remove an item through the API."""
    await api.call("DELETE", f"/api/items/{item_id}", expect=(200, 204))


async def _kanban(api: ApiClient, item_id: str, checks: list[Check]) -> None:
    seen = []
    for status in STATUSES:
        await api.call("PUT", f"/api/items/{item_id}", {"status": status})
        seen.append(str((await read_item(api, item_id)).get("status")))
    checks.append(Check("kanban status moves", seen == list(STATUSES), " → ".join(seen)))


async def read_item(api: ApiClient, item_id: str) -> dict[str, Any]:
    """An item as the API tells it; {} when it tells none."""
    data = (await api.call("GET", f"/api/items/{item_id}")).get("data")
    return data if isinstance(data, dict) else {}


def percentile(samples: list[float], share: float) -> float:
    """Nearest-rank percentile of a non-empty list; share 0..1."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


async def latencies(api: ApiClient) -> tuple[list[float], list[float]]:
    """Durations in seconds of GETs of the list and of POSTs of items (removed afterwards)."""
    return await timed_gets(api, GET_SAMPLES), await timed_posts(api, POST_SAMPLES)


async def timed_gets(api: ApiClient, count: int) -> list[float]:
    """Durations in seconds of `count` GETs of the list, one after the other."""
    await api.call("GET", "/api/items")  # the first request of a fresh service pays for its connections
    return [(await api.timed("GET", "/api/items"))[1] for _ in range(count)]


async def timed_posts(api: ApiClient, count: int) -> list[float]:
    """Durations in seconds of `count` POSTs of items, each removed again."""
    posts = []
    for _ in range(count):
        answer, seconds = await api.timed("POST", "/api/items", _new_item(), expect=(201, 200))
        posts.append(seconds)
        await delete_test_item(api, answer["data"]["id"])
    return posts


async def remove_test_rows(target: Endpoint, schema: str) -> int:
    """Remove from the target what our tests left (also after a crash): items by their marker and the audit
    rows that the target's own trigger wrote about them. Returns the number of rows removed.
    """
    async with connection(target, read_only=False) as session:
        try:
            async with session.transaction():
                await session.execute("set local session_replication_role = replica")
                return await _remove(session, schema)
        except DATABASE_ERRORS as error:
            if not session_lives(error):
                raise describe(error, target, "removing the test rows") from error
            raise WsdashError(
                f"the test rows could not be removed: {words_of(error)}",
                where=target.address,
                remedy=f"delete the items whose created_by is {MARKER!r}, and their audit rows, by hand",
            ) from error


async def _remove(session: asyncpg.Connection, schema: str) -> int:
    items, audit = ident(schema, "workspace_items"), ident(schema, "workspace_audit_log")
    removed = 0
    column = await session.fetchval(
        "select attname from pg_attribute where attrelid = to_regclass($1) and not attisdropped "
        "and attname in ('item_id', 'record_id', 'entity_id') limit 1",
        audit,
    )
    if column is not None:
        tag = await session.execute(
            f"delete from {audit} a where strpos(a::text, $1) > 0 or a.{ident(column)}::text in "
            f"(select id::text from {items} where created_by = $2) or a.{ident(column)}::text in "
            f"(select b.{ident(column)}::text from {audit} b where strpos(b::text, $1) > 0)",
            MARKER,
            MARKER,
        )
        removed += int(tag.split()[-1])
    tag = await session.execute(f"delete from {items} where created_by = $1", MARKER)
    return removed + int(tag.split()[-1])


async def leftover_rows(target: Endpoint, schema: str) -> int:
    """How many rows of our tests are in the target."""
    async with connection(target, read_only=True) as session:
        items = ident(schema, "workspace_items")
        left: int = await session.fetchval(f"select count(*) from {items} where created_by = $1", MARKER)
        return left
