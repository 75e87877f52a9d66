"""Categories of the workspace API. Items refer to a category by its name, so names never change."""

from __future__ import annotations

from typing import Any

import asyncpg
from aiohttp import web

from wsdash.data.pg.quoting import column_list, ident
from wsdash.data.pg.transactions import transaction
from wsdash.demo.api.requests import POOL, ApiError, as_json, body_of, checked, item_id, one, text_field
from wsdash.demo.service import reply

EDITABLE = ("name", "display_name", "description", "color", "icon", "display_order", "is_active")
FIELDS = ("id", *EDITABLE, "created_at", "updated_at")


def add_category_routes(application: web.Application) -> None:
    """GET and POST /api/categories; PUT and DELETE /api/categories/ID."""
    application.router.add_get("/api/categories", list_categories)
    application.router.add_post("/api/categories", create_category)
    application.router.add_put("/api/categories/{id}", update_category)
    application.router.add_delete("/api/categories/{id}", delete_category)


async def list_categories(request: web.Request) -> web.Response:
    """All categories, in the order of the dropdown."""
    rows = await request.app[POOL].fetch(
        f"select {column_list(FIELDS)} from workspace.workspace_categories order by display_order, name"
    )
    return reply({"success": True, "count": len(rows), "data": [as_json(row) for row in rows]})


async def create_category(request: web.Request) -> web.Response:
    """201 and the new category; 409 when the name is taken. name is required."""
    values = checked(await body_of(request), EDITABLE, _field)
    if "name" not in values:
        raise ApiError(400, "name is required")
    values.setdefault("display_name", values["name"])
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    try:
        row = await request.app[POOL].fetchrow(
            f"insert into workspace.workspace_categories ({column_list(tuple(values))}) "
            f"values ({places}) returning {column_list(FIELDS)}",
            *values.values(),
        )
    except asyncpg.UniqueViolationError:
        raise ApiError(409, f"there is a category {values['name']!r} already") from None
    return one(row, "category", 201)


async def update_category(request: web.Request) -> web.Response:
    """The category with the given fields changed, or 404."""
    found, values = item_id(request), checked(await body_of(request), EDITABLE, _field)
    if not values:
        raise ApiError(400, "nothing to change: give at least one field")
    if "name" in values:
        raise ApiError(400, "name cannot be changed: items refer to it")
    changes = ", ".join(f"{ident(name)} = ${place}" for place, name in enumerate(values, start=2))
    query = (
        f"update workspace.workspace_categories set {changes} where id = $1 returning {column_list(FIELDS)}"
    )
    return one(await request.app[POOL].fetchrow(query, found, *values.values()), "category")


async def delete_category(request: web.Request) -> web.Response:
    """The removed category; 404, or 409 while items refer to it."""
    found = item_id(request)
    async with request.app[POOL].acquire(timeout=5) as conn, transaction(conn):
        row = await conn.fetchrow(
            f"delete from workspace.workspace_categories where id = $1 returning {column_list(FIELDS)}", found
        )
        used = row is not None and await conn.fetchval(
            "select true from workspace.workspace_items where category = $1 limit 1", row["name"]
        )
        if used:
            raise ApiError(409, "items refer to this category")
    return one(row, "category")


def _field(name: str, value: Any) -> Any:
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
