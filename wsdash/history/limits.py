"""The time limits and paces of the history, in seconds, each with its reason."""

from __future__ import annotations

FLUSH_SECONDS = 2.0
"""Between two transactions of samples: a crash loses no more than this."""
GRACE_SECONDS = 60.0
"""Samples of a finished hour may still come for so long; later ones have the hour packed again."""
