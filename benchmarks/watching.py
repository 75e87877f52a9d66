"""Watching a real Docker engine: what it costs, how soon a kill shows, how many log lines are followed.

python -m benchmarks.watching --containers 6,50 --seconds 20 --kills 50 --log-rates 1000,20000 --json FILE

Brings up a Docker engine of its own (as the tests do: root, dockerd, docker-compose, mmdebstrap), removes it.
- Cost: every container writes `--rate` lines a second. CPU (per cent of one core) and peak memory over
  `--seconds` of the engine (dockerd, its containerd and the shims) alone, and of watcher and engine with each
  watcher: the whole `wsdash monitor` on a pty of 120x36, `wsdash watch` (the engine that records), and
  `docker stats` together with `docker-compose logs -f`, each on a pty.
- Kills: seconds from the start of `docker kill` (and from the engine's own event) until the text of the
  monitor's real terminal says so, in the containers pane alone (200x60).
- Logs: six containers write numbered lines at each rate; `wsdash watch` follows them into its spool. A rate
  holds when every line is there exactly once and the last one at most a second after the engine stamped it.
`--seconds 0`, `--kills 0` and `--log-rates ''` leave a part out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.docker_site import BURST, STEADY, Drained, Site, cost, died_at, private_site, with_children
from tests.support.terminal import Terminal
from wsdash.engine.background.spool import SpoolCursor, SpoolReader

SETTLE_SECONDS = 6.0
SHOWN_SECONDS = 15.0
LOG_CONTAINERS = 6
LATE_SECONDS = 1.0
GIVE_UP_SECONDS = 30.0

Result = dict[str, Any]


def costs(site: Site, count: int, rate: float, seconds: float) -> list[Result]:
    """Nobody watching, then each watcher in turn."""
    site.up(count, STEADY, rate)
    state = site.directory / "recording"
    watchers: dict[str, list[list[str]]] = {
        "nobody": [],
        "wsdash monitor": [site.wsdash_argv("monitor")],
        "wsdash watch": [site.wsdash_argv("watch", "--state", str(state))],
        "docker stats + docker-compose logs -f": [
            ["docker", "stats", *site.names],
            site.compose_argv("logs", "-f", "--tail", "0"),
        ],
    }
    results = []
    for name, commands in watchers.items():
        programs = [Drained(argv, site.environment(), 120, 36) for argv in commands]
        time.sleep(SETTLE_SECONDS)
        groups = {"engine": site.engine_processes(), "watcher": with_children(p.pid for p in programs)}
        measured = cost(groups, seconds)
        for program in programs:
            program.end()
        result: Result = {"name": "cost", "watcher": name, "containers": count}
        result["lines_per_second"] = count * rate
        for group, of in measured.items():
            result |= {f"{group}_{key}": value for key, value in of.items()}
        written = sum(program.bytes_read for program in programs)
        result["terminal_bytes_per_second"] = written / (seconds + SETTLE_SECONDS)
        results.append(result)
        print_cost(result)
        time.sleep(1)
    site.down()
    return results


def print_cost(result: Result) -> None:
    """One line."""
    print(
        f"{result['containers']:>3} containers, {result['watcher']:<38}"
        f" watcher {result['watcher_cpu_percent']:6.1f} % {result['watcher_peak_rss_bytes'] / 1e6:6.0f} MB"
        f"   engine {result['engine_cpu_percent']:6.1f} % {result['engine_peak_rss_bytes'] / 1e6:6.0f} MB",
        flush=True,
    )


def kills(site: Site, count: int, rate: float, times: int) -> Result:
    """Kill one container after the other and look at the terminal."""
    site.up(count, STEADY, rate)
    monitor = Terminal(site.wsdash_argv("monitor"), site.environment(), 200, 60)
    shown, after_event = [], []
    try:
        monitor.wait_for(site.names[-1], 30)
        monitor.press("2z")
        for name in site.names:
            until_row(monitor, name, "running")
        time.sleep(SETTLE_SECONDS)
        chance = random.Random(1)
        for number in range(times):
            name = site.names[number % count]
            time.sleep(chance.random())  # anywhere between two readings
            began, began_at = time.monotonic(), time.time()
            killing = subprocess.Popen(
                ["docker", "kill", name], env=site.environment(), stdout=subprocess.DEVNULL
            )
            until_row(monitor, name, "exited")
            shown.append(time.monotonic() - began)
            seen_at = time.time()
            killing.wait()
            after_event.append(seen_at - died_at(site, name, began_at - 1))
            site.engine.docker("start", name)
            until_row(monitor, name, "running")
    finally:
        monitor.end()
        site.down()
    result: Result = {"name": "kill", "containers": count, "lines_per_second": count * rate, "kills": times}
    for key, values in (("from_command", shown), ("from_event", after_event)):
        result[f"{key}_median_seconds"] = statistics.median(values)
        result[f"{key}_worst_seconds"] = max(values)
        result[f"{key}_runs"] = values
        median = result[f"{key}_median_seconds"]
        print(f"{count:>3} containers, kill {key}: {median:.3f} s, worst {max(values):.3f} s", flush=True)
    return result


def until_row(monitor: Terminal, name: str, word: str) -> None:
    """Return when the container's row says it. Raises SystemExit with the screen when it does not."""
    deadline = time.monotonic() + SHOWN_SECONDS
    while not any(name in line and word in line for line in monitor.text().splitlines()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} was not shown as {word}:\n{monitor.text()}")
        time.sleep(0.005)


