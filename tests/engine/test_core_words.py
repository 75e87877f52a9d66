"""The core knows a clock and a source of events, and no word of whose they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import wsdash

ROOT = Path(wsdash.__file__).parent
WORDS = re.compile(
    r"fortnight|simulat|\bstand-?in\b|relived|lived day|days lived|demo's days|virtual day", re.IGNORECASE
)


@pytest.mark.parametrize("room", ["engine", "watch", "stack"])
def test_the_core_has_no_word_about_simulated_days(room: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if WORDS.search(line)
    ]
    assert found == []


def test_the_search_finds_such_a_word() -> None:
    assert WORDS.search((ROOT / "demo" / "days" / "source.py").read_text(encoding="utf-8"))
