"""reladiff over the items, in a process of its own that has it imported: only the comparing is timed."""

from __future__ import annotations

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

KEY = ("id",)
"""It takes no timestamp as part of a key; the generated ids are unique."""


def load() -> bool:
    """Import it; False where it is not installed."""
    try:
        import reladiff  # noqa: F401
    except ImportError:
        return False
    logging.disable(logging.WARNING)  # it warns of every column that it compares as it is
    return True


def difference(uris: tuple[str, str], table: tuple[str, str], columns: tuple[str, ...], threads: int) -> int:
    """How many rows it finds on one side only (a changed row is two)."""
    import reladiff

    sides = [
        reladiff.connect_to_table(uri, table, KEY, extra_columns=columns, thread_count=threads)
        for uri in uris
    ]
    try:
        found = reladiff.diff_tables(*sides, threaded=True, max_threadpool_size=threads)
        return sum(1 for _ in found)
    finally:
        for side in sides:
            side.database.close()


def process() -> ProcessPoolExecutor:
    """The process; call load() in it first."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
