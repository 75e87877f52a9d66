"""The journal keeps order, keeps what it promised, and can be read whatever its writer does."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wsdash.engine import journal as journal_module
from wsdash.engine.journal import Heartbeat, Journal, JournalReader
from wsdash.engine.redact import Redactor
from wsdash.errors import InputError
from wsdash.model import (
    HostReading,
    ItemIntended,
    LatencyReading,
    Liveness,
    Notice,
    Progress,
    SourceState,
)

NOBODY = 65534


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = Journal.open(tmp_path)
    yield opened
    await opened.close()


@contextmanager
def reading(state: Path) -> Iterator[JournalReader]:
    reader = JournalReader(state)
    try:
        yield reader
    finally:
        reader.close()


async def settle(journal: Journal) -> None:
    """Everything emitted so far is on disk when this returns."""
    await journal.record(Notice("info", "settled"))


async def test_history_and_readings_share_one_growing_order(journal: Journal, tmp_path: Path) -> None:
    journal.emit(Notice("info", "a"))
    journal.emit(LatencyReading("api-old", 0.1))
    seq = await journal.record(ItemIntended("backup", "check", 1))
    with reading(tmp_path) as reader:
        found = reader.events(0)
    assert [type(recorded.event) for recorded in found] == [Notice, LatencyReading, ItemIntended]
    assert [recorded.seq for recorded in found] == [1, 2, 3]
    assert seq == 3


async def test_events_come_in_pages(journal: Journal, tmp_path: Path) -> None:
    for number in range(25):
        journal.emit(Notice("info", str(number)))
        journal.emit(LatencyReading("api-old", float(number)))
    await settle(journal)
    seen: list[int] = []
    with reading(tmp_path) as reader:
        while page := reader.events(seen[-1] if seen else 0, limit=7):
            assert len(page) <= 7
            seen += [recorded.seq for recorded in page]
    assert seen == list(range(1, 52))


async def test_a_reopened_journal_goes_on_counting(tmp_path: Path) -> None:
    first = Journal.open(tmp_path)
    before = await first.record(Notice("info", "one"))
    await first.close()
    second = Journal.open(tmp_path)
    after = await second.record(Notice("info", "two"))
    await second.close()
    assert after == before + 1


async def test_facts_survive_and_are_seen_by_readers(tmp_path: Path) -> None:
    first = Journal.open(tmp_path)
    await first.put("backup.manifest", "/somewhere/manifest.json")
    await first.put("counts", {"workspace_items": 3})
    assert first.get("counts") == {"workspace_items": 3}
    await first.close()
    second = Journal.open(tmp_path)
    assert second.get("backup.manifest") == "/somewhere/manifest.json"
    assert second.get("unknown") is None
    with reading(tmp_path) as reader:
        assert reader.facts() == {
            "backup.manifest": "/somewhere/manifest.json",
            "counts": {"workspace_items": 3},
        }
    await second.close()


async def test_only_the_newest_heartbeat_is_kept(journal: Journal, tmp_path: Path) -> None:
    for number in range(100):
        journal.beat(Heartbeat(1, "here", float(number), "backup", 0.01))
    await settle(journal)
    with reading(tmp_path) as reader:
        assert reader.heartbeat() == Heartbeat(1, "here", 99.0, "backup", 0.01)


async def test_changed_tells_of_every_commit_and_of_nothing_else(journal: Journal, tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        assert reader.changed()
        assert not reader.changed()
        await settle(journal)
        assert reader.changed()
        assert not reader.changed()


async def test_pruning_spares_history_and_the_newest_reading_of_each_key(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "KEEP_READINGS", 50)
    monkeypatch.setattr(journal_module, "PRUNE_EVERY", 100)
    journal.emit(Notice("info", "history"))
    journal.emit(SourceState("logs", Liveness.LIVE))
    for number in range(1200):
        journal.emit(LatencyReading("api-old", float(number)))
        if number % 100 == 0:
            await settle(journal)
    await settle(journal)
    with reading(tmp_path) as reader:
        events = [recorded.event for recorded in reader.events(0, limit=5000)]
    assert Notice("info", "history") in events
    assert SourceState("logs", Liveness.LIVE) in events
    samples = [event for event in events if isinstance(event, LatencyReading)]
    assert 50 <= len(samples) <= 1200 - 500
    assert samples[-1].seconds == 1199.0


async def test_aged_readings_are_pruned(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "PRUNE_EVERY", 5)
    monkeypatch.setattr(journal_module, "KEEP_SECONDS", -1.0)
    for number in range(20):
        journal.emit(LatencyReading("api-old", float(number)))
        await settle(journal)
    with reading(tmp_path) as reader:
        samples = [r for r in reader.events(0) if isinstance(r.event, LatencyReading)]
    assert 1 <= len(samples) <= 6


async def test_a_burst_of_progress_is_thinned_to_its_newest(journal: Journal, tmp_path: Path) -> None:
    for number in range(5000):
        journal.emit(Progress("migrate-data", "t", "copying", rows=number))
    await settle(journal)
    with reading(tmp_path) as reader:
        seen = [r.event.rows for r in reader.events(0, 9999) if isinstance(r.event, Progress)]
    assert seen == sorted(seen)
    assert seen[-1] == 4999
    assert len(seen) < 1000


async def test_a_reader_keeps_pace_and_never_blocks_the_writer(journal: Journal, tmp_path: Path) -> None:
    def follow() -> list[int]:
        seen: list[int] = []
        with reading(tmp_path) as reader:
            while len(seen) < 2000:
                seen += [recorded.seq for recorded in reader.events(seen[-1] if seen else 0, 100)]
        return seen

    reader = asyncio.create_task(asyncio.to_thread(follow))
    slowest = 0.0
    for number in range(2000):
        journal.emit(Notice("info", str(number)))
        if number % 100 == 99:
            started = time.monotonic()
            await settle(journal)
            slowest = max(slowest, time.monotonic() - started)
    async with asyncio.timeout(20):
        seen = await reader
    assert seen == list(range(1, len(seen) + 1))
    assert slowest < 3


async def test_an_open_read_transaction_does_not_stop_the_writer(journal: Journal, tmp_path: Path) -> None:
    await settle(journal)
    held = sqlite3.connect(f"file:{tmp_path / 'journal.db'}?mode=ro", uri=True, isolation_level=None)
    held.execute("begin")
    held.execute("select count(*) from history").fetchone()
    async with asyncio.timeout(5):
        for _ in range(20):
            await settle(journal)
    held.close()


async def test_a_reader_cannot_write(journal: Journal, tmp_path: Path) -> None:
    await settle(journal)
    with reading(tmp_path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("delete from history")


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


def content(state: Path) -> bytes:
    """Every byte of the journal's files."""
    return b"".join(path.read_bytes() for path in state.glob("journal.db*"))


