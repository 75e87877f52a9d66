"""A program that is run for its answer: what comes back, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.processes import FAMILY, family, is_gone, until
from wsdash.subprocesses import CannotStartError, OverdueError, limited_environment, run_program

LONG = 60.0
"""A limit that no test here reaches unless it fails."""


@asynccontextmanager
async def leftover(pid: int) -> AsyncIterator[int]:
    """A process that a program left behind, ended with the test."""
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_a_program_is_given_its_data_and_its_environment_and_both_outputs_come_back() -> None:
    done = await run_program(
        ["sh", "-c", "cat; echo $WORD; echo bad >&2; exit 7"],
        seconds=LONG,
        data=b"in ",
        env=os.environ | {"WORD": "there"},
    )
    assert (done.code, done.stdout, done.stderr) == (7, b"in there\n", b"bad\n")


async def test_a_program_without_data_reads_an_input_that_has_ended() -> None:
    assert (await run_program(["cat"], seconds=LONG)).stdout == b""


async def test_merged_outputs_come_in_the_order_written() -> None:
    done = await run_program(["sh", "-c", "echo 1; echo 2 >&2; echo 3"], seconds=LONG, merged=True)
    assert (done.stdout, done.stderr) == (b"1\n2\n3\n", b"")


async def test_a_program_that_a_signal_ended_answers_with_the_signal() -> None:
    assert (await run_program(["sh", "-c", "kill -TERM $$"], seconds=LONG)).code == -signal.SIGTERM


async def test_a_program_that_does_not_read_what_it_is_given_is_not_waited_for() -> None:
    done = await run_program(["sh", "-c", "exec <&-; echo ready"], seconds=LONG, data=b"x" * 4_000_000)
    assert (done.code, done.stdout) == (0, b"ready\n")


async def test_only_the_last_words_are_kept_of_a_long_output() -> None:
    done = await run_program(["sh", "-c", "seq 1000000; seq 500000 >&2"], seconds=LONG, keep=15)
    assert (done.stdout, done.stderr) == (b"999999\n1000000\n"[-15:], b"\n499999\n500000\n"[-15:])


async def test_a_late_program_is_killed_with_the_children_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OverdueError, match=r"sh took over 3 s") as late:
        await run_program(["sh", "-c", FAMILY + "trap '' TERM INT; wait"], seconds=3.0)
    assert (late.value.program, late.value.seconds) == ("sh", 3.0)
    child, shell = await family(tmp_path)
    assert is_gone(shell)
    await until(lambda: is_gone(child))


async def test_a_cancelled_program_is_killed_with_the_children_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    running = asyncio.create_task(run_program(["sh", "-c", FAMILY + "wait"], seconds=LONG))
    child, shell = await family(tmp_path)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert is_gone(shell)
    await until(lambda: is_gone(child))


async def test_one_that_is_cancelled_before_its_start_was_noticed_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    running = asyncio.create_task(run_program(["sh", "-c", FAMILY + "wait"], seconds=LONG))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it runs from here on
    for _ in range(3000):
        if (tmp_path / "family").exists() and "both" in (tmp_path / "family").read_text():
            break
        time.sleep(0.01)  # noqa: ASYNC251 - so that the loop does not learn of it
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    child, shell = await family(tmp_path)
    assert is_gone(shell)
    await until(lambda: is_gone(child))


async def test_what_a_program_left_in_the_background_with_its_pipes_neither_delays_it_nor_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("question")

    def asked() -> bool:
        try:
            question = os.open("question", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads: not yet, or no more
            return False
        os.write(question, b"still\n")
        os.close(question)
        return True

    done = await run_program(
        ["sh", "-c", "(read word <question; echo $word >answer; exec sleep 600) & echo $!; exit 3"],
        seconds=LONG / 6,
    )
    async with leftover(int(done.stdout)):
        assert done.code == 3
        await until(asked)
        answer = tmp_path / "answer"
        await until(lambda: answer.exists() and answer.read_text() == "still\n")


async def test_a_grandchild_that_left_the_group_with_the_pipes_does_not_hold_up_the_killing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = "setsid sh -c 'echo $$ >away.new; mv away.new away; exec sleep 600' & exec sleep 600"
    running = asyncio.create_task(run_program(["sh", "-c", script], seconds=3.0, data=b"x" * 4_000_000))
    away = tmp_path / "away"
    await until(away.exists)
    async with leftover(int(away.read_text())) as sleeper, asyncio.timeout(LONG / 2):
        with pytest.raises(OverdueError):
            await running
        assert not is_gone(sleeper)


async def test_an_output_without_end_is_cut_off_by_the_limit_and_not_kept_in_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(OverdueError):
        await run_program(["yes", "x" * 1000], seconds=1.5, keep=1000)
    grown_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kilobytes < 50_000


async def test_descriptors_are_given_back_after_every_end(tmp_path: Path) -> None:
    async def descriptors() -> int:
        await asyncio.sleep(0)  # closing takes its turn
        await asyncio.sleep(0)
        gc.collect()  # what earlier tests left to the collector is not counted
        return len(os.listdir("/proc/self/fd"))

    await run_program(["true"], seconds=LONG)  # whatever the loop opens once
    before = await descriptors()
    keeping_its_input = ["sh", "-c", "exec 3<&0; sleep 600 & echo $!"]
    done = await run_program(keeping_its_input, seconds=LONG, data=b"x" * 4_000_000)
    async with leftover(int(done.stdout)):
        with pytest.raises(OverdueError):
            await run_program(["sleep", "600"], seconds=0.1, data=b"x" * 4_000_000)
        with pytest.raises(CannotStartError):
            await run_program([str(tmp_path / "nothing")], seconds=LONG)
        assert await descriptors() <= before


async def test_a_program_has_no_terminal_to_ask_on() -> None:
    script = "import os; print(os.getsid(0) == os.getpgrp() == os.getpid())"
    assert (await run_program([sys.executable, "-c", script], seconds=LONG)).stdout == b"True\n"


async def test_a_missing_program_is_told_with_the_systems_reason(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match=r"nothing cannot be started: No such file") as missing:
        await run_program([str(tmp_path / "nothing")], seconds=LONG)
    assert missing.value.reason == "No such file or directory"


async def test_a_file_that_may_not_be_run_is_told_with_the_systems_reason(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    text.chmod(0o600)
    with pytest.raises(CannotStartError, match="Permission denied"):
        await run_program([str(text)], seconds=LONG)


async def test_words_that_no_program_can_be_given_are_told_as_such() -> None:
    with pytest.raises(CannotStartError, match="null byte"):
        await run_program(["echo", "a\0b"], seconds=LONG)


def test_a_foreign_program_gets_what_it_needs_and_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "WSDASH_SOURCE_PASSWORD", "AWS_SECRET_ACCESS_KEY", "GIVEN"):
        monkeypatch.setenv(name, "x")
    environment = limited_environment(["GIVEN", "ABSENT"])
    assert "PATH" in environment
    assert environment["GIVEN"] == "x"
    assert not {"PGPASSWORD", "WSDASH_SOURCE_PASSWORD", "AWS_SECRET_ACCESS_KEY", "ABSENT"} & set(environment)
