"""What everything in the journal has in common."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base of everything the journal holds."""
