"""Latencies before and after: the old API until it was stopped, the new one since, each over its window."""

from __future__ import annotations

from typing import NamedTuple

from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.review.report.form import LatenciesReport, LatencyReport
from wsdash.review.report.times import iso
from wsdash.review.story import KnownStory
from wsdash.timeline.evidence import DAY, FEWEST

OLD, NEW = "old", "new"
SERIES = {OLD: "latency:api-old", NEW: "latency:api-new"}
PARTS = ("p50", "p90", "p99")


class LatencyWindow(NamedTuple):
    """What is measured; times in epoch seconds."""

    api: str
    title: str
    since: float
    until: float


def latencies(known: KnownStory) -> LatenciesReport:
    """Every window that has begun, and the comparison of the longest one of the new API with the old API."""
    history = HistoryReader(known.state / FILE)
    try:
        rows = [_measured(history, window, known.spec.coverage) for window in windows(known)]
    finally:
        history.close()
    return LatenciesReport(rows, *_compared(rows))


def windows(known: KnownStory) -> list[LatencyWindow]:
    """The old API from the run's begin to the switch; the new one's first and newest 24 hours, and all."""
    begun, migrated, down = known.story.started_at, known.judged.migrated_at, known.view.downtime
    if begun is None:
        return []
    stopped = down.started_at if down is not None else migrated
    title = "until it was stopped" if stopped is not None else "so far"
    found = [LatencyWindow(OLD, title, begun, stopped if stopped is not None else known.now)]
    if migrated is None:
        return found
    end = max(min(known.now, migrated + known.spec.days[-1].day * DAY), migrated + 1.0)
    found.append(LatencyWindow(NEW, "first 24 hours", migrated, min(end, migrated + DAY)))
    if end - migrated > 2 * DAY:
        found.append(LatencyWindow(NEW, "newest 24 hours", end - DAY, end))
    if end - migrated > DAY:
        found.append(LatencyWindow(NEW, f"all {(end - migrated) / DAY:.3g} days", migrated, end))
    return found


def _measured(history: HistoryReader, window: LatencyWindow, least: float) -> LatencyReport:
    series = SERIES[window.api]
    seen = history.summary(series, window.since, window.until)
    p90 = history.percentile(series, 0.9, window.since, window.until)
    lacking = []
    if seen.count < FEWEST:
        lacking.append(f"{seen.count} answers, wanted {FEWEST}")
    if seen.coverage < least:
        lacking.append(f"{seen.coverage:.0%} of its minutes were watched, wanted {least:.0%}")
    return LatencyReport(
        window.api,
        window.title,
        iso(window.since),
        iso(window.until),
        seen.count,
        seen.failures,
        round(seen.coverage, 4),
        seen.p50,
        p90,
        seen.p99,
        "; ".join(lacking),
        seen.p95,
    )


def _compared(rows: list[LatencyReport]) -> tuple[dict[str, float] | None, str]:
    """The ratios and the sentence. What is lacking is said, and then nothing is compared."""
    old = next((row for row in rows if row.api == OLD), None)
    new = next((row for row in reversed(rows) if row.api == NEW), None)
    if old is None or new is None:
        return None, "insufficient data: the new API has not served yet"
    lacking = [f"the {row.api} API, {row.window}: {row.lacking}" for row in (old, new) if row.lacking]
    if lacking:
        return None, "insufficient data: " + "; ".join(lacking)
    ratios = {}
    for part in PARTS:
        before, after = getattr(old, part), getattr(new, part)
        if before and after is not None:
            ratios[part] = round(after / before, 3)
    said = ", ".join(f"{part} {ratio:.2f}x" for part, ratio in ratios.items())
    return ratios, f"the new API ({new.window}) against the old one ({old.window}): {said}"
