"""The rehearsal on the embedded world: how long it takes, and how well it tells the migration's downtime.

python -m benchmarks.rehearsal --runs 3 --items 10000 --rounds 2 --port-offset 0 --json FILE

Each run builds a world, rehearses on it, migrates it, and compares the write downtime with the one that the
rehearsal had told to expect. The world is removed afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from wsdash.demo.world.build import WorldOptions, build_world, remove_world

GOAL_SECONDS = 20.0
Result = dict[str, Any]


def command(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of wsdash on that state directory. Ends the benchmark when it fails."""
    argv = [sys.executable, "-m", "wsdash", *words, "--state", str(state)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done


def one_run(items: int, rounds: int, offset: int | None) -> Result:
    """A world, rehearsed and migrated."""
    with tempfile.TemporaryDirectory(prefix="wsdash-bench-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        state = Path(directory) / "state"
        world = state / "world"
        options = WorldOptions(items=items, port_offset=offset)
        asyncio.run(build_world(world, options, lambda _: None))
        try:
            began = time.perf_counter()
            rehearsed = json.loads(command(state, "rehearse", "--rounds", str(rounds), "--json").stdout)
            seconds = time.perf_counter() - began
            report = state / "report.json"
            command(state, "migrate", "--yes", "--report", str(report))
            downtime = json.loads(report.read_text())["write_downtime_seconds"]
        finally:
            asyncio.run(remove_world(world))
    expected = rehearsed["downtime"]
    return {
        "rehearsal_seconds": seconds,
        "expected_low": expected["low"],
        "expected_likely": expected["likely"],
        "expected_high": expected["high"],
        "downtime_seconds": downtime,
        "within": expected["low"] <= downtime <= expected["high"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--port-offset", type=int)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    runs = [one_run(arguments.items, arguments.rounds, arguments.port_offset) for _ in range(arguments.runs)]
    for run in runs:
        print(
            f"rehearsal {run['rehearsal_seconds']:6.2f} s; downtime expected {run['expected_low']:.2f} to "
            f"{run['expected_high']:.2f} s (likely {run['expected_likely']:.2f}), "
            f"was {run['downtime_seconds']:.2f} s"
        )
    median = statistics.median(run["rehearsal_seconds"] for run in runs)
    print(f"rehearsal, median of {len(runs)}: {median:.2f} s (goal {GOAL_SECONDS:g} s)")
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
        found = {"machine": machine, "items": arguments.items, "rounds": arguments.rounds, "runs": runs}
        arguments.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
