"""Sizes as people read them."""

from __future__ import annotations


def readable_bytes(size: int) -> str:
    """A size for people: 512 bytes, 3.4 MB, 1.2 GB (powers of 1000)."""
    if size < 1000:
        return f"{size} bytes"
    value = size / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
