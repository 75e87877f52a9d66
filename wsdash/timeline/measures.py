"""How each kind of criterion is computed from the story and the samples. Pure but for reading the history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wsdash.config import Thresholds
from wsdash.model import CriterionFound, ItemState
from wsdash.timeline.evidence import DAY, FEWEST, Evidence, Slice, slices
from wsdash.timeline.spec import PERSON, CriterionSpec, limit
from wsdash.timeline.story import Story


@dataclass(frozen=True)
class Window:
    """What is judged: from the migration to a day, and how much of it must have been watched."""

    since: float
    until: float
    least: float
    thresholds: Thresholds

    @property
    def parts(self) -> list[Slice]:
        """Its days."""
        return slices(self.since, self.until)

    def name(self, part: Slice) -> str:
        """A slice for people: the day after the migration, counted from 1."""
        return f"24 h no. {int((part.since - self.since) // DAY) + 1}"


@dataclass(frozen=True)
class Found:
    """A measure's answer."""

    holds: bool | None
    measured: str
    threshold: str
    coverage: float | None = None
    who: str = ""


def find(
    spec: CriterionSpec, story: Story, evidence: Evidence | None, window: Window | None
) -> CriterionFound:
    """Compute one criterion. evidence: None without any samples; window: None before the migration ended."""
    since, until = (window.since, window.until) if window is not None else (None, None)
    if spec.measure in _OF_STORY:
        found = _OF_STORY[spec.measure](spec, story)
        since = until = None
    elif window is None:
        found = Found(None, "the migration has not ended yet", "", 0.0)
    elif evidence is None:
        found = Found(None, "no samples were recorded", "", 0.0)
    else:
        found = _OF_SAMPLES[spec.measure](spec, story, evidence, window)
    return CriterionFound(
        spec.id,
        found.holds,
        found.measured,
        found.threshold,
        title=spec.title,
        coverage=None if found.coverage is None else round(found.coverage, 4),
        since=since,
        until=until,
        who=found.who,
        person=spec.measure == PERSON,
    )


def told(value: float, unit: str) -> str:
    """A value for people in the unit of its criterion."""
    match unit:
        case "ms":
            return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"
        case "share":
            return f"{value:.2%}"
        case "percent":
            return f"{value:.0f} %"
        case "bytes":
            return f"{value / 2**20:,.0f} MiB"
        case "":
            return f"{value:g}"
    return f"{value:g} {unit}"


# --- from the journal alone ---


def _items(spec: CriterionSpec, story: Story) -> Found:
    states = {name: story.state(name) for name in spec.items}
    wanted = f"done: {', '.join(spec.items)}"
    failed = [name for name, state in states.items() if state is ItemState.FAILED]
    if failed:
        return Found(False, f"failed: {', '.join(failed)}", wanted)
    open_ones = [f"{name} ({state})" for name, state in states.items() if state is not ItemState.DONE]
    if open_ones:
        return Found(None, f"not done: {', '.join(open_ones)}", wanted)
    proof = "; ".join(story.items[name].evidence for name in spec.items)
    who = ", ".join(dict.fromkeys(story.items[n].who for n in spec.items if story.items[n].who))
    return Found(True, proof, wanted, who=who)


def _tables(spec: CriterionSpec, story: Story) -> Found:
    wanted = "every table equal by content"
    if not story.tables:
        return Found(None, "not compared yet", wanted)
    equal = sum(table.match for table in story.tables.values())
    return Found(
        equal == len(story.tables), f"{equal} of {len(story.tables)} tables equal by content", wanted
    )


def _person(spec: CriterionSpec, story: Story) -> Found:
    wanted = "a person says so"
    tick = story.ticks.get(spec.id)
    if tick is None:
        return Found(None, "nobody said so yet", wanted)
    said = f"{'yes' if tick.holds else 'no'}, says {tick.who}" + (f": {tick.note}" if tick.note else "")
    return Found(tick.holds, said, wanted, who=tick.who)


def _decision(spec: CriterionSpec, story: Story) -> Found:
    wanted = f"go recorded for day {spec.day}"
    made = story.decision(spec.day)
    if made is None:
        return Found(None, "nothing was decided yet", wanted)
    _, decision = made
    word = "go" if decision.go else "no-go"
    return Found(decision.go, f"{word} by {decision.who}: {decision.why}", wanted, who=decision.who)


_OF_STORY: dict[str, Callable[[CriterionSpec, Story], Found]] = {
    "items": _items,
    "tables": _tables,
    PERSON: _person,
    "decision": _decision,
}


# --- from the samples ---


def _watched(evidence: Evidence, series: tuple[str, ...], window: Window) -> float:
    """The share of the whole window that was watched."""
    seconds = sum(part.until - part.since for part in window.parts)
    if not seconds:
        return 0.0
    seen = sum(evidence.coverage(series, part) * (part.until - part.since) for part in window.parts)
    return seen / seconds


