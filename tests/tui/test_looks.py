"""Numbers, bars and sparklines as people read them; no status is told by colour alone."""

from __future__ import annotations

import pytest

from wsdash.model import ContainerReading, ItemState, Liveness
from wsdash.tui.drawn import looks
from wsdash.tui.drawn.plot import summarize, verdict
from wsdash.tui.state.freshness import EngineState
from wsdash.tui.state.viewstate import HOLE, LatencySample


def test_every_item_state_has_a_glyph_and_a_word_of_its_own() -> None:
    assert set(looks.ITEM) == set(ItemState)
    assert len({look.glyph for look in looks.ITEM.values()}) == len(ItemState)
    assert len({look.word for look in looks.ITEM.values()}) == len(ItemState)


def test_every_liveness_and_engine_state_has_a_look() -> None:
    assert set(looks.LIVENESS) == {*Liveness, None}
    assert set(looks.ENGINE) == set(EngineState)


def test_only_live_is_styled_as_good() -> None:
    assert [which for which, look in looks.LIVENESS.items() if look.style == looks.GOOD] == [Liveness.LIVE]
    assert [which for which, look in looks.ENGINE.items() if look.style == looks.GOOD] == [EngineState.LIVE]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (41, "0:41"), (725, "12:05"), (11_525, "3:12:05"), (None, "–")]
)
def test_a_clock(seconds: float | None, text: str) -> None:
    assert looks.clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "–"), (700, "700 B"), (2048, "2.0 KiB"), (150 << 20, "150 MiB"), (3 << 30, "3.0 GiB")],
)
def test_a_size(count: int | None, text: str) -> None:
    assert looks.size(count) == text


def test_an_unknown_count_is_not_zero() -> None:
    assert looks.count(None) == "–"
    assert looks.count(0) == "0"
    assert looks.count(13_912) == "13,912"


def test_a_bar_is_only_full_when_all_is_done() -> None:
    assert looks.bar(1.0, 4) == "━━━━"
    assert looks.bar(0.99, 4) == "━━━─"
    assert looks.bar(None, 4) == "┄┄┄┄"


def test_failures_are_counted_apart_from_times() -> None:
    summary = summarize(
        [
            LatencySample(1, 0.1),
            LatencySample(2, None, "refused"),
            LatencySample(3, None, HOLE),
            LatencySample(4, 0.3),
        ]
    )
    assert (summary.probes, summary.failed) == (3, 1)
    assert (summary.p50, summary.longest) == (0.1, 0.3)


@pytest.mark.parametrize(
    ("seconds", "word"),
    [(0.05, "ok"), (0.15, "over 100"), (0.25, "over 200"), (0.6, "alert>500"), (None, "no answer")],
)
def test_the_thresholds_have_words(seconds: float | None, word: str) -> None:
    assert verdict("api-new", LatencySample(1, seconds)).word == word


def test_a_container_that_was_killed_for_memory_says_so() -> None:
    reading = ContainerReading("c", "exited", "none", exit_code=137, oom_killed=True)
    assert looks.container_state(reading).word == "OOM killed"


def test_a_clean_end_is_not_bad_and_an_unclean_one_is() -> None:
    assert looks.container_state(ContainerReading("c", "exited", "none", exit_code=0)).style != looks.BAD
    assert looks.container_state(ContainerReading("c", "exited", "none", exit_code=3)).style == looks.BAD


def test_a_stopped_container_has_no_health() -> None:
    assert looks.container_health(ContainerReading("c", "exited", "healthy")).word == ""
