"""A bug that reached the top: one sentence for the person, the traceback in a private file."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from pathlib import Path

from wsdash.outside import clean

FILE = "failures.log"
LARGEST = 1 << 20
"""Bytes; the file is begun anew beyond them."""
_LONGEST_TRACEBACK = 64 << 10


def note_failure(state: Path | None, error: BaseException, what: str = "the screen") -> str:
    """Write the traceback into state/FILE, mode 0600, and return the sentence for the person.

    The traceback holds no local values, which may hold anything. Without a state directory that exists and
    may be written, the file is a new one of the temporary directory; where that fails too, the sentence says
    only what failed. what: the subject of the sentence. Raises nothing.
    """
    try:
        reason = f"{type(error).__name__}: {error}"
    except Exception:  # an exception whose text raises
        reason = type(error).__name__
    sentence = f"{what} failed ({clean(reason.partition(chr(10))[0], 300)}); this is a bug of wsdash"
    try:
        lines = "".join(traceback.format_exception(error))
    except Exception:
        lines = reason
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    text = f"{stamp} {what}\n{clean(lines[-_LONGEST_TRACEBACK:])}\n"
    for write in (_write_in_state, _write_in_temporary):
        try:
            return f"{sentence}, details in {clean(str(write(state, text)))}"
        except (OSError, ValueError):
            continue
    return sentence


def _write_in_state(state: Path | None, text: str) -> Path:
    if state is None or not state.is_dir():
        raise FileNotFoundError(state)
    path = state / FILE
    large = path.exists() and path.stat().st_size > LARGEST
    how = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if large else os.O_APPEND)
    return _fill(os.open(path, how, 0o600), path, text)


def _write_in_temporary(state: Path | None, text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="wsdash-failure-", suffix=".log")  # mode 0600
    return _fill(descriptor, Path(name), text)


def _fill(descriptor: int, path: Path, text: str) -> Path:
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path