def _per_slice(
    spec: CriterionSpec,
    evidence: Evidence,
    window: Window,
    value: Callable[[str, Slice], float | None],
    wanted: str,
) -> Found:
    """The worst slice against the limit. A slice watched too little says nothing, unless another is bad."""
    names = evidence.matching(spec.series)
    most = limit(spec, window.thresholds)
    covered = _watched(evidence, names, window)
    worst: tuple[float, Slice] | None = None
    unseen: list[Slice] = []
    for part in window.parts:
        if evidence.coverage(names, part) < window.least:
            unseen.append(part)
            continue
        values = [seen for name in names if (seen := value(name, part)) is not None]
        if not values:
            unseen.append(part)
        elif worst is None or max(values) > worst[0]:
            worst = (max(values), part)
    if worst is not None and worst[0] > most:
        return Found(False, f"{told(worst[0], spec.unit)} in {window.name(worst[1])}", wanted, covered)
    measured = f"at most {told(worst[0], spec.unit)}" if worst is not None else "nothing measured"
    if unseen:
        return Found(None, f"{measured}; {_unseen(unseen, window)}", wanted, covered)
    return Found(True, f"{measured} in every 24 h", wanted, covered)


def _unseen(parts: list[Slice], window: Window) -> str:
    days = len(window.parts)
    first = window.name(parts[0])
    return f"{len(parts)} of {days} × 24 h watched too little (first: {first}; wanted {window.least:.0%})"


def _percentile(spec: CriterionSpec, story: Story, evidence: Evidence, window: Window) -> Found:
    most = told(limit(spec, window.thresholds), spec.unit)
    return _per_slice(
        spec,
        evidence,
        window,
        lambda name, part: evidence.percentile(name, spec.quantile, part),
        f"p{spec.quantile * 100:g} ≤ {most} in every 24 h",
    )


def _failures(spec: CriterionSpec, story: Story, evidence: Evidence, window: Window) -> Found:
    def share(name: str, part: Slice) -> float | None:
        seen = evidence.summary(name, part)
        asked = seen.count + seen.failures
        return seen.failures / asked if asked else None

    most = told(limit(spec, window.thresholds), spec.unit)
    return _per_slice(spec, evidence, window, share, f"≤ {most} of probes unanswered in every 24 h")


def _maximum(spec: CriterionSpec, story: Story, evidence: Evidence, window: Window) -> Found:
    most = told(limit(spec, window.thresholds), spec.unit)
    return _per_slice(
        spec, evidence, window, lambda name, part: evidence.summary(name, part).maximum, f"≤ {most}"
    )


def _increase(spec: CriterionSpec, story: Story, evidence: Evidence, window: Window) -> Found:
    names = evidence.matching(spec.series)
    most = limit(spec, window.thresholds)
    wanted = f"≤ {told(most, spec.unit)} in the window"
    covered = _watched(evidence, names, window)
    grown: dict[str, float] = {}
    for name in names:
        seen = [evidence.summary(name, part) for part in window.parts]
        lows = [one.minimum for one in seen if one.minimum is not None]
        highs = [one.maximum for one in seen if one.maximum is not None]
        if lows and highs:
            grown[name] = max(highs) - min(lows)
    bad = {name.partition(":")[2]: by for name, by in grown.items() if by > most}
    if bad:
        return Found(False, ", ".join(f"{name}: {by:g}" for name, by in sorted(bad.items())), wanted, covered)
    unseen = [part for part in window.parts if evidence.coverage(names, part) < window.least]
    seen_most = told(max(grown.values(), default=0.0), spec.unit) if grown else "nothing measured"
    if unseen or not grown:
        return Found(None, f"{seen_most}; {_unseen(unseen or window.parts, window)}", wanted, covered)
    return Found(True, f"{seen_most} in {len(grown)} containers", wanted, covered)


def _alerts(spec: CriterionSpec, story: Story, evidence: Evidence, window: Window) -> Found:
    kind = f"{' or '.join(spec.severities)} " if spec.severities else ""
    most = int(limit(spec, window.thresholds))
    wanted = f"≤ {most} {kind}alerts"
    names = evidence.matching(spec.series)
    covered = _watched(evidence, names, window)
    within = [
        span
        for span in story.alerts
        if (not spec.severities or span.severity in spec.severities)
        and span.begun < window.until
        and (span.ended is None or span.ended > window.since)
    ]
    if len(within) > most:
        named = ", ".join(dict.fromkeys(span.alert for span in within))
        return Found(False, f"{len(within)}: {named}", wanted, covered)
    unseen = [part for part in window.parts if evidence.coverage(names, part) < window.least]
    if unseen:
        return Found(None, f"{len(within)}; {_unseen(unseen, window)}", wanted, covered)
    return Found(True, f"{len(within)}", wanted, covered)


def _improved(spec: CriterionSpec, story: Story, evidence: Evidence, window: Window) -> Found:
    wanted = f"p{spec.quantile * 100:g} at most {spec.slack:.0%} above the old service's"
    before = Slice((story.started_at or window.since) - DAY, window.since)
    after = Slice(window.since, window.until)
    covered = _watched(evidence, evidence.matching(spec.series), window)
    for name, series, part in (("old", spec.before, before), ("new", spec.series, after)):
        count = evidence.summary(series, part).count
        if count < FEWEST:
            return Found(None, f"{count} answers of the {name} service, wanted {FEWEST}", wanted, covered)
    old = evidence.percentile(spec.before, spec.quantile, before)
    new = evidence.percentile(spec.series, spec.quantile, after)
    if old is None or new is None:
        return Found(None, "not measured", wanted, covered)
    measured = f"{told(old, spec.unit)} before, {told(new, spec.unit)} now"
    return Found(new <= old * (1 + spec.slack), measured, wanted, covered)


_OF_SAMPLES: dict[str, Callable[[CriterionSpec, Story, Evidence, Window], Found]] = {
    "percentile": _percentile,
    "failures": _failures,
    "maximum": _maximum,
    "increase": _increase,
    "alerts": _alerts,
    "improved": _improved,
}
