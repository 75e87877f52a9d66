"""Times as the report tells them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: float) -> str:
    """An epoch time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def minute(stamp: str) -> str:
    """An ISO 8601 time in UTC as people read it, to the minute."""
    return stamp[:16].replace("T", " ")


def second(stamp: str) -> str:
    """The same to the second."""
    return stamp[:19].replace("T", " ")
