"""Which samples the journal's events become."""

from __future__ import annotations

from tests.history.support import NOON
from wsdash.model import (
    AnyEvent,
    BackupTaken,
    ContainerReading,
    HostReading,
    LatencyReading,
    MetricsReading,
    Notice,
    Recorded,
)
from wsdash.model.samples import SampleFold

Told = list[tuple[str, float, float | None, str]]
HOST = HostReading(71.5, 1000, 3.0, 5000, 0.001)


def told_of(*events: tuple[float, AnyEvent]) -> Told:
    told: Told = []
    recorder = SampleFold(lambda *sample: told.append(sample))
    for seq, (seconds, event) in enumerate(events, 1):
        recorder.see(Recorded(seq, NOON + seconds, event))
    return told


def values(told: Told, series: str) -> list[tuple[float, float | None]]:
    return [(at - NOON, value) for name, at, value, _ in told if name == series]


def container(name: str, **more: object) -> ContainerReading:
    shape = {"state": "running", "health": "healthy", "group": "workspace"} | more
    return ContainerReading(name, **shape)  # type: ignore[arg-type]


def test_a_probe_gives_its_time_its_parts_and_that_its_target_is_up() -> None:
    told = told_of((0, LatencyReading("api-new", 0.2, parts={"dns": 0.01, "total": 0.2})))
    assert told == [
        ("latency:api-new", NOON, 0.2, ""),
        ("latency:api-new:dns", NOON, 0.01, ""),
        ("latency:api-new:total", NOON, 0.2, ""),
        ("up:api-new", NOON, 1.0, ""),
    ]


def test_a_slow_answer_counts_for_the_questions_that_it_kept_from_being_asked() -> None:
    told = told_of((0, LatencyReading("api-old", 0.2)), (1, LatencyReading("api-old", 4.0, ticks=8)))
    assert values(told, "latency:api-old") == [(0, 0.2), *[(1, 4.0)] * 8]
    assert values(told, "up:api-old") == [(0, 1.0)]


def test_one_reading_counts_for_no_more_than_a_minute() -> None:
    assert len(values(told_of((0, LatencyReading("api-old", 4.0, ticks=10**9))), "latency:api-old")) == 60


def test_a_failed_probe_is_a_failure_and_its_target_is_down_at_once() -> None:
    told = told_of((0, LatencyReading("api-new", 0.2)), (1, LatencyReading("api-new", None, "refused")))
    assert ("latency:api-new", NOON + 1, None, "refused") in told
    assert values(told, "up:api-new") == [(0, 1.0), (1, 0.0)]


def test_what_rarely_changes_is_told_every_ten_seconds_and_a_change_at_once() -> None:
    told = told_of(*((n, container("api", restarts=int(n >= 13))) for n in range(25)))
    assert values(told, "restarts:api") == [(0, 0), (10, 0), (13, 1), (23, 1)]


def test_the_stacks_memory_is_the_sum_of_its_fresh_containers() -> None:
    told = told_of(
        (0, container("one", memory_bytes=100)),
        (1, container("old", memory_bytes=70, group="apps")),
        (5, container("two", memory_bytes=30)),
        (10, container("two", memory_bytes=30)),
        (300, container("two", memory_bytes=30)),
    )
    assert values(told, "memory:stack") == [(0, 100), (10, 130), (300, 30)]
    assert values(told, "memory:old") == [(1, 70)]


def test_a_missing_container_has_no_restarts() -> None:
    told = told_of((0, container("api", state="missing")))
    assert told == [("health:api", told[0][1], 0.0, "")]


def test_the_backups_age_counts_from_its_proof() -> None:
    backup = BackupTaken("b.sql", 1, "x", {}, True)
    told = told_of((0, HOST), (5, backup), (20, HOST), (40, HOST))
    assert values(told, "backup:age") == [(20, 15), (40, 35)]


def test_missing_numbers_give_no_sample() -> None:
    told = told_of((0, MetricsReading("metrics", {"wal-lag": 5.0}, {"neon:compute-up": "not set"})))
    assert told == [("wal-lag", NOON, 5.0, "")]


def test_a_clock_that_is_set_back_silences_no_series() -> None:
    assert values(told_of((0, HOST), (-3600, HOST)), "disk:percent") == [(0, 71.5), (-3600, 71.5)]


def test_what_holds_no_numbers_is_ignored() -> None:
    assert told_of((0, Notice("info", "hello"))) == []
