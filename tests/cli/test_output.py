"""Where output cannot be written, the command says so: in three lines, as every other failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "a short text": ["config", "check"],
    "a long text": ["completion", "bash"],
    "JSON": ["doctor", "--json"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_takes_no_output(name: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "wsdash", *COMMANDS[name]]
    argv += ["--state", str(tmp_path)] if "--json" in argv else []
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "wsdash: the disk is full",
        "  where:  standard output",
        "  remedy: free some space there, then run the same command again: nothing is lost",
    ]
