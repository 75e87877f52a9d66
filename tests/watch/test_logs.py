"""Logs: followed across breaks without loss or repetition, and their errors counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watch.support import EPOCH, FakeStack, Recorder, polling
from wsdash.model import Liveness, LogLine, SourceState
from wsdash.watch.pollers.logs import ErrorCounter, LogWatch, Resume


def line(at: float, text: str, container: str = "workspace-api", stream: str = "stdout") -> LogLine:
    return LogLine(container, EPOCH + at, stream, text)


def watch(stack: FakeStack, seen: Recorder, since: float = EPOCH) -> LogWatch:
    return LogWatch(stack, seen.emit, seen.on_log, since=since, chance=lambda: 0.0)


async def test_a_broken_stream_is_resumed_by_time_without_loss_or_repetition() -> None:
    stack, seen = FakeStack(), Recorder()
    stack.history = [line(10 + number, f"line {number}") for number in range(100)]
    stack.break_after = 60
    async with polling(watch(stack, seen).run):
        await seen.until(lambda: len(seen.lines) >= 100)
        await asyncio.sleep(0.1)
    assert seen.lines == stack.history
    assert EPOCH < stack.asked_since[1] <= stack.history[59].at


async def test_equal_lines_of_one_moment_are_each_delivered_once() -> None:
    stack, seen = FakeStack(), Recorder()
    stack.history = [line(10, "same") for _ in range(4)] + [line(10, "other")]
    stack.break_after = 2
    async with polling(watch(stack, seen).run):
        await seen.until(lambda: len(seen.lines) >= 5)
        await asyncio.sleep(0.1)
    assert seen.lines == stack.history


async def test_a_break_is_told_with_its_reason_and_then_live_again() -> None:
    stack, seen = FakeStack(), Recorder()
    stack.history = [line(1, "one"), line(2, "two")]
    stack.break_after = 1
    async with polling(watch(stack, seen).run):
        await seen.until(lambda: len(seen.lines) == 2)
    assert seen.states("logs") == [Liveness.LIVE, Liveness.RECONNECTING, Liveness.LIVE]
    assert "the engine went away" in seen.of(SourceState)[1].detail


async def test_a_quiet_stream_that_stays_open_is_live() -> None:
    stack, seen = FakeStack(), Recorder()
    async with polling(watch(stack, seen).run):
        await seen.until(lambda: seen.states("logs") == [Liveness.LIVE])


async def test_a_stream_that_ends_is_followed_again() -> None:
    class Ending(FakeStack):
        async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
            self.asked_since.append(since)
            for known in self.history:
                yield known

    stack, seen = Ending(), Recorder()
    stack.history = [line(1, "one")]
    async with polling(watch(stack, seen).run):
        await seen.until(lambda: len(stack.asked_since) >= 3)
    assert [known.text for known in seen.lines] == ["one"]
    assert "the stream of logs ended" in {state.detail for state in seen.of(SourceState)}


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["stdout", "stderr"]),
            st.integers(0, 6),
            st.sampled_from(["x", "y"]),
        ),
        max_size=30,
    ),
    st.data(),
)
def test_whatever_was_delivered_before_a_break_is_delivered_exactly_once(
    raw: list[tuple[str, str, int, str]], data: st.DataObject
) -> None:
    # each stream of a container is in order of time, the streams are interleaved anyhow
    written = sorted((line(at, text, name, stream) for name, stream, at, text in raw), key=lambda one: one.at)
    before = data.draw(st.integers(0, len(written)))
    resume = Resume()
    delivered = [one for one in written[:before] if resume.is_new(one)]
    resume.broken()
    delivered += [one for one in written if resume.is_new(one)]
    assert delivered == written


def test_errors_are_counted_as_the_guide_counts_them() -> None:
    counter = ErrorCounter("workspace-api")
    for seen in (
        line(0, "ERROR: no"),
        line(1, '{"level":"error"}', stream="stderr"),
        line(2, "all is well"),
        line(3, "error elsewhere", container="data-timescale"),
        line(4, "-- restarted (error) --", stream="wsdash"),
    ):
        counter.see(seen)
    assert counter.count(EPOCH + 5) == 2


def test_errors_older_than_a_minute_no_longer_count() -> None:
    counter = ErrorCounter("workspace-api")
    for second in range(0, 100, 10):
        counter.see(line(second, "Error"))
    assert counter.count(EPOCH + 100) == 5
    assert counter.count(EPOCH + 1000) == 0
