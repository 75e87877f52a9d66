"""Why something did not answer, in a few words for people."""

from __future__ import annotations

import os
import re

from wsdash.errors import WsdashError

_ERRNO = re.compile(r"\[Errno (-?\d+)\]")


def reason(error: BaseException) -> str:
    """One short line: 'connection refused', 'no answer in time', or the error's own words."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(reason(inner) for inner in error.exceptions))
    if isinstance(error, WsdashError):
        return error.what
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return _os_reason(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _os_reason(error: OSError) -> str:
    # a host with several addresses fails as one error that quotes the others
    quoted = [int(number) for number in _ERRNO.findall(str(error))]
    inner = getattr(error, "os_error", None)
    numbers = quoted or [number for number in (getattr(inner, "errno", None), error.errno) if number]
    if numbers and numbers[0] > 0:
        return os.strerror(numbers[0]).lower()
    return " ".join(str(error).split()) or type(error).__name__
