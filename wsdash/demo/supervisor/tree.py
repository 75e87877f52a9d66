"""A service's processes: all of them, found, measured and ended, as a container's would be."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from wsdash.demo.limits import TREE_POLL_SECONDS

MARKER = "WSDASH_SERVICE"
"""Environment variable that every process of a service inherits: whose process is this?"""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    mark: float


@dataclass(frozen=True)
class ProcessRow:
    """One process as the system lists it. cpu_seconds includes children that ended and were waited for."""

    id: ProcessId
    parent: int
    session: int
    cpu_seconds: float


Table = dict[int, ProcessRow]


def scan() -> Table:
    """Every living process of this machine by pid; zombies are dead. Blocking for some milliseconds."""
    return _scan_proc() if Path("/proc/self/stat").exists() else scan_portably()


def _scan_proc() -> Table:
    table: Table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] in (b"Z", b"X"):
            continue
        pid = int(entry)
        cpu = sum(map(int, fields[11:15])) / _TICKS
        table[pid] = ProcessRow(ProcessId(pid, float(fields[19])), int(fields[1]), int(fields[3]), cpu)
    return table


def scan_portably() -> Table:
    """The same without /proc."""
    table: Table = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError), process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            mark, cpu = process.create_time(), sum(process.cpu_times()[:4])
            id_ = ProcessId(process.pid, mark)
            table[process.pid] = ProcessRow(id_, process.ppid(), os.getsid(process.pid), cpu)
    return table


def members(
    root: ProcessId, table: Table, owner: str | None, known: Iterable[ProcessId] = ()
) -> list[ProcessRow]:
    """The service's processes in `table`.

    A session's number is not reused while anybody is in it, so when the root ended only just now (owner is
    None) all of its session counts. Of a root that ended some time ago only processes count whose
    environment names `owner`. `known` members, seen while the root lived, count always.
    """
    found = {id_.pid for id_ in known if id_.pid in table and table[id_.pid].id == id_}
    here = table.get(root.pid)
    if here is not None and here.id == root:
        found |= {root.pid} | {pid for pid, row in table.items() if row.session == root.pid}
    elif here is None:
        session = {pid for pid, row in table.items() if row.session == root.pid}
        found |= {pid for pid in session if owner is None or _owner_of(pid) == owner}
    children: dict[int, list[int]] = {}
    for pid, row in table.items():
        children.setdefault(row.parent, []).append(pid)
    waiting = list(found)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    found.discard(os.getpid())
    return [table[pid] for pid in found]


def _owner_of(pid: int) -> str:
    try:
        return psutil.Process(pid).environ().get(MARKER, "")
    except (psutil.Error, OSError):
        return ""


def identify(pid: int) -> ProcessId | None:
    """The living process with that pid, or None."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        row = None if Path("/proc/self/stat").exists() else scan_portably().get(pid)
        return row.id if row else None
    return None if fields[0] in (b"Z", b"X") else ProcessId(pid, float(fields[19]))


def send(target: ProcessId, number: int) -> None:
    """Send a signal to that very process; nothing happens when it is gone."""
    if identify(target.pid) == target:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(target.pid, number)


def memory_bytes(rows: Iterable[ProcessRow]) -> int:
    """Memory of several processes that share some of it, in bytes.

    The private part of each, plus the largest shared part once: PostgreSQL's processes all map the same
    buffers, and adding their RSS would count those once a process. (PSS would be exact, and far too slow.)
    """
    private = shared = 0
    for row in rows:
        try:
            info = psutil.Process(row.id.pid).memory_info()
        except (psutil.Error, OSError):
            continue
        common = int(getattr(info, "shared", 0))
        private += max(0, info.rss - common)
        shared = max(shared, common)
    return private + shared


def stop_tree(
    root: ProcessId, stop_signal: int, grace: float, owner: str, known: Iterable[ProcessId] = ()
) -> None:
    """End a service: `stop_signal` to its root, SIGKILL to all that is left after `grace` seconds.

    Blocking. Returns when nothing of it lives, at the latest 5 s after the grace period.
    """
    known = set(known)
    trusted = None if identify(root.pid) == root else owner
    send(root, stop_signal)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline + 5:
        left = members(root, scan(), trusted, known)
        if not left:
            return
        known |= {row.id for row in left}
        if time.monotonic() > deadline or all(row.id != root for row in left):
            for row in left:
                send(row.id, signal.SIGKILL)
        time.sleep(TREE_POLL_SECONDS)


@dataclass
class Usage:
    """The last measurement of a running service. cpu_percent: 100 is one core; oom_kills: the machine's."""

    known: set[ProcessId] = field(default_factory=set)
    cpu_seconds: float | None = None
    at: float = 0.0
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    oom_kills: int = 0


def tree_usage(root: ProcessId, table: Table, before: Usage) -> Usage:
    """Measure now; CPU is the mean since `before`. Blocking."""
    rows = members(root, table, None, before.known)
    now, cpu = time.monotonic(), sum(row.cpu_seconds for row in rows)
    percent = None
    if before.cpu_seconds is not None and now > before.at:
        percent = max(0.0, (cpu - before.cpu_seconds) / (now - before.at) * 100)
    return Usage({row.id for row in rows}, cpu, now, percent, memory_bytes(rows), oom_kills())


def oom_kills() -> int:
    """How many processes the kernel killed for want of memory since it booted; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
