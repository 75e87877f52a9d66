"""Measures of the samples: each gives an answer of its own for what was seen to be bad, and for what was not
seen. A violation that was seen is one however little else was; nothing passes that was not watched."""

from __future__ import annotations

import math
from collections.abc import Callable

from wsdash.model.written import distinct_from
from wsdash.timeline.evidence import (
    DAY,
    FEWEST,
    CriterionFinding,
    SampleEvidence,
    Slice,
    Window,
    minutes,
    seen_enough,
    unseen,
    unseen_words,
    watched,
)
from wsdash.timeline.spec import CriterionSpec, limit
from wsdash.timeline.story import Story

FRESH = 300.0
"""Seconds: what a container was that long ago says nothing of now."""
OVERLAP = 60.0
"""An alert from before the migration's end is about the time after it when it stood for so many seconds."""
MINUTE = 60.0


def amount(value: float, unit: str, more: int = 0) -> str:
    """A value for people in the unit of its criterion. more: digits beyond the usual ones."""
    if math.isinf(value):
        return "no answer"
    match unit:
        case "ms":
            return f"{value * 1000:.{more}f} ms" if value >= 0.01 else f"{value * 1000:.{1 + more}f} ms"
        case "share":
            return f"{value:.{2 + more}%}"
        case "percent":
            return f"{value:.{1 + more}f} %"
        case "bytes":
            return f"{value / 2**20:,.{more}f} MiB"
        case "":
            return f"{value:.{6 + more}g}"
    return f"{value:.{6 + more}g} {unit}"


Measured = tuple[float, float]
"""Of a day: the value as it was seen, and the best that it can be, whatever was not seen."""


def per_day(
    spec: CriterionSpec,
    evidence: SampleEvidence,
    window: Window,
    value: Callable[[str, Slice], Measured | None],
    most: float,
    wanted: str,
) -> CriterionFinding:
    """The worst day against the limit. What was seen to be beyond it counts, however little else was seen."""
    names = evidence.matching(spec.series)
    covered = watched(evidence, names, window)
    worst: tuple[float, Slice] | None = None
    broken: tuple[float, Slice] | None = None
    lacking: list[Slice] = []
    for part in window.parts:
        values = [found for name in names if (found := value(name, part)) is not None]
        enough = bool(values) and seen_enough(evidence, names, part, window)
        if not enough:
            lacking.append(part)
        if not values:
            continue
        seen = max(seen for seen, _ in values)
        if worst is None or seen > worst[0]:
            worst = (seen, part)
        judged = seen if enough else max(best for _, best in values)
        if judged > most and (broken is None or seen > broken[0]):
            broken = (seen, part)
    if broken is not None:
        words = distinct_from(broken[0], most, lambda figure, more: amount(figure, spec.unit, more))
        return CriterionFinding(False, f"{words} in {window.name(broken[1])}", wanted, covered)
    measured = f"at most {amount(worst[0], spec.unit)}" if worst is not None else "nothing measured"
    if lacking:
        return CriterionFinding(
            None, f"{measured}; {unseen_words(lacking, evidence, names, window)}", wanted, covered
        )
    return CriterionFinding(True, f"{measured} in every 24 h", wanted, covered)


def quantile_of_day(spec: CriterionSpec, evidence: SampleEvidence) -> Callable[[str, Slice], Measured | None]:
    """The quantile of all probes in a day, a probe without an answer being slower than any other."""

    def value(name: str, part: Slice) -> Measured | None:
        seen = evidence.summary(name, part)
        if seen.count + seen.failures < FEWEST:
            return None
        found = evidence.quantile_of_probes(name, spec.quantile, part)
        # were all that was not seen fast, it would still be a quantile of what was seen: a lower one
        lower = 1 - (1 - spec.quantile) / max(seen.coverage, 1e-9)
        best = evidence.quantile_of_probes(name, lower, part) if lower > 0 else 0.0
        return (found, best) if found is not None and best is not None else None

    return value


def percentile(
    spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window
) -> CriterionFinding:
    """The quantile of a latency, in each day."""
    most = limit(spec, window.thresholds)
    wanted = f"p{spec.quantile * 100:g} ≤ {amount(most, spec.unit)} in every 24 h"
    return per_day(spec, evidence, window, quantile_of_day(spec, evidence), most, wanted)


