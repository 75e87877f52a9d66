"""Items and categories of the workspace API: requests read, fields checked, rows answered.

Items refer to a category by its name, so names never change.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection
from typing import Any

import asyncpg
from aiohttp import web
from asyncpg.pool import PoolConnectionProxy

from wsdash.data.pg.sql import column_list, ident
from wsdash.data.pg.transactions import transaction
from wsdash.demo.limits import POOL_SECONDS
from wsdash.demo.service import reply
from wsdash.demo.world.schema import PRIORITIES, STATUSES

POOL = web.AppKey("pool", asyncpg.Pool)
SHAPE = web.AppKey("shape", str)
"""real or simple: how closely the service in the field is imitated."""
WHOLE_LIST = web.AppKey("whole_list", bool)
"""The list is all items in one answer, whatever limit says."""


class ApiError(Exception):
    """An answer other than success: its HTTP status and a message for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def body_of(request: web.Request) -> dict[str, Any]:
    """The request's JSON object. Raises ApiError 400."""
    try:
        content = json.loads(await request.text(), parse_constant=_no_constant)
        # an escaped half of a surrogate pair is legal JSON, but no text that a database holds
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, LookupError, RecursionError):
        raise ApiError(400, "the body is not JSON in UTF-8") from None
    if not isinstance(content, dict):
        raise ApiError(400, "the body is not a JSON object")
    return content


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def item_id(request: web.Request) -> uuid.UUID:
    """The id in the path. Raises ApiError 400."""
    try:
        return uuid.UUID(request.match_info["id"])
    except ValueError:
        raise ApiError(400, "id is not a UUID") from None


def as_json(row: asyncpg.Record) -> dict[str, Any]:
    """A row as the API shows it: ids as strings, times in ISO 8601, metadata as an object."""
    shown = dict(row)
    shown["id"] = str(shown["id"])
    for name in ("created_at", "updated_at"):
        shown[name] = shown[name].isoformat()
    if isinstance(shown.get("metadata"), str):
        shown["metadata"] = json.loads(shown["metadata"])
    return shown


