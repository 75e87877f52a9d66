"""What the screen costs, beside a minimal Textual app and Docker's own tools, each on a pty, in one run.

python benchmarks/screen.py --runs 5 --items 10000 --json FILE

- Start: from the command to the first byte, and to the painted checklist.
- Rest: the demo's plan is done, all pollers run, nobody types. CPU of operator's screen, monitor and engine
  (per cent of one core), and what the screens send (bytes a second).
- Keys: CPU of moving the cursor up and down, beside the minimal app's (seconds a key, rest subtracted).
- Flood: `--lines` log lines a second arrive; from the key to its paint, in turns with the minimal app, whose
  log takes as many lines. Then memory after `--million-lines` million lines.
- Panels: from the key to the panel's frame.
- Demo: a whole headless demo: wall time, memory and CPU of the engine.
- Docker (`--containers 6,50`; needs root and what benchmarks/watching.py needs): `wsdash watch` and the
  monitor beside `docker stats` with `docker-compose logs -f`.
`--parts start,rest,flood,panels,demo` names what is measured. Keys belong to rest. CPU times count on a
loaded machine too, wall times do not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from flood import Flood
from pty_program import Program

from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.launch import engine_alive
from wsdash.errors import WsdashError
from wsdash.model import RunFinished

FRAME = "Backup current"
MINIMAL = [sys.executable, str(Path(__file__).with_name("minimal_app.py"))]
STEPS = 12
"""The cursor goes so far down before it goes up again: every key moves it."""
KEY_SECONDS = 0.05
DONE_SECONDS = 180.0
SETTLE_SECONDS = 8.0
PANELS = {"e": "Evidence", "s": "Schema", "d": "Differences", "c": "Testing", "m": "Metrics", "A": "Alerts"}
"""Keys of the monitor, and a word of the panel's frame that each opens."""

Result = dict[str, Any]


def wsdash(*words: str) -> list[str]:
    """A wsdash command."""
    return [sys.executable, "-m", "wsdash", *words]


def first_paint(offset: int) -> tuple[float, float]:
    """Seconds from the command to the first byte of a frame, and to the painted checklist."""
    with directory() as state:
        words = ["demo", "--items", "100", "--state", str(state), "--port-offset", str(offset)]
        program = Program(wsdash(*words))
        painted = program.wait_for(FRAME) - program.began
        program.end()
        return program.first_byte, painted


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A state directory; afterwards every process that works on it is ended, and it is removed."""
    base = Path(tempfile.mkdtemp(prefix="wsdash-bench-"))
    try:
        yield base / "s"
    finally:
        for process in psutil.process_iter(["cmdline"]):
            if any(str(base) in word for word in process.info["cmdline"] or []):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        time.sleep(0.3)
        shutil.rmtree(base, ignore_errors=True)


@contextlib.contextmanager
def finished_demo(items: int, offset: int) -> Iterator[tuple[Path, Program, psutil.Process]]:
    """A demo whose plan is done: its state directory, the operator's screen, the engine."""
    with directory() as state:
        words = ["demo", "--auto", "--yes", "--items", str(items), "--state", str(state)]
        operator = Program(wsdash(*words, "--port-offset", str(offset)))
        deadline = time.monotonic() + DONE_SECONDS
        while not finished(state):
            if time.monotonic() > deadline:
                raise SystemExit(f"the plan was not done within {DONE_SECONDS:g} s")
            time.sleep(0.5)
        info = engine_alive(state)
        if info is None:
            raise SystemExit("the engine did not survive")
        engine = psutil.Process(info.pid)
        try:
            yield state, operator, engine
        finally:
            operator.end()
            engine.send_signal(signal.SIGTERM)
            psutil.wait_procs([engine], timeout=60)


def finished(state: Path) -> bool:
    """Whether the engine has come to the end of the plan."""
    with contextlib.suppress(WsdashError):
        reader = JournalReader(state)
        try:
            return any(isinstance(recorded.event, RunFinished) for recorded in reader.history())
        finally:
            reader.close()
    return False


