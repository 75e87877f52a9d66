"""The verdict at the top of the report: where the run is, and what the evidence says of it now.

Latencies before and after are part of that: the old API until it was stopped, the new one since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import Outcome
from wsdash.review.report.blocks import iso
from wsdash.review.report.form import DayReport, LatenciesReport, LatencyReport, Report, VerdictReport
from wsdash.review.story import KnownStory
from wsdash.timeline.evidence import DAY, FEWEST

GO, NO_GO = "go", "no-go"
NOBODY = "nobody confirmed"
BY_OPTION = "--yes"
"""Who ticks where no person looked (engine/run/runner.py)."""


def verdict(report: Report) -> VerdictReport:
    """Of the newest day that has come; without one, of the migration itself."""
    come = [day for day in report.timeline if day.reached]
    day = come[-1] if come else None
    judged = [] if day is None else [c.holds for c in day.criteria]
    severe = [a for a in report.alerts if a.severity == "critical" and _since_migration(report, a.since)]
    made = day.decision if day is not None else None
    return VerdictReport(
        recommendation=_recommendation(report, day),
        headline=_headline(report, day),
        day=day.day if day is not None else None,
        title=day.title if day is not None else "",
        held=sum(answer is True for answer in judged),
        failed=sum(answer is False for answer in judged),
        insufficient=sum(answer is None for answer in judged),
        criteria=len(judged),
        decided=made.decision if made is not None else "",
        decided_by=made.who if made is not None else "",
        open_decisions=[one.day for one in come if one.decision is None],
        p1_incidents=len(severe),
        write_downtime_seconds=report.write_downtime_seconds,
    )


def whose(who: str, otherwise: str) -> str:
    """Who said it, for people: an option is nobody."""
    return NOBODY if who == BY_OPTION else who or otherwise


def _recommendation(report: Report, day: DayReport | None) -> str:
    if report.outcome == Outcome.FAILED:
        return NO_GO
    if report.outcome != Outcome.MIGRATED or day is None:
        return "insufficient-data"
    return day.recommendation


def _headline(report: Report, day: DayReport | None) -> str:
    words = {
        Outcome.FAILED: "No-go: the migration failed",
        Outcome.ROLLED_BACK: "Rolled back: the old service serves",
        Outcome.INCOMPLETE: "Not migrated yet",
    }
    if report.outcome != Outcome.MIGRATED:
        return words[Outcome(report.outcome)]
    if day is None:
        return "Migrated; no day after the migration has come yet"
    said: dict[str, Callable[[], str]] = {
        GO: lambda: "Go",
        NO_GO: lambda: "No-go. Not held: " + _named(day, answer=False),
    }
    verdict = said.get(day.recommendation, lambda: "Insufficient data for: " + _named(day, answer=None))()
    made = day.decision
    if made is not None and made.decision != day.recommendation:
        verdict += f"; decided {made.decision} by {whose(made.who, 'nobody')}"
    return f"Day {day.day}, {day.title}: {verdict}"


def _named(day: DayReport, *, answer: bool | None) -> str:
    """The first criteria with that answer, and how many more."""
    names = [c.title or c.id for c in day.criteria if c.holds is answer]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return "; ".join(names[:3]) + more


def _since_migration(report: Report, at: str) -> bool:
    """Both are ISO 8601 in UTC, as the report has them."""
    begun = next((day.due for day in report.timeline if day.day == 0 and day.due), None)
    return begun is not None and at >= begun


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
