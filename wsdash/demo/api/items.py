"""Items of the workspace API: listing, reading, making, changing, removing."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
from aiohttp import web
from asyncpg.pool import PoolConnectionProxy

from wsdash.data.pg.quoting import column_list, ident
from wsdash.data.pg.transactions import transaction
from wsdash.demo.api.requests import (
    POOL,
    SHAPE,
    WHOLE_LIST,
    ApiError,
    as_json,
    body_of,
    checked,
    item_id,
    one,
    text_field,
)
from wsdash.demo.service import reply
from wsdash.demo.world.generate import PRIORITIES, STATUSES

EDITABLE = ("title", "description", "category", "priority", "status", "tags", "metadata")
FIELDS = ("id", *EDITABLE, "created_at", "updated_at", "created_by", "updated_by")
Session = asyncpg.Connection | PoolConnectionProxy
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


def add_item_routes(application: web.Application) -> None:
    """GET and POST /api/items; GET, PUT and DELETE /api/items/ID."""
    application.router.add_get("/api/items", list_items)
    application.router.add_post("/api/items", create_item)
    application.router.add_get("/api/items/{id}", read_item)
    application.router.add_put("/api/items/{id}", update_item)
    application.router.add_delete("/api/items/{id}", delete_item)


async def list_items(request: web.Request) -> web.Response:
    """count: all that match category, status, priority; data: one page (limit, offset), newest first."""
    query = request.query
    wanted = {name: query[name] for name in ("category", "status", "priority") if query.get(name)}
    limit = _whole(query.get("limit"), "limit", DEFAULT_LIMIT, MAX_LIMIT)
    if request.app[WHOLE_LIST]:
        limit = 2**31
    offset = _whole(query.get("offset"), "offset", 0, 2**31)
    where = " and ".join(f"{ident(name)} = ${place}" for place, name in enumerate(wanted, start=1)) or "true"
    table = "workspace.workspace_items"
    async with request.app[POOL].acquire(timeout=5) as conn, transaction(conn, "READ ONLY"):
        count = await conn.fetchval(f"select count(*) from {table} where {where}", *wanted.values())
        rows = await conn.fetch(
            f"select {column_list(FIELDS)} from {table} where {where} "
            f"order by created_at desc, id limit {limit} offset {offset}",
            *wanted.values(),
        )
    return reply({"success": True, "count": count, "data": [as_json(row) for row in rows]})


async def read_item(request: web.Request) -> web.Response:
    """The item, or 404."""
    query = f"select {column_list(FIELDS)} from workspace.workspace_items where id = $1"
    return one(await request.app[POOL].fetchrow(query, item_id(request)), "item")


async def create_item(request: web.Request) -> web.Response:
    """201 and the new item, its status `new`. Fields that it does not know are ignored."""
    body = await body_of(request)
    _refuse_as_real(request, body, ("title", "description", "category", "priority"))
    known = {name: value for name, value in body.items() if name in EDITABLE}
    values = checked(known, EDITABLE, _field) | {"status": "new"}
    for name in ("title", "category"):
        if name not in values:
            raise ApiError(400, f"{name} is required")
    async with request.app[POOL].acquire(timeout=5) as conn:
        await _known_category(conn, values)
        places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
        row = await conn.fetchrow(
            f"insert into workspace.workspace_items ({column_list(tuple(values))}) values ({places}) "
            f"returning {column_list(FIELDS)}",
            *values.values(),
        )
    return one(row, "item", 201)


async def update_item(request: web.Request) -> web.Response:
    """The item with the given fields changed, or 404."""
    found, body = item_id(request), await body_of(request)
    _refuse_as_real(request, body, ())
    values = checked(body, EDITABLE, _field)
    if not values:
        raise ApiError(400, "nothing to change: give at least one field")
    async with request.app[POOL].acquire(timeout=5) as conn:
        await _known_category(conn, values)
        changes = ", ".join(f"{ident(name)} = ${place}" for place, name in enumerate(values, start=2))
        row = await conn.fetchrow(
            f"update workspace.workspace_items set {changes} where id = $1 returning {column_list(FIELDS)}",
            found,
            *values.values(),
        )
    return one(row, "item")


async def delete_item(request: web.Request) -> web.Response:
    """The removed item, or 404."""
    query = f"delete from workspace.workspace_items where id = $1 returning {column_list(FIELDS)}"
    return one(await request.app[POOL].fetchrow(query, item_id(request)), "item")


def _refuse_as_real(request: web.Request, body: dict[str, Any], required: tuple[str, ...]) -> None:
    if request.app[SHAPE] == "simple":
        return
    if "metadata" in body:
        raise ApiError(500, "Cannot read properties of undefined (reading '_zod')")
    for name in required:
        if not isinstance(body.get(name), str) or not body[name].strip():
            raise ApiError(400, f"Validation failed: {name} is required")


def _field(name: str, value: Any) -> Any:
    if name == "priority" and value not in PRIORITIES:
        raise ApiError(400, "priority must be one of " + ", ".join(PRIORITIES))
    if name == "status" and value not in STATUSES:
        raise ApiError(400, "status must be one of " + ", ".join(STATUSES))
    if name == "tags":
        if not isinstance(value, list) or not all(isinstance(tag, str) and "\0" not in tag for tag in value):
            raise ApiError(400, "tags must be a list of texts")
        return value
    if name == "metadata":
        text = json.dumps(value, ensure_ascii=False)
        if not isinstance(value, dict) or "\\u0000" in text:
            raise ApiError(400, "metadata must be an object without null characters")
        return text
    limits = {"title": 255, "category": 50, "description": 100_000}
    nullable = name in ("description", "created_by", "updated_by")
    return text_field(name, value, limits.get(name, 100), nullable=nullable)


async def _known_category(conn: Session, values: dict[str, Any]) -> None:
    query = "select true from workspace.workspace_categories where name = $1"
    if "category" in values and not await conn.fetchval(query, values["category"]):
        raise ApiError(400, f"there is no category {values['category']!r}")


def _whole(text: str | None, name: str, default: int, most: int) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise ApiError(400, f"{name} must be a whole number from 0 to {most}")
    return int(text)
