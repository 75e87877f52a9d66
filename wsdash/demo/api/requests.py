"""What the workspace API's items and categories share: requests read, fields checked, rows answered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection
from typing import Any

import asyncpg
from aiohttp import web

from wsdash.demo.service import reply

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
