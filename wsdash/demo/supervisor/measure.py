"""CPU and memory of a service's processes together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from wsdash.demo.supervisor.tree import ProcessId, Table, members, memory_bytes


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
