"""A compose or build command: its words come as they are said; late or cancelled, its children go too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.processes import FAMILY, family, is_gone, until
from wsdash.errors import WsdashError
from wsdash.stack.compose import run_command


async def test_its_lines_come_after_the_command_itself_and_both_outputs_are_one() -> None:
    said: list[str] = []
    await run_command(["sh", "-c", "echo one; echo two >&2"], said.append, 60.0, where="here")
    assert said == ["$ sh -c 'echo one; echo two >&2'", "one", "two"]


async def test_a_late_one_is_told_with_its_last_words_and_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WsdashError, match=r"did not end within 3 s: pulling"):
        await run_command(["sh", "-c", FAMILY + "echo pulling; wait"], lambda line: None, 3.0, where="here")
    child, shell = await family(tmp_path)
    assert is_gone(shell)
    await until(lambda: is_gone(child))


async def test_a_cancelled_one_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = run_command(["sh", "-c", FAMILY + "wait"], lambda line: None, 60.0, where="here")
    running = asyncio.create_task(command)
    child, shell = await family(tmp_path)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert is_gone(shell)
    await until(lambda: is_gone(child))


async def test_one_that_is_missing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(WsdashError, match="cannot be started: No such file"):
        await run_command([str(tmp_path / "nothing")], lambda line: None, 60.0, where="here")
