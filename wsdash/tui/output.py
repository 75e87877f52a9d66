"""Where the screen is written to: standard output, whatever becomes of standard error."""

from __future__ import annotations

import os
import sys
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

from wsdash.outside import PLAIN_SIGNS, plain_signs_wanted


class StandardOutput(LinuxDriver):
    """Textual's driver writes to standard error, which `2>file` takes from the terminal.

    Where the locale has no UTF-8, our signs are written by plain ones.
    """

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        output = sys.__stdout__
        if output is not None and output.isatty():
            encoding = "ascii" if plain_signs_wanted() else output.encoding
            self._file = os.fdopen(
                os.dup(output.fileno()), "w", encoding=encoding, errors=PLAIN_SIGNS, newline=""
            )
