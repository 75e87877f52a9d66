"""The log spool is bounded, ordered, repeats nothing, and can be followed across segments and crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdash.engine.background import spool as spool_module
from wsdash.engine.background.spool import LONGEST_TEXT, LogSpool, SpoolCursor, SpoolReader
from wsdash.engine.journal.redact import Redactor
from wsdash.model import LogLine


def line(number: int, text: str = "") -> LogLine:
    return LogLine("api", float(number), "stdout", text or f"line {number}")


async def written(state: Path, lines: list[LogLine]) -> None:
    spool = LogSpool(state)
    for one in lines:
        spool.write(one)
    await spool.close()
    assert spool.dropped == 0


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 2000)
    monkeypatch.setattr(spool_module, "SEGMENTS", 4)


def read_all(state: Path, cursor: SpoolCursor | None = None) -> tuple[list[LogLine], SpoolCursor]:
    reader = SpoolReader(state)
    found: list[LogLine] = []
    while True:
        lines, cursor = reader.read(cursor, limit=7)
        if not lines:
            return found, cursor
        found += lines


async def test_lines_come_back_in_order_and_in_pages(tmp_path: Path) -> None:
    lines = [line(number) for number in range(50)]
    await written(tmp_path, lines)
    assert read_all(tmp_path)[0] == lines


async def test_following_goes_on_where_it_was(tmp_path: Path) -> None:
    await written(tmp_path, [line(1), line(2)])
    _, cursor = read_all(tmp_path)
    await written(tmp_path, [line(3)])
    assert read_all(tmp_path, cursor)[0] == [line(3)]


async def test_the_tail_is_the_newest_and_its_cursor_is_behind_it(tmp_path: Path) -> None:
    await written(tmp_path, [line(number) for number in range(20)])
    await written(tmp_path, [line(number) for number in range(20, 25)])
    tail, cursor = SpoolReader(tmp_path).tail(7)
    assert tail == [line(number) for number in range(18, 25)]
    assert SpoolReader(tmp_path).read(cursor)[0] == []
    assert SpoolReader(tmp_path).tail(0)[0] == []


async def test_an_absent_spool_is_an_empty_one(tmp_path: Path) -> None:
    assert SpoolReader(tmp_path).read() == ([], SpoolCursor())
    assert SpoolReader(tmp_path).tail(5) == ([], SpoolCursor())


@pytest.mark.usefixtures("small_segments")
async def test_the_disk_it_takes_is_bounded_and_the_newest_is_kept(tmp_path: Path) -> None:
    for batch in range(40):
        await written(tmp_path, [line(batch * 100 + number, "x" * 100) for number in range(20)])
    sizes = [path.stat().st_size for path in (tmp_path / "logs").iterdir()]
    assert len(sizes) <= 4
    assert sum(sizes) < 4 * 6000
    assert SpoolReader(tmp_path).tail(1)[0] == [line(3919, "x" * 100)]


@pytest.mark.usefixtures("small_segments")
async def test_a_reader_that_was_away_is_told_what_it_missed(tmp_path: Path) -> None:
    await written(tmp_path, [line(1)])
    _, cursor = read_all(tmp_path)
    for batch in range(1, 30):
        await written(tmp_path, [line(batch * 100 + number, "x" * 100) for number in range(20)])
    lines, after = read_all(tmp_path, cursor)
    assert lines[-1] == line(2919, "x" * 100)
    assert after.skipped > 0


async def test_half_a_line_left_by_a_crash_is_passed_over(tmp_path: Path) -> None:
    await written(tmp_path, [line(1)])
    segment = next((tmp_path / "logs").iterdir())
    with segment.open("ab") as file:
        file.write(b'{"container": "api", "at": 2.0, "str')
    await written(tmp_path, [line(3)])
    assert read_all(tmp_path)[0] == [line(1), line(3)]


async def test_following_the_containers_again_repeats_nothing(tmp_path: Path) -> None:
    await written(tmp_path, [line(1), line(2), line(2, "another at the same time")])
    await written(tmp_path, [line(2), line(2, "another at the same time"), line(2, "new"), line(3)])
    assert [one.text for one in read_all(tmp_path)[0]] == [
        "line 1",
        "line 2",
        "another at the same time",
        "new",
        "line 3",
    ]


async def test_the_same_line_twice_in_one_life_is_kept_twice(tmp_path: Path) -> None:
    await written(tmp_path, [line(1), line(1)])
    assert read_all(tmp_path)[0] == [line(1), line(1)]


async def test_secrets_and_endless_lines_do_not_get_in(tmp_path: Path) -> None:
    spool = LogSpool(tmp_path, Redactor(["hunter2"]))
    spool.write(line(1, "password is hunter2"))
    spool.write(line(2, "y" * 1_000_000))
    await spool.close()
    secret, endless = read_all(tmp_path)[0]
    assert secret.text == "password is ***"
    assert len(endless.text) <= LONGEST_TEXT + 1


async def test_lines_beyond_what_memory_may_hold_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "LONGEST_QUEUE", 0)
    spool = LogSpool(tmp_path)
    spool.write(line(1))
    await spool.close()
    assert spool.dropped == 1


async def test_a_disk_that_refuses_is_counted_and_survived(tmp_path: Path) -> None:
    spool = LogSpool(tmp_path)
    (tmp_path / "logs").rmdir()
    spool.write(line(1))
    await spool.close()
    assert spool.dropped == 1


async def test_the_newest_line_is_known_across_lives(tmp_path: Path) -> None:
    await written(tmp_path, [line(5), line(3)])
    again = LogSpool(tmp_path)
    assert again.newest == 5.0
    again.write(line(7))
    assert again.newest == 7.0
    await again.close()
