"""Prometheus' own tool on rules: it checks them, and plays them over series."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml


def promtool() -> str:
    """The program; the test is skipped without it, and fails where it was promised."""
    found = shutil.which("promtool")
    if found is None:
        assert not os.environ.get("WSDASH_REQUIRE_PROMETHEUS"), "promtool is required here and is missing"
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def run_promtool(*argv: str) -> str:
    """What it says; it must be content."""
    done = subprocess.run([promtool(), *argv], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def play(directory: Path, rules: str, tests: list[dict[str, Any]], every: str = "1m") -> None:
    """Have it try rules on these tests of its own."""
    (directory / "rules.yml").write_text(rules)
    file = directory / "tests.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": tests})
    )
    assert "SUCCESS" in run_promtool("test", "rules", str(file))
