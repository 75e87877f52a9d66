"""The verdict at the top of the report: where the run is, and what the evidence says of it now."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.model import Outcome
from wsdash.review.report.form import DayReport, Report, VerdictReport

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
