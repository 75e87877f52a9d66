"""Files that somebody else wrote: regular ones, of bounded size, in UTF-8 where they are text."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST_FILE = 1 << 20
"""Bytes of a file that is read whole, where nothing else is said: settings, secrets, notes."""


def read_file(path: Path, *, largest: int = LARGEST_FILE) -> bytes:
    """The whole content of a file. Blocks for I/O.

    Raises OSError, with the path, also for what is no regular file (a pipe may never end, a device never
    does) and for more than `largest` bytes.
    """
    # a pipe that nobody writes to would hold up the opening itself
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EPERM, "it is no regular file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(largest + 1)
    finally:
        os.close(descriptor)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest:,} bytes", str(path))
    return content


def read_text_file(path: Path, *, largest: int = LARGEST_FILE) -> str:
    """The whole text of a file, its line ends as "\\n". Blocks for I/O. Raises OSError, also for no UTF-8."""
    try:
        text = read_file(path, largest=largest).decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"it is not UTF-8 text (byte {error.start + 1:,} of it)"
        raise OSError(errno.EILSEQ, what, str(path)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
