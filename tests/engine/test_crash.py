"""kill -9 at any moment: the same run goes on, every effect happens once, nothing is done unannounced.

WSDASH_TEST_KILLED_RUNS: how many runs are killed eight times each at random moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.engine.session import done_events, history, states
from tests.engine.small_world import AUTOMATIC, PARTS, Small
from wsdash.errors import InputError
from wsdash.model import ItemIntended, RunStarted


def run(small: Small, *words: str, pause: float = 0.0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.engine.small_world",
            str(small.directory),
            f"pause={pause}",
            "yes=1",
            *words,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(small: Small, *words: str) -> None:
    process = run(small, *words)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()


def kill_at(small: Small, seq: int, *words: str, pause: float = 0.0) -> bool:
    """Kill -9 the engine when its history has `seq` events; whether it was still alive then."""
    process = run(small, *words, pause=pause)
    assert process.stderr is not None
    try:
        while process.poll() is None:
            try:
                if len(history(small)) >= seq:
                    process.send_signal(signal.SIGKILL)
                    return True
            except InputError:
                pass
            time.sleep(0.001)
        return False
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def assert_each_effect_once(small: Small) -> None:
    """All files are there, each made once; no act without its intention, none after its item was done."""
    assert small.files() == {f"{name}.{number}" for name in AUTOMATIC for number in range(PARTS)}
    ledger = small.ledger()
    made = Counter(line for line in ledger if line.startswith("made "))
    assert set(made.values()) == {1}
    events = history(small)
    for name in AUTOMATIC:
        intended = sum(isinstance(e, ItemIntended) and (e.item, e.action) == (name, "act") for e in events)
        assert ledger.count(f"act {name}") <= intended
        assert len(done_events(small, name)) == 1


@pytest.mark.parametrize("seq", range(1, 34, 3))
def test_killed_at_each_event_it_goes_on_to_the_end(small: Small, seq: int) -> None:
    kill_at(small, seq, "auto=1", pause=0.005)
    finish(small, "auto=1")
    assert_each_effect_once(small)


@pytest.mark.parametrize("seed", range(int(os.environ.get("WSDASH_TEST_KILLED_RUNS", "3"))))
def test_killed_again_and_again_at_random_moments(small: Small, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(8):
        process = run(small, "auto=1", pause=0.01)
        time.sleep(0.15 + chance.random() * 0.3)
        process.kill()
        process.communicate()
    finish(small, "auto=1")
    assert_each_effect_once(small)
    resumed = [event.resumed for event in history(small) if isinstance(event, RunStarted)]
    assert resumed == [False] + [True] * (len(resumed) - 1)


@pytest.mark.parametrize("more", range(4, 16, 3))
def test_a_rollback_killed_anywhere_is_finished_by_the_next_one(small: Small, more: int) -> None:
    finish(small, "auto=1")
    kill_at(small, len(history(small)) + more, "rollback=1", pause=0.005)
    finish(small, "rollback=1")
    assert {states(small)[name] for name in AUTOMATIC} == {"undone"}
    assert small.files() == {f"backup.{number}" for number in range(PARTS)}


def test_after_a_crash_no_item_is_shown_as_running_and_the_taking_over_is_told(small: Small) -> None:
    small.put("hold-copy")
    process = run(small, "auto=1")
    while not (small.work / "ledger").exists() or "act copy" not in small.ledger():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert states(small)["copy"] == "running"
    finish(small)
    assert states(small)["copy"] == "pending"
    assert any(f"pid {process.pid}" in getattr(event, "text", "") for event in history(small))
