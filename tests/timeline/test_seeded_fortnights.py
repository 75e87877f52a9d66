"""Twenty fortnights with random incidents: every verdict and every figure is what the incidents say.

Each has a rollback with another migration, and in its middle a restart of the engine and a restart that an
operator asked for. What is to be said is computed by rules of its own (expected.py), written from the guide.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tests.timeline.expected import NO_ANSWER, Expected
from tests.timeline.fortnights import DAY, Fortnight
from tests.timeline.standin_history import StandinHistory
from tests.timeline.support import BEGAN, SPEC
from wsdash.config import Thresholds
from wsdash.history.reader import HistoryReader
from wsdash.history.store import HistoryWriter
from wsdash.model import TimelineJudged
from wsdash.timeline.evidence import SampleEvidence, Slice
from wsdash.timeline.judge import judge

SEEDS = range(20)
BINS = 0.0101
"""The history's percentiles are right to 1 %."""
MEASURED_IN_SAMPLES = {"percentile", "failures", "maximum", "downtime", "restarts", "alerts", "improved"}

TRIED = ("no-p1-incidents", "no-restarts", "api-latency", "api-answers", "no-downtime", "error-rate")

kept = functools.lru_cache(Fortnight)


def judged(lived: Fortnight, history: StandinHistory | HistoryReader, days: int = 14) -> TimelineJudged:
    now = BEGAN + days * DAY + 60
    return judge(SPEC, lived.story(), SampleEvidence(history, now), Thresholds(), now)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_verdict_and_figure_is_what_the_incidents_say(seed: int) -> None:
    lived, history = kept(seed), StandinHistory()
    lived.samples(history.add)
    for day in judged(lived, history).days[1:]:
        expected = Expected(lived, day.day)
        wanted = {one.id: expected.of(one.id) for one in day.criteria}
        found = {one.id: (one.holds, one.measured) for one in day.criteria}
        assert found == wanted, (seed, day.day, lived.incidents)
        answers = {holds for holds, _ in wanted.values()}
        recommended = "no-go" if False in answers else "insufficient-data" if None in answers else "go"
        assert day.recommendation == recommended
        for one in day.criteria:
            if SPEC.criterion(one.id).measure in MEASURED_IN_SAMPLES:
                assert one.coverage == pytest.approx(expected.coverage(), abs=0.0011), one.id


def test_the_seeds_see_every_answer_of_every_figure() -> None:
    answers: dict[str, set[bool | None]] = {}
    for seed in SEEDS:
        lived = kept(seed)
        for day in (3, 14):
            expected = Expected(lived, day)
            for name in (
                "no-p1-incidents",
                "no-restarts",
                "api-latency",
                "api-answers",
                "no-downtime",
                "error-rate",
            ):
                answers.setdefault(name, set()).add(expected.of(name)[0])
    assert answers == {name: {True, False, None} for name in answers}


@pytest.mark.parametrize("seed", [1, 6])
def test_the_real_store_gives_the_same_figures_as_the_standin(tmp_path: Path, seed: int) -> None:
    days, lived = 3, kept(seed)
    standin, writer = StandinHistory(), HistoryWriter.open(tmp_path / "history.db")
    writer.cut(BEGAN)
    lived.samples(standin.add, days)
    lived.samples(writer.add, days)
    writer.close()
    real = HistoryReader(tmp_path / "history.db")
    assert _answers(judged(lived, real, days)) == _answers(judged(lived, standin, days))
    evidence = SampleEvidence(real, BEGAN + days * DAY + 60)
    for day in Expected(lived, days).days:
        part = Slice(BEGAN + (day.number - 1) * DAY, BEGAN + day.number * DAY)
        for series in standin.series():
            one, other = real.summary(series, *part), standin.summary(series, *part)
            assert (one.count, one.failures) == (other.count, other.failures)
            assert (one.minimum, one.maximum) == (other.minimum, other.maximum)
            assert one.coverage == pytest.approx(other.coverage)
            assert real.gaps(series, *part) == standin.gaps(series, *part)
        wanted = day.quantile()
        p95 = evidence.quantile_of_probes("latency:api-new", 0.95, part)
        assert p95 == wanted if wanted == NO_ANSWER else p95 == pytest.approx(wanted, rel=BINS)
        assert evidence.total("down:api-new", part) == day.down
    real.close()


def _answers(found: TimelineJudged) -> dict[tuple[int, str], tuple[bool | None, float | None]]:
    return {(day.day, one.id): (one.holds, one.coverage) for day in found.days for one in day.criteria}
