"""A screen that failed: one sentence for the person, everything else in a file of the state directory."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from pathlib import Path

from wsdash.outside import clean

FILE = "screen-failures.log"
LARGEST = 1 << 20
"""The file is begun anew beyond so many bytes."""


def note_failure(state: Path | None, error: BaseException) -> str:
    """Write the traceback (without local values, which may hold anything) into state/FILE, mode 0600.

    Returns the sentence for the person; where nothing can be written, it says only what failed.
    """
    what = clean(f"{type(error).__name__}: {error}".split("\n", 1)[0], 300)
    told = f"the screen failed ({what}); this is a bug of wsdash"
    if state is None:
        return told
    path = state / FILE
    lines = [time.strftime("%Y-%m-%d %H:%M:%S"), *traceback.format_exception(error)]
    with contextlib.suppress(OSError):
        how = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        large = path.exists() and path.stat().st_size > LARGEST
        descriptor = os.open(path, how | (os.O_TRUNC if large else os.O_APPEND), 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(clean("\n".join(lines)) + "\n")
        return f"{told}, details in {path}"
    return told