async def test_secrets_never_reach_the_file(journal: Journal, tmp_path: Path) -> None:
    secret = 's3cr3t/with"quote'
    journal.redactor = Redactor([secret])
    heard: list[object] = []
    journal.listener = heard.append
    await journal.record(Notice("error", f"could not log in with {secret}"))
    await journal.put("fact", {"text": [f"password={secret}"]})
    journal.emit(SourceState("rows", Liveness.DOWN, detail="postgresql://me:hunter2@host/db"))
    await settle(journal)
    raw = content(tmp_path)
    for leak in (b"s3cr3t", b"with%22quote", b"hunter2"):
        assert leak not in raw
    assert "s3cr3t" not in repr(heard)
    assert b"could not log in with ***" in raw


WRITER = """
import asyncio, sys
from pathlib import Path
from wsdash.engine.journal import Journal
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


@contextmanager
def closed_directory(state: Path) -> Iterator[None]:
    """Nobody may write in `state` or to the files in it, everybody may read them."""
    parents = [
        parent for parent in state.parents if parent.stat().st_uid == os.getuid() and parent != Path("/")
    ]
    modes = [(path, path.stat().st_mode) for path in [state, *state.iterdir(), *parents]]
    for path, mode in modes:
        path.chmod(mode & 0o777 | 0o055 if path in parents else 0o555 if path.is_dir() else 0o444)
    try:
        with unprivileged():
            yield
    finally:
        for path, mode in modes:
            if path.exists():
                path.chmod(mode & 0o7777)


async def test_an_idle_journal_in_a_directory_closed_to_us_can_be_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    opened = Journal.open(state)
    await opened.record(Notice("info", "kept"))
    await opened.close()
    with closed_directory(state), reading(state) as reader:
        assert [recorded.event for recorded in reader.events(0)] == [Notice("info", "kept")]


async def test_a_living_journal_in_a_directory_closed_to_us_can_be_followed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    opened = Journal.open(state)
    await opened.record(Notice("info", "one"))
    with closed_directory(state), reading(state) as reader:
        assert len(reader.events(0)) == 1
        await opened.record(Notice("info", "two"))
        assert reader.changed()
        assert [r.event for r in reader.events(1)] == [Notice("info", "two")]
    await opened.close()


def test_a_dead_writers_journal_in_a_directory_closed_to_us_can_be_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(state)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = int(writer.stdout.readline())
    writer.kill()
    writer.wait()
    writer.stdout.close()
    with closed_directory(state), reading(state) as reader:
        assert len(reader.history()) >= told


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from wsdash.engine.journal import Journal, JournalError
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