def logs(site: Site, rate: int, seconds: float) -> Result:
    """Follow numbered lines at that rate, all containers together, into a spool; every line is looked for."""
    each = int(rate * seconds / LOG_CONTAINERS)
    state = site.directory / f"logs-{rate}"
    # the recorder must be there before the first line: it takes up the log from now on
    site.up(LOG_CONTAINERS, BURST, 1, 0)
    recorder = subprocess.Popen(
        site.wsdash_argv("watch", "--state", str(state)),
        env=site.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(SETTLE_SECONDS)
    site.up(LOG_CONTAINERS, BURST, rate / LOG_CONTAINERS, each)
    try:
        seen, newest, oldest, late = _collect(state, each)
    finally:
        recorder.terminate()
        recorder.wait(30)
        site.down()
    expected = {(name, f"line {k} of a log that is counted") for name in site.names for k in range(each)}
    lost = sum(1 for key in expected if not seen[key])
    repeated = sum(count - 1 for key, count in seen.items() if count > 1)
    result: Result = {
        "name": "logs",
        "asked_lines_per_second": rate,
        "written_lines_per_second": len(expected) / max(newest - oldest, 1e-9),
        "lines": len(expected),
        "lost": lost,
        "repeated": repeated,
        "last_line_late_seconds": late,
        "holds": not lost and not repeated and late <= LATE_SECONDS,
    }
    print({key: value for key, value in result.items() if key != "name"}, flush=True)
    return result


def _collect(state: Path, each: int) -> tuple[Counter[tuple[str, str]], float, float, float]:
    """The spool's lines as they come; the engine's newest and oldest time, and how late the last line was."""
    reader, cursor = SpoolReader(state), SpoolCursor()
    seen: Counter[tuple[str, str]] = Counter()
    newest, oldest, came, wanted = 0.0, float("inf"), time.time(), each * LOG_CONTAINERS
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while len(seen) < wanted and time.monotonic() < deadline:
        lines, cursor = reader.read(cursor, 20_000)
        counted = [line for line in lines if line.stream == "stdout" and line.text.startswith("line ")]
        if not counted:
            time.sleep(0.02)
            continue
        seen.update((line.container, line.text) for line in counted)
        came, deadline = time.time(), time.monotonic() + GIVE_UP_SECONDS
        newest = max(newest, *(line.at for line in counted))
        oldest = min(oldest, *(line.at for line in counted))
    return seen, newest, oldest, came - newest


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--containers", default="6,50")
    parser.add_argument("--rate", type=float, default=5, help="lines a second of each container")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--log-rates", default="1000,2000,5000,10000,20000")
    parser.add_argument("--log-seconds", type=float, default=10)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Measure what was asked for and print it."""
    arguments = parsed()
    counts = [int(word) for word in arguments.containers.split(",") if word]
    results: list[Result] = []
    with private_site() as site:
        for count in counts if arguments.seconds else []:
            results += costs(site, count, arguments.rate, arguments.seconds)
        for count in counts if arguments.kills else []:
            results.append(kills(site, count, arguments.rate, arguments.kills))
        for rate in [int(word) for word in arguments.log_rates.split(",") if word]:
            results.append(logs(site, rate, arguments.log_seconds))
    versions = subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=False).stdout
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
    report = {"machine": machine | {"engine": versions.strip()}, "results": results}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
