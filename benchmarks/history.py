"""How small fifteen days of samples are, and how long any window of them takes: python -m benchmarks.history

20 series, one sample a second, 25 920 000 samples: latencies (log-normal, with a daily rhythm, spikes and
failures), gauges that wander, gauges that hardly change, and counters. All are written through the history's
own writer; then random windows of every length are asked of its reader.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE, HistoryWriter

DAY = 86_400
BEGIN = 1_800_000_000 // DAY * DAY
LATENCIES, WANDERING, STEADY = 8, 6, 6


def latency(dice: random.Random) -> Iterator[float | None]:
    """Seconds of one probe a second."""
    base = math.exp(dice.uniform(-6, -3))
    second = 0
    while True:
        rhythm = 1 + 0.5 * math.sin(second / DAY * 2 * math.pi)
        spike = 10 if dice.random() < 0.002 else 1
        yield None if dice.random() < 0.0005 else base * rhythm * spike * math.exp(dice.gauss(0, 0.35))
        second += 1


def wandering(dice: random.Random) -> Iterator[float | None]:
    """Bytes, or per cent, that wander."""
    value = math.exp(dice.uniform(1, 22))
    while True:
        value *= math.exp(dice.gauss(0, 0.003))
        yield value


def steady(dice: random.Random) -> Iterator[float | None]:
    """A gauge that changes seldom: restarts, connections, a disk that fills."""
    value = float(dice.randrange(100))
    while True:
        if dice.random() < 0.01:
            value += dice.choice((-1.0, 1.0))
        yield value


def fill(path: Path, days: int, progress: Callable[[str], None]) -> float:
    """Write it all; seconds it took."""
    dice = random.Random(1)
    kinds = [latency] * LATENCIES + [wandering] * WANDERING + [steady] * STEADY
    series = [(f"series:{n}", kind(random.Random(dice.random()))) for n, kind in enumerate(kinds)]
    writer = HistoryWriter.open(path)
    begun = time.perf_counter()
    for second in range(days * DAY):
        at = float(BEGIN + second)
        for name, values in series:
            writer.add(name, at, next(values))
        if second % 300 == 299:
            writer.flush()
        if second % DAY == DAY - 1:
            progress(f"day {second // DAY + 1} of {days}: {path.stat().st_size / 1e6:.1f} MB")
    writer.close()
    return time.perf_counter() - begun


def ask(path: Path, days: int, times: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind of question over random windows; a fresh reader each, the file in memory."""
    dice = random.Random(2)
    span, end = days * DAY, BEGIN + days * DAY

    def window(longest: float) -> tuple[float, float]:
        length = longest * math.exp(dice.uniform(math.log(0.01), 0))
        until = end - dice.uniform(0, span - length)
        return until - length, until

    def name() -> str:
        return f"series:{dice.randrange(LATENCIES + WANDERING)}"

    asked: dict[str, Callable[[HistoryReader], object]] = {
        "percentile, any window": lambda reader: reader.percentile(name(), 0.99, *window(span)),
        "summary, any window": lambda reader: reader.summary(name(), *window(span)),
        "summary, all 15 days": lambda reader: reader.summary(name(), end - span, end),
        "points, any window, 120": lambda reader: reader.points(name(), *window(span), 120),
        "points, last hour, 120": lambda reader: reader.points(name(), end - 3600, end, 120),
        "points, last day, 120": lambda reader: reader.points(name(), end - DAY, end, 120),
        "points, 14 days, 120": lambda reader: reader.points(name(), end - 14 * DAY, end, 120),
        "gaps, all 15 days": lambda reader: reader.gaps(name(), end - span, end),
    }
    found = {}
    for title, question in asked.items():
        took = []
        for _ in range(times):
            reader = HistoryReader(path)
            begun = time.perf_counter()
            question(reader)
            took.append((time.perf_counter() - begun) * 1000)
            reader.close()
        took.sort()
        found[title] = {"median_ms": took[len(took) // 2], "worst_ms": took[-1]}
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--days", type=int, default=15)
    parser.add_argument("--times", type=int, default=40, help="questions of each kind")
    parser.add_argument(
        "--keep", type=Path, help="keep the file in this directory, and use it when it is there"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.keep or Path(temporary)
        directory.mkdir(exist_ok=True)
        path = directory / FILE
        told = (
            (lambda text: None) if arguments.json else lambda text: print(text, file=sys.stderr, flush=True)
        )
        seconds = None if path.exists() else fill(path, arguments.days, told)
        reader = HistoryReader(path)
        size = reader.size()
        reader.close()
        queries = ask(path, arguments.days, arguments.times)
        result = {
            "days": arguments.days,
            "series": LATENCIES + WANDERING + STEADY,
            "samples": arguments.days * DAY * (LATENCIES + WANDERING + STEADY),
            "megabytes": size.bytes / 1e6,
            "megabytes_per_day": size.bytes_per_day / 1e6,
            "write_seconds": seconds,
            "queries": queries,
        }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return 0
    print(
        f"{result['samples']:,} samples: {size.bytes / 1e6:.1f} MB, {size.bytes_per_day / 1e6:.2f} MB a day"
    )
    if seconds is not None:
        print(f"written in {seconds:.0f} s, {arguments.days * DAY * 20 / seconds:,.0f} samples a second")
    for title, took in queries.items():
        print(f"{title:<26} median {took['median_ms']:6.1f} ms, worst {took['worst_ms']:6.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
