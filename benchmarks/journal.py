"""From an event to a screen: how long until a reader that polls has it, while other events flow.

python benchmarks/journal.py --poll 0.05 --events 400 --json FILE
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

from wsdash.engine.journal.writer import Journal, JournalReader
from wsdash.model import HostReading, LatencyReading, Notice


class Follower(threading.Thread):
    """A screen's reading side: polls, and notes each event's age when it has it."""

    def __init__(self, state: Path, poll: float) -> None:
        super().__init__()
        self.ages: list[float] = []
        self.over = False
        self._state = state
        self._poll = poll

    def run(self) -> None:
        """Begin behind what is there; `over` ends it after one more poll."""
        reader = JournalReader(self._state)
        after = max((recorded.seq for recorded in reader.events(0, 1_000_000)), default=0)
        while not self.over:
            if reader.changed():
                for recorded in reader.events(after):
                    after = recorded.seq
                    self.ages.append(time.time() - recorded.at)
            time.sleep(self._poll)
        reader.close()


async def measure(poll: float, events: int) -> dict[str, float]:
    """Milliseconds from event to reader, and of a durable record, on a journal that already holds 25 000."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal.open(Path(directory))
        for number in range(25_000):
            journal.emit(Notice("info", "x" * 50) if number % 5 == 0 else LatencyReading("api-old", 0.1))
        await journal.record(Notice("info", "full"))
        follower = Follower(Path(directory), poll)
        follower.start()
        await asyncio.sleep(0.5)
        for _ in range(events):
            journal.emit(HostReading(1, 1, 1, 1, 1))
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        follower.over = True
        await asyncio.to_thread(follower.join)
        started = time.perf_counter()
        for _ in range(100):
            await journal.record(Notice("info", "durable"))
        record = (time.perf_counter() - started) / 100
        await journal.close()
    ages = sorted(follower.ages)
    return {
        "events": len(ages),
        "event_to_reader_p50_ms": statistics.median(ages) * 1000,
        "event_to_reader_p99_ms": ages[int(len(ages) * 0.99)] * 1000,
        "event_to_reader_max_ms": ages[-1] * 1000,
        "durable_record_ms": record * 1000,
    }


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poll", type=float, default=0.05, help="seconds between two looks")
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.poll, arguments.events))
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
