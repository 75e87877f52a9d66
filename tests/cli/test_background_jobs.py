"""The question about background jobs at a terminal: a typed word, and when nobody is asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from wsdash.cli.looking import compare
from wsdash.cli.looking.compare import ask_jobs
from wsdash.data.pg.connect import Endpoint
from wsdash.data.timescaledb.jobs import BackgroundJob
from wsdash.engine.journal.writer import Journal
from wsdash.errors import UnreachableError
from wsdash.model import JobsAnswered

JOB = BackgroundJob(1000, "retention", "s.items", "1 day", None, True, False, "ana", True)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal at which the first of these lines is typed; without one, nobody may be asked."""
    typed: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: typed.pop())
    serve(monkeypatch, [JOB])
    return typed


def serve(monkeypatch: pytest.MonkeyPatch, jobs: Sequence[BackgroundJob] | Exception) -> None:
    """The source has these jobs."""

    async def read(source: Endpoint, schema: str) -> list[BackgroundJob]:
        if isinstance(jobs, Exception):
            raise jobs
        return list(jobs)

    monkeypatch.setattr(compare, "scheduled_jobs", read)


@pytest.mark.parametrize(
    ("line", "answer"), [("PAUSE", True), (" PAUSE ", True), ("", False), ("pause", False)]
)
def test_only_the_word_pauses_them(
    terminal: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, answer: bool
) -> None:
    terminal.append(line)
    assert ask_jobs(tmp_path, None) is answer
    assert JOB.described in capsys.readouterr().out


def test_without_a_terminal_nobody_is_asked(
    terminal: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert ask_jobs(tmp_path, None) is None


@pytest.mark.parametrize("jobs", [[], UnreachableError("it does not answer")])
def test_without_a_job_to_tell_of_nobody_is_asked(
    terminal: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    jobs: list[BackgroundJob] | Exception,
) -> None:
    serve(monkeypatch, jobs)
    assert ask_jobs(tmp_path, None) is None


def test_an_answer_of_this_run_stands(terminal: list[str], tmp_path: Path) -> None:
    async def answer() -> None:
        journal = Journal.open(tmp_path)
        await journal.record(JobsAnswered(False, "ana"))
        await journal.close()

    asyncio.run(answer())
    assert ask_jobs(tmp_path, None) is None
