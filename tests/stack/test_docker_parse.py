"""The engine's shapes in our words."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stack.engine import frame, inspected, stats
from wsdash.errors import UnreachableError
from wsdash.model import LogLine
from wsdash.stack.docker.follow import Waiting, gathered
from wsdash.stack.docker.logs import PARTS, Cursor, Frames, LogParser, Stamped, Terminal
from wsdash.stack.docker.parse import (
    LONGEST,
    CpuSample,
    cpu_percent,
    memory_used,
    nanoseconds,
    parse_container,
)
from wsdash.stack.text import LINE_LIMIT

PART = 16_384


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:01.25+01:00", 1_250_000_000),
        ("2025-11-03T10:15:30.123456789Z", 1_762_164_930_123_456_789),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_keep_their_nanoseconds(text: str, expected: int | None) -> None:
    assert nanoseconds(text) == expected


@settings(max_examples=100)
@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999_999))
def test_every_time_is_read_back_exactly(second: int, nano: int) -> None:
    text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{nano:09d}Z"
    assert nanoseconds(text) == second * 10**9 + nano


def test_the_engines_words_about_a_container_are_one_bounded_harmless_line() -> None:
    words = "exec: \x1b[2J\ud800\n" + "x" * 1_000_000
    found = parse_container("db", "apps", inspected("exited", Error=words), {})
    assert found.detail.startswith("exec: ")
    assert found.detail.isprintable()
    assert len(found.detail) <= LONGEST


def test_the_last_line_of_a_huge_health_output_is_told() -> None:
    ill = inspected()
    ill["State"]["Health"]["Log"][-1]["Output"] = "x\n" * 3_000_000 + "at last\x1b[2J\n\r\n"
    assert parse_container("db", "apps", ill, {}).detail == "at last"


def test_an_exited_container() -> None:
    found = parse_container("db", "apps", inspected("exited", "unhealthy", ExitCode=137, OOMKilled=True), {})
    assert (found.state, found.health, found.exit_code, found.oom_killed) == ("exited", "unknown", 137, True)
    assert (found.ports, found.restarts, found.memory_bytes) == ((5433,), 2, None)
    assert found.started_at == pytest.approx(1_762_164_930.123456789)
    assert found.detail == "localhost:5432 - accepting connections"


def test_a_container_that_waits_for_its_restart_tells_how_it_ended() -> None:
    found = parse_container("db", "apps", inspected("restarting", None, ExitCode=3), {})
    assert (found.state, found.exit_code) == ("restarting", 3)


def test_a_container_without_a_health_check() -> None:
    found = parse_container("db", "apps", inspected(health=None), stats())
    assert (found.health, found.exit_code, found.memory_limit_bytes) == ("none", None, None)


def test_no_environment_gets_into_a_reading() -> None:
    assert "hunter2" not in repr(parse_container("db", "apps", inspected(), stats()))


def test_cpu_counts_cores() -> None:
    before, now = CpuSample(1_000, 100_000, 4), CpuSample(2_000, 102_000, 4)
    assert cpu_percent(before, now) == pytest.approx(200.0)
    assert cpu_percent(None, now) is None
    assert cpu_percent(now, now) is None


def test_an_engine_that_samples_by_itself_needs_no_earlier_reading() -> None:
    found = stats()
    found["precpu_stats"] = found["cpu_stats"] | {
        "cpu_usage": {"total_usage": 2_000_000_000},
        "system_cpu_usage": 56_000_000_000,
    }
    assert parse_container("db", "apps", inspected(), found).cpu_percent == pytest.approx(100.0)


def test_memory_leaves_out_the_page_cache_in_both_cgroup_versions() -> None:
    old = {"memory_stats": {"usage": 500, "stats": {"total_inactive_file": 200, "inactive_file": 1}}}
    assert memory_used(stats()) == 100_000_000
    assert memory_used(old) == 300
    assert memory_used({"memory_stats": {}}) is None


def test_frames_are_told_apart_by_stream() -> None:
    data = frame(1, "1970-01-01T00:00:01Z out\n") + frame(2, "1970-01-01T00:00:02Z err\n")
    assert frames(data) == [Stamped(10**9, "stdout", "out"), Stamped(2 * 10**9, "stderr", "err")]


def test_a_long_line_in_several_frames_is_one_line() -> None:
    sizes = (PART, PART, 5)
    parts = [frame(1, f"1970-01-01T00:00:0{n}Z {'abc'[n] * sizes[n]}" + "\n" * (n == 2)) for n in range(3)]
    other = frame(2, "1970-01-01T00:00:01Z between\n")
    found = frames(parts[0] + other + parts[1] + parts[2])
    whole = "a" * PART + "b" * PART + "c" * 5
    assert [line.text for line in found] == ["between", whole[:LINE_LIMIT] + " … (5 more bytes)"]
    assert found[1].at == 0


@pytest.mark.parametrize("last", ["", "the end"])
def test_a_last_part_without_a_newline_is_not_glued_to_the_next_line(last: str) -> None:
    """As the drivers local and journald give it."""
    data = frame(1, "1970-01-01T00:00:01Z " + "x" * PART) + frame(1, f"1970-01-01T00:00:02Z {last}")
    found = frames(data + frame(1, "1970-01-01T00:00:03Z next\n"))
    assert [line.text for line in found] == ["x" * PART + last, "next"]


def test_a_huge_line_is_cut_and_an_error_in_its_rest_is_told() -> None:
    data = b"".join(frame(1, "1970-01-01T00:00:01Z " + "x" * PART) for _ in range(10))
    (line,) = frames(data + frame(1, "1970-01-01T00:00:01Z an Error\n"))
    left = 10 * PART + 8 - LINE_LIMIT
    assert line.text == "x" * LINE_LIMIT + f" … ({left:,} more bytes, with an error among them)"


@pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["json-file", "local"])
@pytest.mark.parametrize("piece", [1_000_000, 1_000, 7])
def test_parts_of_a_terminals_line_are_put_together(end: bytes, piece: int) -> None:
    stamps = [f"1970-01-01T00:00:0{n}.000000000Z ".encode() for n in range(1, 4)]
    data = stamps[0] + b"a" * PART + stamps[1] + b"rest" + end + stamps[2] + b"next\r\n"
    found = [(line.at // 10**9, line.text) for line in parsed(Terminal(), data, piece)]
    assert found == [(1, "a" * PART + "rest"), (3, "next")]


def test_a_huge_frame_is_not_kept_whole() -> None:
    noise = bytes(range(256)).replace(b"\r", b".") * 40_000
    huge = struct.pack(">BxxxL", 2, len(noise) + 24) + b"1970-01-01T00:00:01.5Z " + noise + b"\n"
    first, second = frames(huge + frame(1, "1970-01-01T00:00:02Z next\n"))
    assert (first.stream, first.text[-23:]) == ("stderr", "… (10,207,232 more bytes)"[-23:])
    assert len(first.text) < 2 * LINE_LIMIT
    assert second.text == "next"


def test_a_cut_off_stream_gives_its_whole_lines() -> None:
    data = frame(1, "1970-01-01T00:00:01Z whole\n") + frame(1, "1970-01-01T00:00:02Z cut off\n")[:15]
    assert [line.text for line in frames(data)] == ["whole"]


def test_a_terminal_is_read_line_by_line() -> None:
    data = b"1970-01-01T00:00:01Z \x1b[1mbold\x1b[0m\r\n1970-01-01T00:00:02Z next\r\n"
    found = [(line.at // 10**9, line.text) for line in parsed(Terminal(), data, len(data))]
    assert found == [(1, "bold"), (2, "next")]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.integers(0, 2)), min_size=1, max_size=40),
    st.lists(st.integers(0, 15), min_size=1, max_size=20),
)
def test_whatever_breaks_each_line_is_handed_out_once(
    written: list[tuple[str, int]], breaks: list[int]
) -> None:
    at, log = 10**18, []
    for number, (stream, later) in enumerate(written):
        at += later * 400_000_000
        log.append(Stamped(at, stream, str(number)))
    cursor = Cursor(0.0)
    found: list[Stamped] = []
    for stop in [*breaks, len(log) * 2]:
        second, _, nano = cursor.since.partition(".")
        since = int(second) * 10**9 + int(nano)
        cursor.begin()
        repeated = [line for line in log if line.at >= since]
        already = len([line for line in repeated if line.text in {f.text for f in found}])
        found += [line for line in repeated[: already + stop] if cursor.is_new(line)]
    assert found == log


def test_a_stream_slightly_behind_the_other_loses_nothing() -> None:
    cursor = Cursor(0.0)
    assert cursor.is_new(Stamped(2_000_000_000, "stdout", "a"))
    assert cursor.is_new(Stamped(1_999_999_000, "stderr", "b"))


def test_a_cursor_begins_after_its_time() -> None:
    cursor = Cursor(5.0)
    assert not cursor.is_new(Stamped(5_000_000_000, "stdout", "a"))
    assert cursor.is_new(Stamped(5_000_001_000, "stdout", "b"))


def test_details_tell_which_parts_are_one_line() -> None:
    """As the journald driver of Docker 20.10 was seen to send them: no newline, no empty last part."""

    def part(nanos: int, of: str, text: str) -> bytes:
        attributes = (
            f"CONTAINER_PARTIAL_ID={of},CONTAINER_PARTIAL_ORDINAL=1,IMAGE=a%3A1" if of else "IMAGE=a%3A1"
        )
        body = f"2026-11-29T10:00:00.{nanos:09} {attributes} {text}".encode().replace(b" ", b"Z ", 1)
        return bytes([1, 0, 0, 0]) + len(body).to_bytes(4, "big") + body

    full = PARTS[0]
    log = [
        *(part(1, "", "short\n"), part(2, "aa", "a" * full), part(3, "bb", "b" * full)),
        *(
            part(4, "bb", "b"),
            part(5, "cc", "c" * full),
            part(6, "", "a text, with CONTAINER_PARTIAL_ID=cc\n"),
        ),
    ]
    found = frames(b"".join(log), details=True)
    assert [line.text for line in found] == [
        *("short", "a" * full, "b" * (full + 1), "c" * full, "a text, with CONTAINER_PARTIAL_ID=cc")
    ]
    assert [line.at % 10**9 for line in found] == [1, 2, 3, 5, 6]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2]), st.sampled_from([0, 1, 9, PART, 200_000]), st.sampled_from(["", "\n"])
        ),
        max_size=6,
    ),
    st.integers(50, 5_000),
)
def test_frames_are_the_same_lines_however_they_come(log: list[tuple[int, int, str]], piece: int) -> None:
    data = b"".join(
        frame(stream, f"1970-01-01T00:00:{n:02}Z " + "x" * length + end)
        for n, (stream, length, end) in enumerate(log)
    )
    whole = parsed(Frames(), data, len(data) + 1)
    assert parsed(Frames(), data, piece) == whole
    assert sum(len(line.text) for line in whole) <= len(data)


async def test_lines_of_several_containers_come_in_the_order_of_time() -> None:
    """But each container's own as the engine gave them: its clock may have been set back."""

    def lines(container: str, *at: float) -> list[LogLine]:
        return [LogLine(container, each, "stdout", "") for each in at]

    waiting: Waiting = asyncio.Queue()
    for piece in (lines("b", 2, 4), lines("a", 5, 1)):
        waiting.put_nowait(piece)
    found, trouble = gathered(lines("a", 1, 3), waiting)
    assert [(line.container, line.at) for line in found] == [
        *(("a", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 5), ("a", 1))
    ]
    assert trouble is None


async def test_what_came_before_the_trouble_is_handed_out_with_it() -> None:
    waiting: Waiting = asyncio.Queue()
    waiting.put_nowait(UnreachableError("the engine is gone"))
    line = LogLine("a", 1.0, "stdout", "last words")
    found, trouble = gathered([line], waiting)
    assert found == [line]
    assert isinstance(trouble, UnreachableError)


def parsed(parser: LogParser, data: bytes, piece: int) -> list[Stamped]:
    """All lines of a recorded stream that comes in pieces of that many bytes."""
    lines = [line for at in range(0, len(data), piece) for line in parser.feed(data[at : at + piece])]
    return lines + parser.finish()


def frames(data: bytes, *, details: bool = False) -> list[Stamped]:
    """All lines of a recorded multiplexed stream that comes at once."""
    return parsed(Frames(details=details), data, len(data))