def failures(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
    """The share of probes without an answer."""

    def share(name: str, part: Slice) -> Measured | None:
        seen = evidence.summary(name, part)
        asked = seen.count + seen.failures
        return (seen.failures / asked, seen.failures / asked * seen.coverage) if asked else None

    most = limit(spec, window.thresholds)
    wanted = f"≤ {amount(most, spec.unit)} of probes unanswered in every 24 h"
    return per_day(spec, evidence, window, share, most, wanted)


def maximum(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
    """The largest value: once is enough, whatever else was seen."""

    def largest(name: str, part: Slice) -> Measured | None:
        seen = evidence.summary(name, part).maximum
        return (seen, seen) if seen is not None else None

    most = limit(spec, window.thresholds)
    return per_day(spec, evidence, window, largest, most, f"≤ {amount(most, spec.unit)}")


def downtime(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
    """Seconds of each 24 hours in which nobody was served, and in which nobody looked.

    A probe without an answer counts until the next one that was answered (series `down:`), or by its share of
    the probes where that is more. Time that nobody saw may have been down: what was seen and what was not
    must both fit into the limit.
    """
    names = evidence.matching(spec.series)
    most = limit(spec, window.thresholds) * DAY
    wanted = f"≤ {minutes(most)} of each 24 h without an answer, unseen time included"
    covered = watched(evidence, names, window)
    down, blind, worst, worst_blind = 0.0, 0.0, None, None
    for part in window.parts:
        length = part.until - part.since
        dark = length * (1 - evidence.coverage(names, part))
        dark = 0.0 if dark < MINUTE / 2 else dark
        gone = max((_seconds_down(evidence, name, part) for name in names), default=0.0)
        down, blind = down + gone, blind + dark
        if gone > most and (worst is None or gone > worst[0]):
            worst = (gone, part)
        if gone + dark > most and (worst_blind is None or dark > worst_blind[0]):
            worst_blind = (dark, part)
    if worst is not None:
        return CriterionFinding(
            False, f"{minutes(worst[0])} down in {window.name(worst[1])}", wanted, covered
        )
    words = f"{minutes(down)} down"
    if worst_blind is not None or not names:
        part = worst_blind[1] if worst_blind is not None else window.parts[0]
        most_dark = minutes(worst_blind[0] if worst_blind is not None else part.until - part.since)
        unlit = f"nobody looked for {minutes(blind)}, most of it ({most_dark}) in {window.name(part)}"
        return CriterionFinding(None, f"{words}; {unlit}", wanted, covered)
    return CriterionFinding(True, f"{words} in all", wanted, covered)


def _seconds_down(evidence: SampleEvidence, name: str, part: Slice) -> float:
    seen = evidence.summary(name, part)
    if not seen.failures:
        return 0.0
    exact = evidence.total(f"down:{name.partition(':')[2]}", part)
    share = seen.failures / (seen.count + seen.failures) * seen.coverage * (part.until - part.since)
    return max(exact, share)


def restarts(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
    """Restarts that nobody asked for, as they were seen; series: what names the containers.

    Of a container that does not tell when it was started (series `restarted:`) none can be seen.
    """
    most = int(limit(spec, window.thresholds))
    wanted = f"≤ {most} that nobody asked for"
    names = evidence.matching(spec.series)
    known = {name.partition(":")[2] for name in names}
    names = tuple(f"restarted:{name}" for name in sorted(known))
    untold = [name.partition(":")[2] for name in names if name not in evidence.matching("restarted:*")]
    covered = watched(evidence, names, window)
    within = [one for at, one in story.restarts if window.since <= at < window.until and one.name in known]
    unasked = [one.name for one in within if not one.asked_by]
    asked = len(within) - len(unasked)
    asked_for = f", {asked} asked for" if asked else ""
    if len(unasked) > most:
        counted = {name: unasked.count(name) for name in sorted(set(unasked))}
        each = ", ".join(f"{name}: {number}" for name, number in counted.items())
        return CriterionFinding(False, f"{each}{asked_for}", wanted, covered)
    lacking = unseen(evidence, names, window)
    if lacking:
        words = unseen_words(lacking, evidence, names, window)
        if untold:
            words = f"no start time known: {', '.join(untold)}"
        return CriterionFinding(None, f"{len(unasked)} seen{asked_for}; {words}", wanted, covered)
    return CriterionFinding(True, f"{len(unasked)}{asked_for}, in {len(names)} containers", wanted, covered)


def healthy(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
    """Every container runs and is healthy at the window's end, by what was read then."""
    wanted = "every container of the stack running and healthy"
    end = min(window.until, window.now)
    part = Slice(max(window.since, end - FRESH), max(end, window.since + 1.0))
    names = evidence.matching(spec.series)
    newest = {name.partition(":")[2]: evidence.summary(name, part).last for name in names}
    covered = evidence.coverage(names, part)
    sick = sorted(name for name, value in newest.items() if value is not None and value < 1)
    unread = sorted(name for name, value in newest.items() if value is None)
    if sick:
        return CriterionFinding(False, f"not running and healthy: {', '.join(sick)}", wanted, covered)
    if window.until > window.now:
        return CriterionFinding(None, "still to come", wanted, covered)
    if unread or len(newest) < spec.fewest:
        lacking = ", ".join(unread) or f"{len(newest)} of {spec.fewest} containers"
        return CriterionFinding(None, f"not read in the last {minutes(FRESH)}: {lacking}", wanted, covered)
    return CriterionFinding(
        True, f"{len(newest)} of {len(newest)}: {', '.join(sorted(newest))}", wanted, covered
    )


def alerts(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
    """Alerts of these severities; series: what must have been watched."""
    kind = f"{' or '.join(spec.severities)} " if spec.severities else ""
    most = int(limit(spec, window.thresholds))
    wanted = f"≤ {most} {kind}alerts"
    names = evidence.matching(spec.series)
    covered = watched(evidence, names, window)
    within = [
        span
        for span in story.alerts
        if (not spec.severities or span.severity in spec.severities)
        and span.begun < window.until
        and (span.begun >= window.since or (span.ended or window.now) >= window.since + OVERLAP)
    ]
    if len(within) > most:
        named = ", ".join(dict.fromkeys(span.alert for span in within))
        return CriterionFinding(False, f"{len(within)}: {named}", wanted, covered)
    lacking = unseen(evidence, names, window)
    if lacking:
        words = unseen_words(lacking, evidence, names, window)
        return CriterionFinding(None, f"{len(within)}; {words}", wanted, covered)
    return CriterionFinding(True, f"{len(within)}", wanted, covered)


OF_SAMPLES: dict[str, Callable[[CriterionSpec, Story, SampleEvidence, Window], CriterionFinding]] = {
    "percentile": percentile,
    "failures": failures,
    "maximum": maximum,
    "downtime": downtime,
    "restarts": restarts,
    "healthy": healthy,
    "alerts": alerts,
}
