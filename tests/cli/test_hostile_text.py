"""Text that would act on a terminal, through what commands read: it is shown, and does nothing.

What is written here goes into the files as another program would leave it, past wsdash's own cleaning.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.terminal import Terminal
from tests.tui.support import differing, done, halfway
from wsdash.engine.journal.store import reading_key
from wsdash.engine.journal.writer import Journal
from wsdash.model import AnyEvent, LogLine, Notice
from wsdash.outside import HARMFUL, change_texts

ATTACKS = {
    "clipboard": "\x1b]52;c;aGk=\x07",
    "clear": "\x1b[2J\x1b[7;33;77m",
    "device": "\x1bP1$r0m\x1b\\",
    "C1": "\x9b2J\x9d52;c;aGk=\x9c\x85",
    "bidi": "\u202eevil\u2066",
    "zero-width": "\u200b\u2060\ufeff",
    "line ends": "\r\x08\x0b\u2028",
    "markup": "[red]MARK[/red][@click=app.leave]x[/]",
}
HOSTILE = "".join(ATTACKS.values())
ON_THE_WIRE = [
    b"\x1b]52;c;aGk=",
    b"\x1b[7;33;77m",
    b"\x1bP1$r",
    *(text.encode() for text in ("\x9b", "\x9d", "\x85", "\u202e", "\u2066", "\u200b", "\u2060", "\u2028")),
]
_OURS = {"item", "kind", "run", "mode", "phase", "severity", "level", "rule", "state", "what", "side"}
"""Fields by which events are told apart: another value there is another event."""


def hostile(event: AnyEvent) -> AnyEvent:
    """The event with an attack behind each of its texts."""
    return change_texts(event, lambda field, text: text if field in _OURS else text + HOSTILE)


def events() -> list[AnyEvent]:
    told = [*halfway(), *differing(), *done("notify-team", "told"), Notice("error", "the server said")]
    return [*told, *map(hostile, told)]


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A run whose journal and spool hold the attacks."""
    made = tmp_path / "state"
    journal = Journal.open(made)
    await journal.record(Notice("info", "begun"))
    at = journal.clock.time()
    await journal.close()
    db = sqlite3.connect(made / "journal.db")
    for seq, event in enumerate(events(), 10):
        raw, key = msgspec.json.encode(event), reading_key(event)
        if key:
            db.execute("insert into readings values (?, ?, ?, ?)", (seq, at, key, raw))
        else:
            db.execute("insert into history values (?, ?, ?)", (seq, at, raw))
    db.commit()
    db.close()
    os.mkdir(made / "logs")
    line = LogLine("workspace-api" + HOSTILE, at, "stdout", "ERROR said" + HOSTILE)
    plain = LogLine("workspace-api", at, "stdout", HOSTILE)
    rows = b"".join(msgspec.json.encode(one) + b"\n" for one in (line, plain))
    (made / "logs" / "00000001.jsonl").write_bytes(rows)
    return made


def environment(state: Path, label: str = ATTACKS["markup"]) -> dict[str, str]:
    """With an attack in a value of the configuration that is only shown: no other would be accepted."""
    home = {"XDG_STATE_HOME": str(state.parent / "home")}
    return (
        os.environ | home | {"WSDASH__SOURCE__LABEL": json.dumps("old" + label), "PYTHONIOENCODING": "utf-8"}
    )


COMMANDS = [
    ["status"],
    ["status", "--json"],
    ["report"],
    ["report", "--json"],
    ["alerts", "list"],
    ["alerts", "list", "--json"],
    ["alerts", "test"],
    ["finish"],
    ["doctor"],
    ["verify"],
    ["schema"],
    ["confirm", "notify-team", "--who", "Ana" + HOSTILE, "--note", HOSTILE],
    ["skip", "no-such" + HOSTILE, "--who", "Ana", "--why", HOSTILE],
    ["decide", "--day", "7", "--go", "--who", "Ana" + HOSTILE, "--why", HOSTILE],
    ["container", "start", "ghost" + HOSTILE],
    ["test", "--only", HOSTILE],
    ["rehearse"],
    ["migrate", "--until", HOSTILE],
    ["migrate", "--dry-run"],
    ["restore", "nowhere" + HOSTILE, "--yes"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[:20].encode("ascii", "ignore"))
def test_no_command_prints_a_character_that_acts(words: list[str], state: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "wsdash", *words, "--state", str(state)],
        capture_output=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
        env=environment(state),
        check=False,
    )
    text = ran.stdout.decode() + ran.stderr.decode()
    assert text
    assert "Traceback" not in text
    assert "bug of wsdash" not in text
    assert "WSDASH__SOURCE__LABEL" not in text
    if words[0] in ("status", "report", "schema", "verify"):
        assert "MARK" in text, "the attack was met"
    found = HARMFUL.search(text)
    assert found is None, text[max(0, found.start() - 200) : found.end() + 50]


def test_a_configuration_is_refused_without_repeating_it(state: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "wsdash", "status", "--state", str(state)],
        capture_output=True,
        timeout=60,
        env=environment(state, HOSTILE),
        check=False,
    )
    text = ran.stderr.decode()
    assert ran.returncode == 2
    assert "source.label" in text
    assert HARMFUL.search(text) is None


@pytest.mark.parametrize("suffix", [".md", ".html", ".json"])
def test_no_form_of_the_report_holds_one(suffix: str, state: Path, tmp_path: Path) -> None:
    file = tmp_path / f"report{suffix}"
    words = ["report", "--output", str(file), "--state", str(state)]
    argv = [sys.executable, "-m", "wsdash", *words]
    ran = subprocess.run(argv, timeout=60, env=environment(state), capture_output=True, check=False)
    assert ran.returncode in (0, 1), ran.stderr.decode()
    text = file.read_text()
    assert HARMFUL.search(text) is None
    assert "MARK" in text
    if suffix == ".md":
        assert not re.search(r"(?<!\\)\[@click", text), "Markdown's own brackets are written out"


def test_the_screen_sends_none_to_the_terminal(state: Path) -> None:
    words = [sys.executable, "-m", "wsdash", "monitor", "--state", str(state)]
    terminal = Terminal(words, environment(state), 160, 48)
    try:
        terminal.wait_for("MONITOR")
        terminal.wait_for("[red]MARK[/red]")
        for key in ("e", "escape", "d", "escape", "l", "?", "escape", "tab", "tab", "A", "escape", "t"):
            terminal.press("\x1b" if key == "escape" else "\t" if key == "tab" else key)
            shown = terminal.received()
            terminal.settle(shown)
        raw = terminal.received()
    finally:
        terminal.end()
    assert [attack for attack in ON_THE_WIRE if attack in raw] == []
    assert b"Traceback" not in raw