def rest(items: int, offset: int, seconds: float, keys: int) -> Result:
    """What all cost while nobody types; then what a key costs, wsdash and the minimal app in turns."""
    with finished_demo(items, offset) as (state, operator, engine):
        screens = {
            "operator": operator,
            "monitor": Program(wsdash("monitor", "--state", str(state))),
            "minimal": Program(MINIMAL),
        }
        time.sleep(SETTLE_SECONDS)
        before = {name: (one.cpu_seconds(), one.bytes_read) for name, one in screens.items()}
        engine_before = sum(engine.cpu_times()[:2])
        began = time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        result: Result = {"engine_cpu_percent": 100 * (sum(engine.cpu_times()[:2]) - engine_before) / passed}
        for name, one in screens.items():
            cpu, written = before[name]
            result[f"{name}_cpu_percent"] = 100 * (one.cpu_seconds() - cpu) / passed
            result[f"{name}_bytes_per_second"] = (one.bytes_read - written) / passed
            result[f"{name}_rss_bytes"] = float(one.process.memory_info().rss)
        result["engine_rss_bytes"] = float(engine.memory_info().rss)
        per_key: dict[str, list[float]] = {name: [] for name in screens}
        for _ in range(3):
            for name, one in screens.items():
                idle = result[f"{name}_cpu_percent"] / 100
                per_key[name].append(cpu_of_keys(one, keys, idle, down=name == "minimal"))
        for name, values in per_key.items():
            result[f"{name}_key_cpu_seconds"] = statistics.median(values)
        for one in screens.values():
            one.end()
    return result


def cpu_of_keys(program: Program, count: int, idle: float, *, down: bool) -> float:
    """CPU seconds a key, less what it costs at rest (`idle`, a share of a core). down: it goes down first."""
    before, began = program.cpu_seconds(), time.monotonic()
    for way in zigzag(count, down):
        program.press(way)
        time.sleep(KEY_SECONDS)
    time.sleep(0.3)
    return (program.cpu_seconds() - before - idle * (time.monotonic() - began)) / count


