"""Too little seen for an answer is an answer of its own: neither done nor failed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engine.small_world import AUTOMATIC, MakeFiles, Small
from wsdash.cli import main
from wsdash.engine.process import serve
from wsdash.model import ItemState
from wsdash.review.story import read_run
from wsdash.steps.base import Evidence, StepContext


class Unwatched(MakeFiles):
    """Its check has seen too little."""

    async def check(self, ctx: StepContext) -> Evidence:
        """Never an answer."""
        return Evidence(False, "20 of 60 minutes were watched", insufficient=True)


def test_it_is_no_pass_and_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = Small(tmp_path)
    steps = {name: MakeFiles(name, small.work) for name in AUTOMATIC} | {
        "backup": Unwatched("backup", small.work)
    }
    code = asyncio.run(serve(small.options(steps=steps, items=("backup",))))
    seen = read_run(small.state)
    assert code == 1
    assert seen.item("backup").state is ItemState.INSUFFICIENT
    assert seen.item("backup").remedy == "let it be watched for longer, then try again"
    assert seen.detail == "backup insufficient"
    assert str(seen.finished) == "incomplete"
    assert main(["status", "--state", str(small.state), "--config", str(small.config)]) == 0
    assert "? pre       backup" in capsys.readouterr().out


def test_what_needs_it_waits(tmp_path: Path) -> None:
    small = Small(tmp_path)
    steps = {name: MakeFiles(name, small.work) for name in AUTOMATIC} | {
        "backup": Unwatched("backup", small.work)
    }
    assert asyncio.run(serve(small.options(steps=steps, auto=True, yes=True))) == 1
    assert read_run(small.state).item("stop-old").state is ItemState.PENDING
