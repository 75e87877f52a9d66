"""The operator's lock: one operator a run, shown to everybody else with host, pid and last sign of life.

The engine's sign of life says, for every screen, how long its event loop ever paused.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wsdash.engine.journal.store import Heartbeat
from wsdash.engine.limits import BEAT_SECONDS, LOCK_SECONDS, PATIENCE
from wsdash.errors import InputError, LockHeldError, system_failure
from wsdash.model.written import age, stamp
from wsdash.outside import DocumentError, read_json
from wsdash.tasks import LAG_STEP, LoopLag

if TYPE_CHECKING:  # the writer takes time to import, and a screen's lock does without it
    from wsdash.engine.journal.writer import Journal

FILE = "operator.lock"


class Holder(msgspec.Struct, frozen=True):
    """Who holds, or last held, the lock. since and heartbeat: seconds since the epoch. released: in order."""

    host: str
    pid: int
    since: float
    heartbeat: float
    purpose: str = "engine"
    released: bool = False

    def describe(self) -> str:
        """For people: who, where, since when, and how long ago it gave a sign of life."""
        since = stamp(self.since)
        quiet = max(0.0, time.time() - self.heartbeat)
        return f"pid {self.pid} on {self.host}, since {since}, last sign of life {age(quiet)} ago"


class OperatorLock:
    """The held lock; `previous` is the dead holder that it was taken over from, if any."""

    def __init__(self, path: Path, descriptor: int, holder: Holder, previous: Holder | None) -> None:
        self.path = path
        self.holder = holder
        self.previous = previous
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, state: Path, *, take_over: bool = False, purpose: str = "engine") -> OperatorLock:
        """Take the lock. Blocks for at most half a second.

        A holder that died on this host is taken over. One that was last seen on another host is only taken
        over with take_over, because a lock on a shared directory may not reach across hosts.
        Raises LockHeldError telling who holds it, InputError when the file cannot be opened, WsdashError when
        it cannot be locked or written.
        """
        path = state / FILE
        try:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise system_failure(
                error,
                path,
                "the operator's lock cannot be opened",
                remedy="make the state directory writable, or name another with --state",
                kind=InputError,
            ) from error
        try:
            held = _lock(descriptor, fcntl.LOCK_EX, PATIENCE)
            previous = _read(descriptor)
            if not held:
                raise _held(previous, path)
            foreign = previous is not None and not previous.released and previous.host != socket.gethostname()
            if foreign and not take_over:
                assert previous is not None
                raise LockHeldError(
                    f"the run was last held on another host: {previous.describe()}",
                    where=str(path),
                    remedy=f"look with `wsdash monitor`; end it there (`kill -TERM {previous.pid}`) or, if "
                    "that host is gone, add --take-over to this command",
                )
            now = time.time()
            dead = previous if previous is not None and not previous.released else None
            lock = cls(path, descriptor, Holder(socket.gethostname(), os.getpid(), now, now, purpose), dead)
            lock._write()
        except OSError as error:
            os.close(descriptor)
            raise system_failure(error, path, "the operator's lock cannot be written") from error
        except BaseException:
            os.close(descriptor)
            raise
        return lock

    @classmethod
    @contextlib.contextmanager
    def held(
        cls, state: Path, *, take_over: bool = False, purpose: str = "command"
    ) -> Iterator[OperatorLock]:
        """The lock for the length of a block."""
        lock = cls.acquire(state, take_over=take_over, purpose=purpose)
        try:
            yield lock
        finally:
            lock.release()

    def beat(self) -> None:
        """Renew the sign of life."""
        self.holder = msgspec.structs.replace(self.holder, heartbeat=time.time())
        self._write()

    def release(self) -> None:
        """Give it back, saying so in the file; calling it again does nothing."""
        if self._descriptor < 0:
            return
        self.holder = msgspec.structs.replace(self.holder, heartbeat=time.time(), released=True)
        with contextlib.suppress(OSError):
            self._write()
        os.close(self._descriptor)
        self._descriptor = -1

    def _write(self) -> None:
        # one write of one length: a reader without the lock never sees a mixture
        os.pwrite(self._descriptor, msgspec.json.encode(self.holder).ljust(512), 0)


def living_holder(state: Path) -> Holder | None:
    """Who holds the lock now, or None. On another host the sign of life must be younger than 10 s."""
    try:
        descriptor = os.open(state / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        holder = _read(descriptor)
        if holder is None or holder.released:
            return None
        if holder.host != socket.gethostname():
            return holder if time.time() - holder.heartbeat < 10 else None
        return None if _lock(descriptor, fcntl.LOCK_SH, 0) else holder
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def _read(descriptor: int) -> Holder | None:
    try:
        return read_json(os.pread(descriptor, 4096, 0), Holder)
    except (OSError, DocumentError):
        return None


def _ways_on(holder: Holder | None) -> str:
    """What a second operator may do. A lock that is held is never taken: its holder lives on this machine."""
    ways = "look on with `wsdash monitor`, or name another run with --state"
    if holder is None:
        return ways
    here = "" if holder.host == socket.gethostname() else f" on {holder.host}"
    return (
        f"{ways}; to end it, quit it in its screen, or `kill -TERM {holder.pid}`{here}: the state is saved "
        "and the same command goes on from there"
    )


def _held(holder: Holder | None, path: Path) -> LockHeldError:
    who = holder.describe() if holder is not None else "a session that has not given its name yet"
    return LockHeldError(
        f"another operator holds this run: {who}",
        where=str(path),
        remedy=_ways_on(holder),
    )


async def beat(journal: Journal, current: Callable[[], str], lag: LoopLag) -> None:
    """For ever: a heartbeat every BEAT_SECONDS, with the longest gap between two turns of this loop."""
    host, pid = socket.gethostname(), os.getpid()
    while True:
        journal.beat(Heartbeat(pid, host, time.time(), current(), LAG_STEP + lag.worst))
        await asyncio.sleep(BEAT_SECONDS)


async def keep_lock_fresh(lock: OperatorLock) -> None:
    """For ever: renew the lock's sign of life every LOCK_SECONDS."""
    while True:
        with contextlib.suppress(OSError):  # a full disk must not end the run; the lock itself still holds
            await asyncio.to_thread(lock.beat)
        await asyncio.sleep(LOCK_SECONDS)
