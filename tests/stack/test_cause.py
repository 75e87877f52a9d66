"""The cause of a failed start out of what a service wrote last."""

from __future__ import annotations

import pytest

from wsdash.stack.text import LONGEST, cause_of

PYTHON = [
    "Traceback (most recent call last):",
    '  File "api.py", line 10, in serve',
    "OSError: [Errno 98] while attempting to bind ('127.0.0.1', 3201): address already in use",
    "closing",
]
POSTGRES = [
    "LOG:  starting PostgreSQL 16.4",
    'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use',
    "HINT:  Is another postmaster already running on port 5432?",
    "FATAL:  could not create any TCP/IP sockets",
    "LOG:  database system is shut down",
]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (PYTHON, PYTHON[2]),
        (POSTGRES, POSTGRES[1]),
        (["booting", "TypeError: x is not a function", "bye"], "TypeError: x is not a function"),
        (["booting", "", "bye", "  "], "bye"),
        ([], ""),
    ],
)
def test_the_line_that_names_the_cause_is_told(lines: list[str], cause: str) -> None:
    assert cause_of(lines) == cause


def test_of_a_long_line_the_part_with_the_cause_is_told() -> None:
    told = cause_of(["x" * 5000 + " no space left on device " + "y" * 5000])
    assert "no space left" in told
    assert len(told) <= LONGEST + 1
