"""The journal keeps order, keeps what it promised, and can be read whatever its writer does."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.journals import reading
from tests.support.processes import until
from wsdash.engine.journal import writer as journal_module
from wsdash.engine.journal.redact import Redactor
from wsdash.engine.journal.writer import Heartbeat, Journal
from wsdash.model import ItemIntended, LatencyReading, Liveness, Notice, Progress, SourceState
from wsdash.model.facts import MANIFEST, Fact


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = Journal.open(tmp_path)
    yield opened
    await opened.close()


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
    counts: Fact[dict[str, int]] = Fact("counts", dict)
    first = Journal.open(tmp_path)
    await first.put(MANIFEST, "/somewhere/manifest.json")
    await first.put(counts, {"workspace_items": 3})
    assert first.get(counts) == {"workspace_items": 3}
    await first.close()
    second = Journal.open(tmp_path)
    assert second.get(MANIFEST) == "/somewhere/manifest.json"
    assert second.get(Fact("unknown", int)) is None
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


async def test_a_burst_of_readings_is_one_write_which_history_ends(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "GATHER_SECONDS", 3600.0)
    statements: list[str] = []
    journal._db.set_trace_callback(statements.append)
    for number in range(5):
        journal.emit(LatencyReading("api-old", float(number)))
        await asyncio.sleep(0.02)
    assert [one for one in statements if one.startswith("insert into readings")] == []
    journal.emit(Notice("info", "something happened"))
    await until(lambda: any(one.startswith("insert into history") for one in statements))
    await settle(journal)
    assert [one for one in statements if one == "commit"] == ["commit"] * 2


async def test_readings_are_written_without_anything_that_presses(journal: Journal, tmp_path: Path) -> None:
    journal.emit(LatencyReading("api-old", 0.1))
    with reading(tmp_path) as reader:
        await until(lambda: len(reader.events(0)) == 1)


async def test_a_reader_keeps_pace_with_the_writer(journal: Journal, tmp_path: Path) -> None:
    def follow() -> list[int]:
        seen: list[int] = []
        with reading(tmp_path) as reader:
            while len(seen) < 2000:
                seen += [recorded.seq for recorded in reader.events(seen[-1] if seen else 0, 100)]
        return seen

    reader = asyncio.create_task(asyncio.to_thread(follow))
    for number in range(2000):
        journal.emit(Notice("info", str(number)))
        if number % 100 == 99:
            await settle(journal)
    async with asyncio.timeout(90):
        seen = await reader
    assert seen == list(range(1, len(seen) + 1))


async def test_an_open_read_transaction_does_not_stop_the_writer(journal: Journal, tmp_path: Path) -> None:
    await settle(journal)
    held = sqlite3.connect(f"file:{tmp_path / 'journal.db'}?mode=ro", uri=True, isolation_level=None)
    held.execute("begin")
    held.execute("select count(*) from history").fetchone()
    async with asyncio.timeout(90):
        for _ in range(20):
            await settle(journal)
    held.close()


async def test_a_reader_cannot_write(journal: Journal, tmp_path: Path) -> None:
    await settle(journal)
    with reading(tmp_path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("delete from history")


def content(state: Path) -> bytes:
    """Every byte of the journal's files."""
    return b"".join(path.read_bytes() for path in state.glob("journal.db*"))


async def test_secrets_never_reach_the_file(journal: Journal, tmp_path: Path) -> None:
    secret = 's3cr3t/with"quote'
    journal.redactor = Redactor([secret])
    heard: list[object] = []
    journal.listener = heard.append
    await journal.record(Notice("error", f"could not log in with {secret}"))
    await journal.put(Fact("fact", dict), {"text": [f"password={secret}"]})
    journal.emit(SourceState("rows", Liveness.DOWN, detail="postgresql://me:hunter2@host/db"))
    await settle(journal)
    raw = content(tmp_path)
    for leak in (b"s3cr3t", b"with%22quote", b"hunter2"):
        assert leak not in raw
    assert "s3cr3t" not in repr(heard)
    assert b"could not log in with ***" in raw


async def test_after_a_full_disk_it_says_how_many_readings_are_lost_and_has_all_history(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Journal._commit
    full = asyncio.Event()
    full.set()

    def commit_unless_full(self: Journal, jobs: list[journal_module._Job]) -> list[int]:
        if full.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        return commit(self, jobs)

    monkeypatch.setattr(Journal, "_commit", commit_unless_full)
    journal.emit(LatencyReading("api-old", 0.1))
    journal.emit(LatencyReading("api-new", 0.2))
    journal.beat(Heartbeat(1, "host", 0.0, "", 0.0))
    journal.emit(Notice("info", "kept"))
    await until(lambda: journal.lost_readings > 0)
    full.clear()
    await settle(journal)
    told = [recorded.event for recorded in await journal.history() if isinstance(recorded.event, Notice)]
    assert [notice.text for notice in told if "lost" not in notice.text] == ["kept", "settled"]
    (lost,) = (notice.text for notice in told if "lost" in notice.text)
    assert "(database or disk is full); 2 readings lost" in lost
