"""kill -9 of the engine in the middle of a fortnight, on real processes: it ends as an undisturbed one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wsdash.engine.journal.writer import JournalReader
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import AlertChanged
from wsdash.review.report.build import build_report

pytestmark = pytest.mark.timeout(600)
NAME, DAY = "restarts", 86_400.0
KILLED_ON = (0.43, 4.0)
"""Days: between the second restart and the third, and while nothing happens."""


def begin(directory: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tests.review.days_child", str(directory), NAME]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def days_lived(state: Path) -> float:
    try:
        reader = JournalReader(state)
    except InputError:
        return 0.0
    try:
        begun = reader.facts().get("fortnight")
        return 0.0 if begun is None else (reader.time()[1] - begun["begun"]) / DAY
    finally:
        reader.close()


def live_and_die(directory: Path, days: float) -> None:
    """An engine that is killed when so many days were lived."""
    engine = begin(directory)
    assert engine.stderr is not None
    try:
        while days_lived(directory / "state") < days:
            assert engine.poll() is None, engine.stderr.read().decode()
            time.sleep(0.01)
    finally:
        engine.kill()
        engine.wait()
        engine.stderr.close()


def finish(engine: subprocess.Popen[bytes]) -> None:
    """Wait for its end."""
    try:
        _, said = engine.communicate(timeout=400)
        assert engine.returncode == 0, said.decode()
    finally:
        engine.kill()


def days_of(state: Path) -> list[tuple[int, str, list[tuple[str, Any]]]]:
    days: list[dict[str, Any]] = msgspec.to_builtins(build_report(state))["timeline"]
    return [
        (day["day"], day["recommendation"], [(c["id"], c["holds"]) for c in day["criteria"]]) for day in days
    ]


def alerts_of(state: Path) -> list[tuple[str, bool, int]]:
    """Each alert's name, whether it was raised, and the second of the days."""
    reader = JournalReader(state)
    try:
        begun = reader.facts()["fortnight"]["begun"]
        return [
            (r.event.alert, r.event.raised, round(r.at - begun))
            for r in reader.history()
            if isinstance(r.event, AlertChanged) and r.at >= begun
        ]
    finally:
        reader.close()


def coverage(state: Path) -> tuple[int, float]:
    reader = JournalReader(state)
    begun = reader.facts()["fortnight"]["begun"]
    reader.close()
    history = HistoryReader(state / FILE)
    try:
        seen = history.summary("latency:api-new", begun, begun + 14 * DAY)
        return seen.count, seen.coverage
    finally:
        history.close()


def test_a_fortnight_whose_engine_was_killed_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    beside, directory = begin(tmp_path / "whole"), tmp_path / "killed"
    for days in KILLED_ON:
        live_and_die(directory, days)
    finish(begin(directory))
    finish(beside)
    undisturbed, state = tmp_path / "whole" / "state", directory / "state"
    assert days_of(state) == days_of(undisturbed)
    assert alerts_of(state) == alerts_of(undisturbed)
    assert coverage(state)[0] == coverage(undisturbed)[0]
    assert coverage(state)[1] > 0.999
