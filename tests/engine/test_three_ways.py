"""One judgement: live, replayed and exported rules say the same of the same events."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.three_ways import API, Do, Played
from wsdash.model import ContainerRestarted, MetricsReading
from wsdash.model.alert_board import AlertSpan
from wsdash.watch.sources import Duty

STOPPED = Duty(False, "apps-workspace is stopped by item stop-old")
ASKED = Duty(True, "", "Ada")


def six_errors(world: Played, second: int) -> None:
    if 120 <= second < 126:
        world.line("Error: no")


def eight_a_minute_for_20_s(world: Played, second: int) -> None:
    if second in (100, 105, 110, 115, 120, 140, 141, 142):
        world.line("Error: no")


def five_errors(world: Played, second: int) -> None:
    if 120 <= second < 125:
        world.line("Error: no")


def crash_loop(world: Played, second: int) -> None:
    if second in (30, 50, 70):
        world.emit(ContainerRestarted(API, "started anew"))


def restarted_by_hand(world: Played, second: int) -> None:
    if second == 60:
        world.duty[API] = ASKED
        world.emit(ContainerRestarted(API, "started anew", "Ada"))
    world.answers["api-new"] = None if 60 <= second < 110 else 0.02
    if second == 170:
        world.duty[API] = Duty(True)


def compute_killed(world: Played, second: int) -> None:
    world.answers["target-db"] = None if 100 <= second < 300 else 0.01


def api_stopped(world: Played, second: int) -> None:
    world.answers["api-new"] = None if second >= 100 else 0.02


def old_service_stopped(world: Played, second: int) -> None:
    if second >= 100:
        world.answers["api-old"] = None
    if second >= 103:
        world.duty["apps-workspace"] = STOPPED


def old_service_down_then_stopped(world: Played, second: int) -> None:
    if second >= 100:
        world.answers["api-old"] = None
    if second >= 200:
        world.duty["apps-workspace"] = STOPPED


def a_disk_nobody_watches(world: Played, second: int) -> None:
    world.disk = 60.0  # /boot at 85 % is none of the watched ones, of which the fullest is told


def a_full_disk(world: Played, second: int) -> None:
    world.disk = 85.0 if 60 <= second < 200 else 79.0 if second < 350 else 70.0


def a_disk_around_its_limit(world: Played, second: int) -> None:
    world.disk = 70.0 if second < 60 else (81.0 if second // 30 % 2 else 79.0)


def slow_then_nearly(world: Played, second: int) -> None:
    world.answers["api-new"] = 0.02 if second < 60 else 0.8 if second < 120 else 0.45 if second < 500 else 0.1


def a_full_pool_and_then_nobody_counts(world: Played, second: int) -> None:
    world.pool = 10 if second < 60 else 95 if second < 150 else None if second < 400 else 20


def nobody_watches_for_a_while(world: Played, second: int) -> None:
    world.answers["safekeeper"] = None if second >= 60 else 0.01
    world.watched = not 150 <= second < 350


def old_service_serves_again(world: Played, second: int) -> None:
    world.duty["apps-workspace"] = STOPPED
    if second % 10 == 0:
        world.emit(MetricsReading("strays", {"stray:api-old": float(100 <= second < 250)}))


CASES: dict[str, tuple[Do, int, list[str]]] = {
    "six errors in a minute": (six_errors, 400, ["error-rate"]),
    "five errors in a minute": (five_errors, 400, []),
    "20 s at 8 errors a minute": (eight_a_minute_for_20_s, 400, ["error-rate"]),
    "a crash loop": (crash_loop, 720, ["container-restarts/workspace-api"]),
    "a restart by hand": (restarted_by_hand, 400, []),
    "the compute killed": (compute_killed, 500, ["target-down/target-db"]),
    "the API stopped": (api_stopped, 400, ["api-latency/api-new", "target-down/api-new"]),
    "the old service stopped by its item": (old_service_stopped, 300, []),
    "the old service down, then stopped": (
        old_service_down_then_stopped,
        400,
        ["api-latency/api-old", "target-down/api-old"],
    ),
    "the old service serves though it is stopped": (old_service_serves_again, 400, ["old-service/api-old"]),
    "a disk that nobody watches": (a_disk_nobody_watches, 300, []),
    "a full disk that ends clearly below": (a_full_disk, 500, ["disk"]),
    "a disk around its limit": (a_disk_around_its_limit, 500, ["disk"]),
    "a slow API, then nearly": (slow_then_nearly, 850, ["api-latency/api-new"]),
    "a full pool, then nobody counts": (a_full_pool_and_then_nobody_counts, 500, ["connection-pool"]),
    "nobody watches for a while": (nobody_watches_for_a_while, 500, ["target-down/safekeeper"]),
}


@pytest.mark.parametrize("name", CASES)
async def test_live_replayed_and_exported_rules_say_the_same(name: str, tmp_path: Path) -> None:
    do, seconds, wanted = CASES[name]
    world = Played(tmp_path)
    await world.play(seconds, do)
    live = by_name(world.live())
    assert [span.alert for span in live] == wanted
    for condensed, tolerance in ((False, 11.0), (True, 61.0)):
        again = by_name(world.replayed(tmp_path, condensed=condensed))
        assert [span.alert for span in again] == wanted
        for span, other in zip(live, again, strict=True):
            assert other.begun == pytest.approx(span.begun, abs=tolerance)
            assert other.ended == (None if span.ended is None else pytest.approx(span.ended, abs=tolerance))
    world.by_prometheus(tmp_path)


def by_name(spans: list[AlertSpan]) -> list[AlertSpan]:
    return sorted(spans, key=lambda span: (span.alert, span.begun))
