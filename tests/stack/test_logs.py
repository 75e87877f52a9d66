"""Logs of services: every line once, in order, whatever a service writes and whatever restarts."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stack.world import FOREVER, World, quiet, service, world_of
from tests.support.processes import until
from wsdash.demo.supervisor.main import spawn
from wsdash.model import LogLine
from wsdash.stack.local.log_files import LogFile, LogReader, StoredLine, last_at, log_path
from wsdash.stack.local.stack import LocalStack
from wsdash.stack.text import LINE_LIMIT, LineSplitter, clean

COUNTS = """
import itertools, os, time
for n in itertools.count():
    os.write(1, b"%d %d\\n" % (os.getpid(), n))  # one write a line: a kill tears none
    time.sleep({pause})
"""


async def test_both_streams_are_kept_apart_and_timed(tmp_path: Path) -> None:
    code = "import sys, time\nprint('out')\nprint('err', file=sys.stderr)\ntime.sleep(60)"
    async with world_of(tmp_path, service("a", code)) as world:
        await world.stack.start(["a"], quiet)
        lines = await collect(world.stack, 0.0, 2)
        assert {(line.stream, line.text) for line in lines} == {("stdout", "out"), ("stderr", "err")}
        assert all(line.container == "a" for line in lines)
        assert lines[0].at < lines[1].at


async def test_nothing_is_lost_or_repeated_while_services_restart(tmp_path: Path) -> None:
    async with world_of(
        tmp_path, service("a", COUNTS.format(pause=0.002)), service("b", COUNTS.format(pause=0.003))
    ) as world:
        await world.stack.start(["a", "b"], quiet)
        following = asyncio.create_task(collect(world.stack, 0.0, 600))
        await asyncio.sleep(0.3)
        os.kill(await world.pid("a"), signal.SIGKILL)
        await world.act("b", "restart")
        check_counts(await asyncio.wait_for(following, 90), processes=4)


async def test_a_follower_goes_on_with_the_next_supervisor(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", COUNTS.format(pause=0.002))) as world:
        await world.stack.start(["a"], quiet)
        seen: list[LogLine] = []

        async def follow() -> None:
            async for line in world.stack.follow_logs(0.0):
                seen.append(line)

        following = asyncio.create_task(follow())
        await until(lambda: len(seen) > 50)
        await world.kill_supervisor()
        at_kill = len(seen)
        await spawn(tmp_path)
        await until(lambda: len(seen) > at_kill + 200)
        following.cancel()
        check_counts(seen, processes=2)


async def test_following_begins_after_since(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", COUNTS.format(pause=0.001))) as world:
        await world.stack.start(["a"], quiet)
        lines = await collect(world.stack, 0.0, 60)
        again = await collect(world.stack, lines[29].at, 30)
        assert again == lines[30:60]


async def test_huge_lines_and_noise_are_harmless(tmp_path: Path) -> None:
    code = (
        "import os, sys\nw = sys.stdout.buffer.write\n"
        "w(b'x' * 5_000_000 + b'\\n')\nw(bytes(range(256)) * 2000)\nw(b'\\nafter\\n')\nsys.stdout.flush()\n"
    )
    async with world_of(tmp_path, service("a", code + FOREVER)) as world:
        await world.stack.start(["a"], quiet)
        lines: list[LogLine] = []
        async for line in world.stack.follow_logs(0.0):
            lines.append(line)
            if line.text == "ready":
                break
        assert lines[0].text == "x" * LINE_LIMIT + f" … ({5_000_000 - LINE_LIMIT:,} more bytes)"
        assert lines[-2].text == "after"
        assert not any(c != "\t" and (c < " " or c == "\x7f") for line in lines for c in line.text)


async def test_logs_stay_within_their_bounds(tmp_path: Path) -> None:
    code = "for n in range(30_000): print(n, 'y' * 1000)\n" + FOREVER
    async with world_of(tmp_path, service("a", code)) as world:
        await world.stack.start(["a"], quiet)
        await until(lambda: _said_ready(world), 30)
        sizes = [path.stat().st_size for path in (tmp_path / "logs").iterdir()]
        assert len(sizes) == 2
        assert max(sizes) <= 8 * 1024**2


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(1, 40), max_size=40))
def test_lines_do_not_depend_on_how_the_bytes_come(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"a", b"\n")
    whole = LineSplitter()
    expected = whole.feed(data) + whole.finish()
    pieces, splitter, found = data, LineSplitter(), []
    for cut in cuts:
        found += splitter.feed(pieces[:cut])
        pieces = pieces[cut:]
    assert found + splitter.feed(pieces) + splitter.finish() == expected
    assert len(expected) == len(data.split(b"\n")) - (data.endswith(b"\n") or not data)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07shown", "shown"),
        (b"a\x00b\x08", "a\ufffdb\ufffd"),
        (b"50%\r100%\r\n", "100%"),
        (b"caf\xe9", "caf\ufffd"),
        ("naïve — ✓\tx".encode(), "naïve — ✓\tx"),
    ],
)
def test_text_can_do_a_screen_no_harm(raw: bytes, text: str) -> None:
    assert clean(raw) == text


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3000)), min_size=1, max_size=60),
    st.integers(0, 61),
    st.randoms(use_true_random=False),
)
def test_every_line_is_read_once_and_in_order_across_rotations(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[str, int]],
    since: int,
    chance: random.Random,
) -> None:
    directory = tmp_path_factory.mktemp("logs")
    (directory / "logs").mkdir()
    files = {name: LogFile(log_path(directory, name), limit=100_000) for name in "ab"}
    early = chance.randrange(len(written) + 1)
    reader = None
    found: list[LogLine] = []
    for number, (name, size) in enumerate(written, 1):
        files[name].append([StoredLine(float(number), "stdout", "z" * size)])
        if number > early and reader is None:
            reader = LogReader(directory, ("a", "b"), float(since))
        if reader is not None and chance.random() < 0.5:
            found += reader.read(float(number))
    reader = reader or LogReader(directory, ("a", "b"), float(since))
    found += reader.read(float(len(written)))
    expected = [(n, name, size) for n, (name, size) in enumerate(written, 1) if n > since]
    assert [(int(line.at), line.container, len(line.text)) for line in found] == expected
    reader.close()
    for file in files.values():
        file.close()


def test_a_reader_that_is_behind_a_rotation_still_reads_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    file = LogFile(log_path(tmp_path, "a"), limit=4_000)
    reader = LogReader(tmp_path, ("a",), 0.0)
    for number in range(1, 61):
        file.append([StoredLine(float(number), "stdout", "z" * 100)])
        if number == 10:
            assert len(reader.read(5.0)) == 5
    assert [line.at for line in reader.read(60.0)] == [float(n) for n in range(6, 61)]


def test_reading_from_a_time_does_not_read_all_before_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    file = LogFile(log_path(tmp_path, "a"))
    file.append([StoredLine(float(n), "stdout", "z" * 500) for n in range(1, 8001)])
    for since in (0.0, 1.0, 3999.5, 4000.0, 7999.0, 8000.0):
        lines = LogReader(tmp_path, ("a",), since).read(9e9, limit=3)
        assert [line.at for line in lines] == [n for n in range(1, 8001) if n > since][:3]


def test_a_line_torn_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    path = log_path(tmp_path, "a")
    whole = [msgspec.json.encode(StoredLine(float(n), "stdout", "x")) for n in (1, 2)]
    path.write_bytes(whole[0] + b"\n" + whole[1][:9])
    LogFile(path).append([StoredLine(3.0, "stdout", "x")])
    assert [line.at for line in LogReader(tmp_path, ("a",), 0.0).read(9.0)] == [1.0, 3.0]
    assert last_at(path) == 3.0


def test_a_full_disk_costs_lines_that_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs").mkdir()
    file = LogFile(log_path(tmp_path, "a"))
    write = os.write

    def full(handle: int, data: bytes) -> int:
        write(handle, data[:5])
        raise OSError(28, "No space left on device")

    file.append([StoredLine(1.0, "stdout", "x")])
    monkeypatch.setattr("os.write", full)
    file.append([StoredLine(2.0, "stdout", "x"), StoredLine(3.0, "stdout", "x")])
    file.append([StoredLine(4.0, "stdout", "x")])
    monkeypatch.setattr("os.write", write)
    file.append([StoredLine(5.0, "stdout", "x")])
    lines = LogReader(tmp_path, ("a",), 0.0).read(9.0)
    assert [line.text for line in lines] == ["x", "3 lines were lost: they could not be written", "x"]


async def collect(stack: LocalStack, since: float, count: int) -> list[LogLine]:
    """The first lines after `since`."""
    lines: list[LogLine] = []
    async for line in stack.follow_logs(since):
        lines.append(line)
        if len(lines) == count:
            break
    return lines


def check_counts(lines: list[LogLine], processes: int) -> None:
    """Each process counted from 0 without a gap; times grow strictly."""
    by_process: dict[str, list[int]] = {}
    for line in lines:
        pid, number = line.text.split()
        by_process.setdefault(pid, []).append(int(number))
    assert len(by_process) == processes
    for numbers in by_process.values():
        assert numbers == list(range(len(numbers)))
    assert all(one.at < two.at for one, two in itertools.pairwise(lines))


async def _said_ready(world: World) -> bool:
    return any(line.text == "ready" for line in (await world.detail("a")).lines)


def test_a_progress_bar_is_one_line_with_what_it_said_last() -> None:
    splitter = LineSplitter()
    lines = [line for step in range(20_000) for line in splitter.feed(b"\rloading %d of 20000" % step)]
    assert lines == []
    assert splitter.feed(b"\rdone\r\nnext\r\n") == ["done", "next"]


def test_carriage_returns_at_a_lines_end_take_nothing_away() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\r") == []
    assert splitter.feed(b"\ntwo\r\r\n") == ["one", "two"]
    assert splitter.feed(b"a\r") + splitter.feed(b"b\n") == ["b"]