def checked(body: dict[str, Any], known: Collection[str], field: Callable[[str, Any], Any]) -> dict[str, Any]:
    """The body's fields, each as `field` takes its name and value. Raises ApiError 400 for an unknown one."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise ApiError(400, "unknown or read-only: " + ", ".join(unknown))
    return {name: field(name, value) for name, value in body.items()}


def text_field(name: str, value: Any, longest: int, *, nullable: bool = False) -> str | None:
    """A text of 1 to `longest` characters (or null). Raises ApiError 400."""
    if value is None and nullable:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ApiError(400, f"{name} must be a text")
    if not value.strip() and not nullable:
        raise ApiError(400, f"{name} must not be empty")
    if len(value) > longest:
        raise ApiError(400, f"{name} is longer than {longest} characters")
    return value


def one(row: asyncpg.Record | None, what: str, status: int = 200) -> web.Response:
    """The answer with a row; ApiError 404 that there is no such `what` when there is none."""
    if row is None:
        raise ApiError(404, f"there is no such {what}")
    return reply({"success": True, "data": as_json(row)}, status)


ITEM_EDITABLE = ("title", "description", "category", "priority", "status", "tags", "metadata")
ITEM_COLUMNS = column_list(("id", *ITEM_EDITABLE, "created_at", "updated_at", "created_by", "updated_by"))
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
    async with request.app[POOL].acquire(timeout=POOL_SECONDS) as conn, transaction(conn, "READ ONLY"):
        count = await conn.fetchval(f"select count(*) from {table} where {where}", *wanted.values())
        rows = await conn.fetch(
            f"select {ITEM_COLUMNS} from {table} where {where} "
            f"order by created_at desc, id limit {limit} offset {offset}",
            *wanted.values(),
        )
    return reply({"success": True, "count": count, "data": [as_json(row) for row in rows]})


async def read_item(request: web.Request) -> web.Response:
    """The item, or 404."""
    query = f"select {ITEM_COLUMNS} from workspace.workspace_items where id = $1"
    return one(await request.app[POOL].fetchrow(query, item_id(request)), "item")


async def create_item(request: web.Request) -> web.Response:
    """201 and the new item, its status `new`. Fields that it does not know are ignored."""
    body = await body_of(request)
    _refuse_as_real(request, body, ("title", "description", "category", "priority"))
    known = {name: value for name, value in body.items() if name in ITEM_EDITABLE}
    values = checked(known, ITEM_EDITABLE, _item_field) | {"status": "new"}
    for name in ("title", "category"):
        if name not in values:
            raise ApiError(400, f"{name} is required")
    async with request.app[POOL].acquire(timeout=POOL_SECONDS) as conn:
        await _known_category(conn, values)
        places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
        row = await conn.fetchrow(
            f"insert into workspace.workspace_items ({column_list(tuple(values))}) values ({places}) "
            f"returning {ITEM_COLUMNS}",
            *values.values(),
        )
    return one(row, "item", 201)


async def update_item(request: web.Request) -> web.Response:
    """The item with the given fields changed, or 404."""
    found, body = item_id(request), await body_of(request)
    _refuse_as_real(request, body, ())
    values = checked(body, ITEM_EDITABLE, _item_field)
    if not values:
        raise ApiError(400, "nothing to change: give at least one field")
    async with request.app[POOL].acquire(timeout=POOL_SECONDS) as conn:
        await _known_category(conn, values)
        changes = ", ".join(f"{ident(name)} = ${place}" for place, name in enumerate(values, start=2))
        row = await conn.fetchrow(
            f"update workspace.workspace_items set {changes} where id = $1 returning {ITEM_COLUMNS}",
            found,
            *values.values(),
        )
    return one(row, "item")


async def delete_item(request: web.Request) -> web.Response:
    """The removed item, or 404."""
    query = f"delete from workspace.workspace_items where id = $1 returning {ITEM_COLUMNS}"
    return one(await request.app[POOL].fetchrow(query, item_id(request)), "item")


def _refuse_as_real(request: web.Request, body: dict[str, Any], required: tuple[str, ...]) -> None:
    if request.app[SHAPE] == "simple":
        return
    if "metadata" in body:
        raise ApiError(500, "Cannot read properties of undefined (reading '_zod')")
    for name in required:
        if not isinstance(body.get(name), str) or not body[name].strip():
            raise ApiError(400, f"Validation failed: {name} is required")


def _item_field(name: str, value: Any) -> Any:
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


CATEGORY_EDITABLE = ("name", "display_name", "description", "color", "icon", "display_order", "is_active")
CATEGORY_COLUMNS = column_list(("id", *CATEGORY_EDITABLE, "created_at", "updated_at"))


def add_category_routes(application: web.Application) -> None:
    """GET and POST /api/categories; PUT and DELETE /api/categories/ID."""
    application.router.add_get("/api/categories", list_categories)
    application.router.add_post("/api/categories", create_category)
    application.router.add_put("/api/categories/{id}", update_category)
    application.router.add_delete("/api/categories/{id}", delete_category)


async def list_categories(request: web.Request) -> web.Response:
    """All categories, in the order of the dropdown."""
    rows = await request.app[POOL].fetch(
        f"select {CATEGORY_COLUMNS} from workspace.workspace_categories order by display_order, name"
    )
    return reply({"success": True, "count": len(rows), "data": [as_json(row) for row in rows]})


async def create_category(request: web.Request) -> web.Response:
    """201 and the new category; 409 when the name is taken. name is required."""
    values = checked(await body_of(request), CATEGORY_EDITABLE, _category_field)
    if "name" not in values:
        raise ApiError(400, "name is required")
    values.setdefault("display_name", values["name"])
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    try:
        row = await request.app[POOL].fetchrow(
            f"insert into workspace.workspace_categories ({column_list(tuple(values))}) "
            f"values ({places}) returning {CATEGORY_COLUMNS}",
            *values.values(),
        )
    except asyncpg.UniqueViolationError:
        raise ApiError(409, f"there is a category {values['name']!r} already") from None
    return one(row, "category", 201)


async def update_category(request: web.Request) -> web.Response:
    """The category with the given fields changed, or 404."""
    found, values = item_id(request), checked(await body_of(request), CATEGORY_EDITABLE, _category_field)
    if not values:
        raise ApiError(400, "nothing to change: give at least one field")
    if "name" in values:
        raise ApiError(400, "name cannot be changed: items refer to it")
    changes = ", ".join(f"{ident(name)} = ${place}" for place, name in enumerate(values, start=2))
    query = f"update workspace.workspace_categories set {changes} where id = $1 returning {CATEGORY_COLUMNS}"
    return one(await request.app[POOL].fetchrow(query, found, *values.values()), "category")


async def delete_category(request: web.Request) -> web.Response:
    """The removed category; 404, or 409 while items refer to it."""
    found = item_id(request)
    async with request.app[POOL].acquire(timeout=POOL_SECONDS) as conn, transaction(conn):
        row = await conn.fetchrow(
            f"delete from workspace.workspace_categories where id = $1 returning {CATEGORY_COLUMNS}",
            found,
        )
        used = row is not None and await conn.fetchval(
            "select true from workspace.workspace_items where category = $1 limit 1", row["name"]
        )
        if used:
            raise ApiError(409, "items refer to this category")
    return one(row, "category")


def _category_field(name: str, value: Any) -> Any:
    if name == "display_order":
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
            raise ApiError(400, "display_order must be a whole number from 0 on")
        return value
    if name == "is_active":
        if not isinstance(value, bool):
            raise ApiError(400, "is_active must be true or false")
        return value
    if name == "color":
        color = text_field(name, value, 7)
        digits = str(color)[1:]
        if len(digits) != 6 or str(color)[0] != "#" or set(digits) - set("0123456789abcdef"):
            raise ApiError(400, "color must look like #1a2b3c")
        return color
    limits = {"name": 50, "icon": 50, "display_name": 100, "description": 100_000}
    return text_field(name, value, limits[name], nullable=name in ("description", "icon"))
