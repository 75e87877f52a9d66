"""What a diagnosis says."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One diagnosis. well is None where the thing is rightly absent for now."""

    name: str
    well: bool | None
    seen: str
    remedy: str = ""
    more: str = ""
    """The command that shows more, where it is not well."""
