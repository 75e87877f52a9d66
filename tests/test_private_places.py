"""Files and sockets of wsdash's own: for their owner only, complete at once, and never in a trap."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from wsdash.cli.running.demo_engine import under_way
from wsdash.engine.background.spool import LogSpool
from wsdash.engine.journal.reader import JournalReader, NotBegunError
from wsdash.engine.journal.store import FILE
from wsdash.engine.journal.writer import Journal
from wsdash.engine.observe import clock_at_rest
from wsdash.errors import InputError
from wsdash.model import LogLine, Notice, RunStarted
from wsdash.model.facts import Fact
from wsdash.runtime import default_state, socket_path

STARTED = RunStarted("r", "offline", "h", 1, False, "w")


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "TMPDIR"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr("tempfile.gettempdir", lambda: os.environ["TMPDIR"])
    monkeypatch.setattr("wsdash.runtime.LONGEST_DIRECTORY", 500)
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_journal_history_spool_and_their_side_files_are_their_owners(tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = os.umask(0o000)
    try:
        journal, spool = Journal.open(state), LogSpool(state)
        await journal.record(STARTED)
        spool.write(LogLine("api", 1.0, "stdout", "a line"))
        await spool.close()
        files = [path for path in state.rglob("*") if path.is_file()]
        assert {mode(path) for path in files} == {0o600}
        assert {mode(path) for path in (state, *state.rglob("*")) if path.is_dir()} == {0o700}
        assert len(files) >= 3
    finally:
        os.umask(before)
    await journal.close()


@pytest.mark.parametrize("half", ["empty", "header only", "killed in the middle"])
async def test_a_journal_that_a_kill_left_half_made_holds_nobody_up(tmp_path: Path, half: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / FILE).touch()
    if half != "empty":
        db = sqlite3.connect(state / FILE)
        db.execute("pragma journal_mode = wal")
        db.close()
    if half == "killed in the middle":
        (state / f".{FILE}.4711").write_bytes(b"half a file")
    with pytest.raises(NotBegunError):
        JournalReader(state)
    assert under_way(state) is None
    clock_at_rest(state)
    journal = Journal.open(state)
    await journal.record(STARTED)
    await journal.close()
    assert [one.event for one in JournalReader(state).history()] == [STARTED]


async def test_rows_that_this_version_cannot_read_are_left_out_and_counted(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for number in range(4):
        await journal.record(Notice("info", f"kept {number}"))
    await journal.put(Fact("fact", int), 1)
    await journal.put(Fact("other", int), 2)
    await journal.close()
    db = sqlite3.connect(tmp_path / FILE)
    later = b'{"kind": "from-the-future", "text": "x"}'
    for seq, raw in ((1, later), (2, b"\x00\xff spoiled"), (3, b'{"kind":"notice","level":1}')):
        db.execute("update history set event = ? where seq = ?", (raw, seq))
    db.execute("update history set event = 7 where seq = 3")
    db.execute("update facts set value = x'ff' where name = 'fact'")
    db.execute("insert into history values (9, 1e999, ?)", (b"[" * 9_000,))
    db.commit()
    db.close()
    reader = JournalReader(tmp_path)
    for events in (reader.history(), reader.events(0)):
        told = [one.event.text for one in events if isinstance(one.event, Notice)]
        assert told[0] == "kept 3"
        assert "4 events of the journal cannot be read" in told[1]
        assert "from-the-future" in told[1]
        assert events[-1].seq == 9, "a reader goes on after them"
    assert reader.events(9) == []
    assert reader.facts() == {"other": 2}
    assert Journal.open(tmp_path).get(Fact("other", int)) == 2


async def test_what_another_writer_left_uncleaned_is_cleaned_when_it_is_read(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    await journal.record(Notice("info", "x"))
    await journal.close()
    db = sqlite3.connect(tmp_path / FILE)
    raw = '{"kind":"Notice","level":"info","text":"a\\u001b]52;c;eA==\\u0007b\u202ec\u200b\x9b"}'
    kind = db.execute("select event from history").fetchone()[0].decode()
    db.execute("update history set event = ?", (kind.replace('"x"', raw.split('"text":')[1][:-1]).encode(),))
    db.commit()
    db.close()
    (event,) = [one.event for one in JournalReader(tmp_path).history()]
    assert isinstance(event, Notice)
    assert event.text == "a\\x1b]52;c;eA==\\x07b\\u202ec\\u200b\\x9b"


def test_sockets_live_in_the_runtime_directory_first(places: Path) -> None:
    path = socket_path(places / "state", "control")
    assert path.parent == places / "XDG_RUNTIME_DIR" / "wsdash"
    assert mode(path.parent) == 0o700


@pytest.mark.parametrize("trap", ["open to others", "a file", "a link"])
def test_a_directory_that_is_not_ours_alone_is_passed_over(
    places: Path, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    blocked = places / "TMPDIR" / f"wsdash-{os.getuid()}"
    if trap == "open to others":
        blocked.mkdir(mode=0o777)
        blocked.chmod(0o777)
    elif trap == "a file":
        blocked.touch()
    else:
        (places / "elsewhere").mkdir()
        blocked.symlink_to(places / "elsewhere")
    assert socket_path(places / "state", "x").parent == default_state() / "sockets"


def test_every_process_of_a_state_takes_the_directory_of_the_first(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places / "state").mkdir()
    first = socket_path(places / "state", "control")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert socket_path(places / "state", "control") == first


def test_no_place_at_all_is_said_with_a_remedy(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsdash.runtime._is_ours_alone", lambda _: False)
    with pytest.raises(InputError, match="ours alone") as told:
        socket_path(places / "state", "control")
    assert "XDG_RUNTIME_DIR" in told.value.remedy
