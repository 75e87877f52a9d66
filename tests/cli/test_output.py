"""Where output cannot be written, or no directory is there, the command says so, as every other failure."""

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


@pytest.mark.parametrize("words", [["init", "--config", "here"], ["migrate", "--yes"]])
def test_a_shell_whose_directory_is_gone(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = 'cd "$1"; rmdir "$1"; shift; exec "$@"'
    argv = ["sh", "-c", script, "sh", str(tmp_path / "gone"), sys.executable, "-m", "wsdash", *words]
    argv += ["--state", "state"] if "migrate" in words else []
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "wsdash: the directory that this shell was in is gone",
        "  remedy: go to a directory that exists (cd), then run the command again",
    ]
