"""Which secrets this process knows, so that none of them leaves it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from wsdash.config import Settings, secret_variables
from wsdash.engine.journal.redact import Redactor
from wsdash.steps.base import endpoint


def redactor_for(settings: Settings, state: Path) -> Redactor:
    """A redactor of every password that these settings lead to. Reads files: not for the event loop."""
    return Redactor(_secrets(settings), [*_texts(msgspec.to_builtins(settings)), str(state)])


def _secrets(settings: Settings) -> Iterator[str]:
    for side in (settings.source, settings.target):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            yield endpoint(side).password() or ""
    for variable in secret_variables(settings):
        yield os.environ.get(variable, "")
    if settings.alerts.webhook_file:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            yield Path(settings.alerts.webhook_file).read_text(encoding="utf-8").strip()
    yield from _pgpass()


def _pgpass() -> Iterator[str]:
    path = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = re.split(r"(?<!\\):", line, maxsplit=4)
            if len(fields) == 5 and not line.startswith("#"):
                yield re.sub(r"\\(.)", r"\1", fields[4])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
