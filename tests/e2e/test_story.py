"""A newcomer who knows nothing but the line that leads: migrated, rolled back, and migrated again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.support.program import Program
from tests.support.terminal import Terminal

LONGEST = 540.0
KEYS = {"⏎": "\r", "space": " "}


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(params=["offline", "online"])
def terminal(program: Program, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    ports = ("--port-offset", str(program.offset))
    words = ("demo", "--mode", request.param, "--items", "300", *ports, "--api", "simple")
    made = Terminal(program.argv(*words), program.env(), 120, 36)
    yield made
    made.end()


def pressed_for(line: str, rolled_back: bool) -> str:
    """The keys that the line names; '' where it names none but says what is going on."""
    if "MIGRATED" in line:
        found = None if rolled_back else re.search(r"(R) rolls back", line)
    elif "ROLLED BACK" in line:
        found = re.search(r"(a) migrates again", line)
    else:
        found = re.search(r"(?:NEXT|ASKED|PAUSED|PROVEN|FAILED \S+) ((?:space |⏎ |[a-zA-Z] )+)", line)
    return "".join(KEYS.get(key, key) for key in found[1].split()) if found else ""


def answer_to(screen: str) -> str:
    """What the question that is open says is to be typed; '' where none is open."""
    if word := re.search(r"Type (\w+) to go on", screen):
        return f"{word[1]}\r"
    if "C confirms" in screen:
        return "C"
    return "\r" if "Note (optional)" in screen else ""


def test_the_line_that_leads_carries_a_newcomer_there_and_back_and_there_again(terminal: Terminal) -> None:
    heads: list[str] = []
    deadline = time.monotonic() + LONGEST
    rolled_back = False
    while not (rolled_back and heads[-1] == "MIGRATED"):
        assert time.monotonic() < deadline, f"{heads}\n{terminal.text()}"
        screen = terminal.text()
        line = screen.splitlines()[2]
        head = re.search(r"[A-Z]{3,}(?: [A-Z]{3,})?", line)
        if head and heads[-1:] != [head[0]]:
            heads.append(head[0])
        rolled_back = rolled_back or "ROLLED BACK" in heads
        keys = answer_to(screen) or pressed_for(line, rolled_back)
        if keys:
            before = terminal.received()
            terminal.press(keys)
            terminal.settle(before, quiet=0.4)
        time.sleep(0.1)
    assert heads.index("MIGRATED") < heads.index("ROLLED BACK") < len(heads) - 1
    assert "FAILED" not in " ".join(heads)
