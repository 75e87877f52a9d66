"""What stands between a command and its first frame: the screen's own imports, and nobody else's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wsdash.config.read import shipped

CHILD = """
import sys
import wsdash.cli.running.screen
from wsdash.cli import main
from wsdash.tui.app import WsdashApp

WsdashApp.run = lambda app: print(*sys.modules)
wsdash.cli.running.screen.need_terminal = lambda: None
main(sys.argv[1:])
"""
OF_THE_ENGINE = {
    "aiohttp",
    "asyncpg",
    "aiodocker",
    "psutil",
    "wsdash.engine.process",
    "wsdash.steps",
    "wsdash.data",
}


@pytest.mark.parametrize(
    "words", [["demo"], ["run", "--config", str(shipped("config"))]], ids=["demo", "run"]
)
def test_a_screen_is_painted_before_anything_of_the_engine_is_imported(
    tmp_path: Path, words: list[str]
) -> None:
    command = [sys.executable, "-c", CHILD, *words, "--state", str(tmp_path / "state")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = set(child.stdout.split())
    assert "textual" in loaded
    assert not OF_THE_ENGINE & loaded
