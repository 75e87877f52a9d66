"""First paint of the screen, and a whole headless demo: wall time, memory and CPU of wsdash itself.

python benchmarks/screen.py --runs 5 --items 10000 --json FILE
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import platform
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

import psutil

FRAME = b"Backup current"


def first_paint(columns: int = 120, rows: int = 36) -> tuple[float, float]:
    """Seconds from the command to the first byte of a frame, and to the painted checklist."""
    state = Path(tempfile.mkdtemp(prefix="wsdash-bench-"))
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        words = [sys.executable, "-m", "wsdash", "demo", "--items", "100", "--state", str(state / "s")]
        os.execv(sys.executable, words)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    seen = b""
    first = painted = 0.0
    deadline = started + 20
    while not painted and time.perf_counter() < deadline:
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        seen += os.read(terminal, 65536)
        now = time.perf_counter() - started
        first = first or now
        if FRAME in seen:
            painted = now
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    end_world(state)
    return first, painted


def end_world(state: Path) -> None:
    """End every process that works on this state directory, then remove it."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(state) in word for word in process.info["cmdline"] or []):
            process.kill()
    time.sleep(0.3)
    shutil.rmtree(state, ignore_errors=True)


def headless(items: int) -> dict[str, float]:
    """One whole demo: wall seconds, peak RSS (bytes) and CPU seconds of the engine's own process."""
    state = Path(tempfile.mkdtemp(prefix="wsdash-bench-"))
    words = ["demo", "--auto", "--headless", "--items", str(items), "--state", str(state / "s")]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "wsdash", *words], stdout=subprocess.DEVNULL)
    engine = psutil.Process(process.pid)
    peak = 0
    cpu = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak, cpu
        while not done.is_set():
            try:
                peak = max(peak, engine.memory_info().rss)
                times = engine.cpu_times()
                cpu = times.user + times.system
            except psutil.Error:
                return
            done.wait(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait(600)
    wall = time.perf_counter() - started
    done.set()
    watcher.join()
    end_world(state)
    if code != 0:
        raise SystemExit(f"the demo failed with exit code {code}")
    return {"wall_seconds": wall, "peak_rss_bytes": float(peak), "cpu_seconds": cpu}


def main() -> None:
    """Measure and print medians; every run is in the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    paints = [first_paint() for _ in range(arguments.runs)]
    demos = [headless(arguments.items) for _ in range(arguments.runs)]
    results = {
        "first_byte_seconds": [first for first, _ in paints],
        "first_paint_seconds": [painted for _, painted in paints],
        **{f"demo_{key}": [demo[key] for demo in demos] for key in demos[0]},
    }
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
    report = {
        "machine": machine,
        "results": [{"name": k, "median": statistics.median(v), "runs": v} for k, v in results.items()],
    }
    for result in report["results"]:
        print(f"{result['name']:<24} {result['median']:>16,.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