def zigzag(count: int, down: bool) -> Iterator[str]:
    """Keys that move a cursor down and up again; it comes back to where it was."""
    for number in range(count - count % (2 * STEPS)):
        yield "j" if ((number // STEPS) % 2 == 0) == down else "k"


def flood(lines: int, keys: int, million: float) -> Result:
    """From a key to its paint while log lines arrive, wsdash and the minimal app in turns; then memory."""
    with directory() as state, Flood(state, lines) as source:
        screen = Program(wsdash("monitor", "--state", str(state)))
        minimal = Program([*MINIMAL, str(lines)])
        screen.wait_for(FRAME)
        time.sleep(SETTLE_SECONDS)
        waits: dict[str, list[float]] = {"wsdash": [], "minimal": []}
        seen = {"wsdash": "❯", "minimal": "item"}
        for way in zigzag(keys, down=True):
            for name, one in (("wsdash", screen), ("minimal", minimal)):
                waits[name].append(one.wait_for_key(way, seen[name]))
                time.sleep(KEY_SECONDS)
        result: Result = {}
        for name, values in waits.items():
            ordered = sorted(values)
            result[f"{name}_key_to_paint_median_seconds"] = statistics.median(ordered)
            result[f"{name}_key_to_paint_p99_seconds"] = ordered[int(0.99 * (len(ordered) - 1))]
        before = {"wsdash": screen.cpu_seconds(), "minimal": minimal.cpu_seconds()}
        began = time.monotonic()
        time.sleep(5)
        passed = time.monotonic() - began
        result["wsdash_cpu_percent"] = 100 * (screen.cpu_seconds() - before["wsdash"]) / passed
        result["minimal_cpu_percent"] = 100 * (minimal.cpu_seconds() - before["minimal"]) / passed
        minimal.end()
        if million:
            source.faster(int(million * 1e6))
            time.sleep(3)
        result["lines_written"] = source.written
        result["wsdash_rss_bytes"] = float(screen.process.memory_info().rss)
        screen.end()
    return result


def panels(items: int, offset: int) -> Result:
    """Seconds from the key until the panel's frame is painted; the longest of three times each."""
    result: Result = {}
    with finished_demo(items, offset) as (state, _, _):
        monitor = Program(wsdash("monitor", "--state", str(state)))
        monitor.wait_for(FRAME)
        time.sleep(SETTLE_SECONDS)
        for key, word in PANELS.items():
            waits = []
            for _ in range(3):
                waits.append(monitor.wait_for_key(key, word))
                time.sleep(1.0)
                monitor.press("\x1b")
                time.sleep(1.0)
            result[f"panel_{word.lower()}_seconds"] = max(waits)
        monitor.end()
    return result


def headless(items: int, offset: int) -> Result:
    """One whole demo: wall seconds, peak RSS (bytes) and CPU seconds of the engine's own process."""
    with directory() as state:
        words = ["demo", "--auto", "--headless", "--items", str(items), "--state", str(state)]
        started = time.perf_counter()
        process = subprocess.Popen(wsdash(*words, "--port-offset", str(offset)), stdout=subprocess.DEVNULL)
        engine = psutil.Process(process.pid)
        peak = 0
        cpu = 0.0
        done = threading.Event()

        def watch() -> None:
            nonlocal peak, cpu
            while not done.is_set():
                try:
                    peak = max(peak, engine.memory_info().rss)
                    cpu = sum(engine.cpu_times()[:2])
                except psutil.Error:
                    return
                done.wait(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait(600)
        wall = time.perf_counter() - started
        done.set()
        watcher.join()
    if code != 0:
        raise SystemExit(f"the demo failed with exit code {code}")
    return {"wall_seconds": wall, "peak_rss_bytes": float(peak), "cpu_seconds": cpu}


def beside_docker(counts: list[int], seconds: float) -> list[Result]:
    """What watching containers costs, with wsdash and with Docker's own tools."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from benchmarks.docker_site import private_site
    from benchmarks.watching import costs

    with private_site() as site:
        return [result for count in counts for result in costs(site, count, 5, seconds)]


def ratios(results: dict[str, Result]) -> dict[str, float]:
    """What is held against the goals; only what was measured."""
    found: dict[str, float] = {}
    if calm := results.get("rest"):
        found["key_cpu_vs_minimal"] = calm["operator_key_cpu_seconds"] / calm["minimal_key_cpu_seconds"]
        for name in ("operator", "monitor", "engine"):
            found[f"idle_cpu_percent_{name}"] = calm[f"{name}_cpu_percent"]
        written = (calm["operator_bytes_per_second"], calm["monitor_bytes_per_second"])
        found["idle_output_bytes_per_second"] = max(written)
    if busy := results.get("flood"):
        found["key_to_paint_vs_minimal"] = (
            busy["wsdash_key_to_paint_p99_seconds"] / busy["minimal_key_to_paint_p99_seconds"]
        )
    return found


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="start,rest,flood,panels,demo")
    parser.add_argument("--runs", type=int, default=5, help="of start and demo")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="at rest")
    parser.add_argument("--keys", type=int, default=192)
    parser.add_argument("--lines", type=int, default=10_000, help="log lines a second")
    parser.add_argument("--million-lines", type=float, default=5.0)
    parser.add_argument("--containers", default="")
    parser.add_argument("--port-offset", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Measure what was asked for and print it; every run is in the JSON."""
    chosen = parsed()
    parts = chosen.parts.split(",")
    offset = chosen.port_offset
    results: dict[str, Result] = {}
    if "start" in parts:
        paints = [first_paint(offset) for _ in range(chosen.runs)]
        first, painted = zip(*paints, strict=True)
        medians = {
            "first_byte_seconds": statistics.median(first),
            "first_paint_seconds": statistics.median(painted),
        }
        results["start"] = medians | {"runs": paints}
    if "rest" in parts:
        results["rest"] = rest(min(chosen.items, 1000), offset, chosen.seconds, chosen.keys)
    if "flood" in parts:
        results["flood"] = flood(chosen.lines, chosen.keys, chosen.million_lines)
    if "panels" in parts:
        results["panels"] = panels(min(chosen.items, 1000), offset)
    if "demo" in parts:
        demos = [headless(chosen.items, offset) for _ in range(chosen.runs)]
        results["demo"] = {key: statistics.median(one[key] for one in demos) for key in demos[0]}
        results["demo"]["runs"] = demos
    if chosen.containers:
        counts = [int(word) for word in chosen.containers.split(",")]
        results["docker"] = {"runs": beside_docker(counts, chosen.seconds)}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
    report = {"machine": machine, "ratios": ratios(results), "results": results}
    for part, measured in {**results, "ratios": report["ratios"]}.items():
        for name, value in measured.items():
            if isinstance(value, int | float):
                print(f"{part + ' ' + name:<48} {value:>16,.4f}")
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
