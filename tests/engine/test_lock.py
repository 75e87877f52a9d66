"""One operator: the second is told who holds the run; a dead holder's lock is taken over knowingly."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from wsdash.engine.operator.launch import engine_alive
from wsdash.engine.operator.lock import FILE, Holder, OperatorLock, _lock, living_holder
from wsdash.errors import InputError, LockHeldError, WsdashError

HOLD = """
import sys, time
from pathlib import Path
from wsdash.engine.operator.lock import OperatorLock
lock = OperatorLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def holder_process(state: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(state)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_second_operator_is_told_who_and_offered_the_monitor(tmp_path: Path) -> None:
    process = holder_process(tmp_path)
    try:
        with pytest.raises(LockHeldError) as refused:
            OperatorLock.acquire(tmp_path)
        told = str(refused.value)
        assert f"pid {process.pid} on {socket.gethostname()}" in told
        assert "last sign of life" in told
        assert "wsdash monitor" in told
        assert refused.value.exit_code == 3
    finally:
        end(process)


def test_even_take_over_does_not_take_a_living_holders_lock(tmp_path: Path) -> None:
    process = holder_process(tmp_path)
    try:
        with pytest.raises(LockHeldError):
            OperatorLock.acquire(tmp_path, take_over=True)
    finally:
        end(process)


def test_a_dead_holders_lock_is_taken_over_and_known(tmp_path: Path) -> None:
    process = holder_process(tmp_path)
    end(process)
    with OperatorLock.held(tmp_path) as lock:
        assert lock.previous is not None
        assert lock.previous.pid == process.pid


def test_a_lock_given_back_in_order_leaves_no_previous_holder(tmp_path: Path) -> None:
    with OperatorLock.held(tmp_path):
        pass
    with OperatorLock.held(tmp_path) as lock:
        assert lock.previous is None


def test_a_holder_on_another_host_is_only_taken_over_knowingly(tmp_path: Path) -> None:
    gone = Holder("elsewhere", 4711, time.time() - 900, time.time() - 600)
    (tmp_path / "operator.lock").write_bytes(msgspec.json.encode(gone))
    with pytest.raises(LockHeldError, match=r"4711 on elsewhere.*--take-over"):
        OperatorLock.acquire(tmp_path)
    with OperatorLock.held(tmp_path, take_over=True) as lock:
        assert lock.previous == gone


def test_a_refused_takeover_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    content = msgspec.json.encode(Holder("elsewhere", 4711, 1.0, 2.0))
    (tmp_path / "operator.lock").write_bytes(content)
    with pytest.raises(LockHeldError):
        OperatorLock.acquire(tmp_path)
    assert (tmp_path / "operator.lock").read_bytes() == content


def test_the_sign_of_life_is_renewed(tmp_path: Path) -> None:
    with OperatorLock.held(tmp_path) as lock:
        before = living_holder(tmp_path)
        time.sleep(0.02)
        lock.beat()
        after = living_holder(tmp_path)
        assert before is not None
        assert after is not None
        assert after.heartbeat > before.heartbeat
        assert after.since == before.since


def test_looking_tells_the_living_from_the_dead(tmp_path: Path) -> None:
    assert engine_alive(tmp_path) is None
    process = holder_process(tmp_path)
    alive = engine_alive(tmp_path)
    end(process)
    assert alive is not None
    assert alive.pid == process.pid
    assert engine_alive(tmp_path) is None


def test_a_command_that_holds_the_run_is_no_engine(tmp_path: Path) -> None:
    with OperatorLock.held(tmp_path):
        assert living_holder(tmp_path) is not None
        assert engine_alive(tmp_path) is None


def test_looking_does_not_keep_anybody_from_locking(tmp_path: Path) -> None:
    looker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom pathlib import Path\nfrom wsdash.engine.operator.lock import living_holder\n"
            "print(1, flush=True)\nwhile True: living_holder(Path(sys.argv[1]))",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert looker.stdout is not None
    looker.stdout.readline()
    try:
        for _ in range(50):
            with OperatorLock.held(tmp_path):
                pass
    finally:
        end(looker)


def test_a_damaged_lock_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "operator.lock").write_text("{half a js")
    with OperatorLock.held(tmp_path) as lock:
        assert lock.holder.pid == os.getpid()


def test_a_state_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(InputError, match="--state"):
        OperatorLock.acquire(tmp_path / "state")


def test_a_lock_that_a_full_disk_takes_nothing_of_is_told_and_let_go_of(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to("/dev/full")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(WsdashError) as told:
        OperatorLock.acquire(tmp_path)
    assert told.value.what == "the operator's lock cannot be written: the disk is full"
    assert (told.value.where, told.value.remedy.partition(",")[0]) == (
        str(tmp_path / FILE),
        "free some space there",
    )
    assert os.listdir("/proc/self/fd") == before


def test_a_lock_that_is_let_go_of_soon_is_waited_for(tmp_path: Path) -> None:
    (file := tmp_path / "lock").touch()
    with file.open() as looking, file.open() as taking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        let_go = threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN))
        let_go.start()
        assert not _lock(taking.fileno(), fcntl.LOCK_EX, 0.0)
        assert _lock(taking.fileno(), fcntl.LOCK_EX, 60.0)
        let_go.join()
