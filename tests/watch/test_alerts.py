"""The shipped rules at work on readings: when they begin, when they end, and when they must keep still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.watch.support import EPOCH, FakeClock, Recorder, running, settings_of
from wsdash.model import (
    AlertChanged,
    ContainerRestarted,
    HostReading,
    LatencyReading,
    LogLine,
    MetricsReading,
)
from wsdash.watch.alerts import Alerts
from wsdash.watch.board import Board
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.world import rules_of


class Judged:
    """Alerts whose readings the test makes, one round a second."""

    def __init__(self, tmp_path: Path) -> None:
        settings = settings_of(tmp_path)
        self.clock, self.seen = FakeClock(), Recorder()
        self.board = Board(settings, self.clock)
        self.errors = ErrorCounter("workspace-api")
        self.alerts = Alerts(rules_of(settings), self.board, self.errors, self.seen.emit, self.clock)
        self.api_state = running("workspace-api")

    async def rounds(self, seconds: int, read: Callable[[], None] | None = None) -> None:
        for _ in range(seconds):
            await self.clock.advance(1)
            self.board.put(self.api_state)
            self.board.put(running("apps-workspace", state="exited", exit_code=0))
            if read is not None:
                read()
            self.alerts.evaluate()

    def pool(self, used: int) -> None:
        self.alerts.observe(MetricsReading("connections", {"pool:limit": 100.0, "pool:used": float(used)}))

    def answers(self, seconds: float | None, series: str = "api-new") -> Callable[[], None]:
        return lambda: self.alerts.observe(LatencyReading(series, seconds))

    def changes(self, rule: str) -> list[bool]:
        return [change.raised for change in self.seen.of(AlertChanged) if change.rule == rule]

    def last(self, rule: str) -> AlertChanged:
        return [change for change in self.seen.of(AlertChanged) if change.rule == rule][-1]


async def test_a_slow_api_raises_after_a_while_and_says_how_slow(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    await judged.rounds(24, judged.answers(0.812))
    assert judged.changes("api-latency") == []
    await judged.rounds(2, judged.answers(0.812))
    assert judged.changes("api-latency") == [True]
    assert judged.last("api-latency").text == "API slow: api-new, 1 in 10 takes 812 ms or more (limit 500 ms)"
    assert judged.last("api-latency").alert == "api-latency/api-new"
    assert judged.last("api-latency").since == EPOCH + 10


async def test_one_slow_answer_raises_nothing(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    await judged.rounds(30, judged.answers(0.01))
    await judged.rounds(1, judged.answers(9.0))
    await judged.rounds(30, judged.answers(0.01))
    assert judged.changes("api-latency") == []


async def test_an_api_that_should_answer_and_does_not_is_slow_and_down(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    await judged.rounds(40, judged.answers(None))
    assert judged.changes("api-latency") == [True]
    assert judged.last("api-latency").text.startswith("API slow: api-new, no answer")
    assert judged.last("api-latency").worst is None
    assert judged.changes("target-down") == [True]
    assert judged.last("target-down").text == "Does not answer: api-new"


async def test_a_latency_alert_ends_only_clearly_below_its_limit(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    await judged.rounds(30, judged.answers(0.6))
    await judged.rounds(400, judged.answers(0.45))
    assert judged.changes("api-latency") == [True]
    await judged.rounds(300, judged.answers(0.05))
    assert judged.changes("api-latency") == [True, False]
    assert judged.last("api-latency").worst == 0.6


async def test_an_api_that_is_stopped_on_purpose_raises_nothing_and_ends_its_alert(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    await judged.rounds(40, judged.answers(None, "api-old"))
    assert True not in judged.changes("api-latency") + judged.changes("target-down")
    await judged.rounds(40, judged.answers(0.9))
    assert judged.changes("api-latency")[-1]
    judged.api_state = running("workspace-api", state="exited", exit_code=143)
    await judged.rounds(1, judged.answers(None))
    assert judged.changes("api-latency")[-1] is False
    assert judged.last("api-latency").text == "not meant to run"


async def test_more_than_five_errors_a_minute_raise(tmp_path: Path) -> None:
    judged = Judged(tmp_path)

    def write() -> None:
        judged.errors.see(LogLine("workspace-api", judged.clock.time(), "stderr", "Error: no"))

    await judged.rounds(5, write)
    assert judged.changes("error-rate") == []
    await judged.rounds(1, write)
    assert judged.changes("error-rate") == [True]
    assert judged.last("error-rate").text == "Errors in the log: 6 a minute (limit 5 a minute)"
    await judged.rounds(60)
    assert judged.changes("error-rate") == [True]
    await judged.rounds(35)
    assert judged.changes("error-rate") == [True, False]


async def test_a_restart_raises_for_ten_minutes_and_names_the_container(tmp_path: Path) -> None:
    judged = Judged(tmp_path)

    def read() -> None:
        judged.alerts.observe(running("workspace-api"))

    await judged.rounds(1, read)
    for _ in range(2):
        judged.alerts.observe(ContainerRestarted("workspace-api", "restart 1"))
    await judged.rounds(590, read)
    assert judged.changes("container-restarts") == [True]
    assert judged.last("container-restarts").text == "Container restarted: workspace-api, 2 in 10 min"
    assert judged.last("container-restarts").severity == "critical"
    await judged.rounds(15, read)
    assert judged.changes("container-restarts") == [True, False]


def host(percent: float) -> HostReading:
    return HostReading(percent, 10 * 1024**3, 1.0, 50_000_000, 0.001)


async def test_a_disk_over_its_limit_raises_and_does_not_flap_around_it(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    await judged.rounds(3, lambda: judged.alerts.observe(host(79)))
    await judged.rounds(10, lambda: judged.alerts.observe(host(81)))
    for _ in range(10):
        await judged.rounds(8, lambda: judged.alerts.observe(host(79)))
        await judged.rounds(8, lambda: judged.alerts.observe(host(81)))
    assert judged.changes("disk") == [True]
    assert judged.last("disk").text == "Disk filling: 81 % (limit 80 %)"
    await judged.rounds(40, lambda: judged.alerts.observe(host(70)))
    assert judged.changes("disk") == [True, False]


async def test_a_pool_that_is_nearly_used_up_raises(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    judged.pool(50)
    await judged.rounds(2)
    judged.pool(95)
    await judged.rounds(14)
    assert judged.changes("connection-pool") == []
    await judged.rounds(3)
    assert judged.changes("connection-pool") == [True]
    assert judged.last("connection-pool").text == "Connections nearly used up: 95% (limit 90%)"


async def test_what_nobody_measures_is_neither_raised_nor_well(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    await judged.rounds(60)
    assert judged.changes("disk") == judged.changes("connection-pool") == judged.changes("api-latency") == []
