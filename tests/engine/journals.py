"""The journal of a run as its readers see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsdash.engine.journal.writer import JournalReader


@contextmanager
def reading(state: Path) -> Iterator[JournalReader]:
    reader = JournalReader(state)
    try:
        yield reader
    finally:
        reader.close()
