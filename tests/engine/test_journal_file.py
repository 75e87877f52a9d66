"""The journal's file: missing, broken, foreign, closed to us, cut off by a kill, or on a full disk."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from tests.engine.journals import reading
from wsdash.engine.journal.store import decode_all, encode
from wsdash.engine.journal.writer import Journal, JournalReader
from wsdash.errors import InputError
from wsdash.model import HostReading, Notice

NOBODY = 65534


def test_without_a_journal_the_reader_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wsdash demo"):
        JournalReader(tmp_path)


@pytest.mark.parametrize("content", [b"not a database, but a text of some length " * 50, b"\x00" * 4096])
def test_a_broken_file_is_refused_by_both_sides(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.db").write_bytes(content)
    with pytest.raises(InputError, match=r"journal\.db"):
        Journal.open(tmp_path)
    with pytest.raises(InputError, match=r"journal\.db"):
        JournalReader(tmp_path)


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("create table precious (x)")
    db.commit()
    db.close()
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(InputError, match="not a wsdash journal"):
        Journal.open(tmp_path)
    with pytest.raises(InputError, match="not a wsdash journal"):
        JournalReader(tmp_path)
    assert (tmp_path / "journal.db").read_bytes() == before


async def test_a_journal_damaged_in_the_middle_is_refused(tmp_path: Path) -> None:
    opened = Journal.open(tmp_path)
    for number in range(200):
        opened.emit(Notice("info", f"{number}" * 100))
    await opened.close()
    with (tmp_path / "journal.db").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 12288)
    with pytest.raises(InputError, match="damaged"):
        Journal.open(tmp_path)


WRITER = """
import asyncio, sys
from pathlib import Path
from wsdash.engine.journal.writer import Journal
from wsdash.model import LatencyReading, Notice

async def main():
    journal = Journal.open(Path(sys.argv[1]))
    number = 0
    while True:
        number += 1
        journal.emit(LatencyReading("api-old", float(number)))
        await journal.record(Notice("info", str(number)))
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_everything_recorded_is_there_after_kill_9(tmp_path: Path, seconds: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    first = int(writer.stdout.readline())
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    told = [first, *(int(line) for line in writer.stdout.read().split("\n") if line)]
    writer.wait()
    writer.stdout.close()
    with reading(tmp_path) as reader:
        events = reader.events(0, 1_000_000)
    numbers = [int(r.event.text) for r in events if isinstance(r.event, Notice)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) in (told[-1], told[-1] + 1)
    assert [r.seq for r in events] == list(range(1, len(events) + 1))


@contextmanager
def unprivileged() -> Iterator[None]:
    """As an ordinary user even when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory that everybody can reach: pytest's own directories are of one user only."""
    with tempfile.TemporaryDirectory(prefix="wsdash-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "state"


@contextmanager
def closed_directory(state: Path) -> Iterator[None]:
    """Nobody may write in `state` or to the files in it, everybody may read them."""
    modes = [(path, path.stat().st_mode) for path in (state, *state.iterdir())]
    for path, _ in modes:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with unprivileged():
            yield
    finally:
        for path, mode in modes:
            if path.exists():
                path.chmod(mode & 0o7777)


async def test_an_idle_journal_in_a_directory_closed_to_us_can_be_read(state: Path) -> None:
    opened = Journal.open(state)
    await opened.record(Notice("info", "kept"))
    await opened.close()
    with closed_directory(state), reading(state) as reader:
        assert [recorded.event for recorded in reader.events(0)] == [Notice("info", "kept")]


async def test_a_living_journal_in_a_directory_closed_to_us_can_be_followed(state: Path) -> None:
    opened = Journal.open(state)
    await opened.record(Notice("info", "one"))
    with closed_directory(state), reading(state) as reader:
        assert len(reader.events(0)) == 1
        await opened.record(Notice("info", "two"))
        assert reader.changed()
        assert [r.event for r in reader.events(1)] == [Notice("info", "two")]
    await opened.close()


def test_a_dead_writers_journal_in_a_directory_closed_to_us_can_be_read(state: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(state)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = int(writer.stdout.readline())
    writer.kill()
    writer.wait()
    writer.stdout.close()
    with closed_directory(state), reading(state) as reader:
        assert len(reader.history()) >= told


async def test_a_log_without_its_index_is_read_from_a_copy_and_again_when_it_grew(state: Path) -> None:
    """As after a reboot, on a read-only mount: SQLite itself cannot open such a file there."""
    live = state.with_name("live")
    opened = Journal.open(live)

    def carry_over() -> None:
        for name in ("journal.db", "journal.db-wal"):
            shutil.copyfile(live / name, state / name)

    os.mkdir(state)
    await opened.record(Notice("info", "one"))
    carry_over()
    with closed_directory(state), reading(state) as reader:
        assert [r.event for r in reader.events(0)] == [Notice("info", "one")]
        assert reader.changed()
        assert not reader.changed()
        await opened.record(Notice("info", "two"))
        if os.getuid() == 0:
            os.seteuid(0)
        for name in ("journal.db", "journal.db-wal"):
            (state / name).chmod(0o644)
        carry_over()
        if os.getuid() == 0:
            os.seteuid(NOBODY)
        assert reader.changed()
        assert [r.event for r in reader.events(1)] == [Notice("info", "two")]
        assert not reader.changed()
    await opened.close()


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from wsdash.engine.journal.writer import Journal, JournalError
from wsdash.model import HostReading, Notice

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal.open(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    number, refused = 0, None
    while refused is None:
        number += 1
        try:
            await journal.record(Notice("info", f"{number} " + "x" * 1000))
        except JournalError as error:
            refused = error
    assert "cannot be written" in refused.what and "free" in refused.remedy, refused
    assert journal.trouble
    journal.emit(Notice("info", "history of the bad time"))
    journal.emit(HostReading(1, 1, 1, 1, 1))
    await asyncio.sleep(0.2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await journal.record(Notice("info", "after"))
    assert not journal.trouble
    await journal.close()
    print(number)

asyncio.run(main())
"""


def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with reading(tmp_path) as reader:
        events = [recorded.event for recorded in reader.events(0, 10_000)]
    texts = [event.text for event in events if isinstance(event, Notice)]
    refused = int(done.stdout)
    assert [text.split()[0] for text in texts[: refused - 1]] == [str(n) for n in range(1, refused)]
    assert "history of the bad time" in texts
    assert "after" in texts
    assert any("could not be written" in text for text in texts)
    assert not any(isinstance(event, HostReading) for event in events)


def test_what_this_version_cannot_read_is_one_warning_in_the_place_and_time_of_the_last() -> None:
    whole = [(1, 10.0, encode(Notice("info", "a"))), (4, 40.0, encode(Notice("info", "b")))]
    rows = [whole[0], (2, 20.0, b'{"type": "of-tomorrow"}'), (3, 30.0, b"no JSON"), whole[1]]
    found = decode_all(rows)
    assert [(one.seq, one.at) for one in found] == [(1, 10.0), (3, 30.0), (4, 40.0)]
    warning = found[1].event
    assert isinstance(warning, Notice)
    assert warning.text.startswith(
        "2 events of the journal cannot be read and are left out (the first is number 2:"
    )


@pytest.mark.parametrize("at", [float("inf"), float("nan"), "noon", None])
def test_a_time_that_is_none_does_not_hide_the_warning(at: object) -> None:
    rows = cast("list[tuple[int, float, bytes]]", [(1, at, b"no JSON")])
    assert [(one.seq, one.at) for one in decode_all(rows)] == [(1, 0.0)]
