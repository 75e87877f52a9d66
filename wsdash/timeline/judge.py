"""The timeline: every day's criteria, its recommendation, and the board, computed from stored evidence.

Each kind of criterion has a measure, pure but for reading the history. Whether the new service is as fast as
the old one was is judged by the probes of both, or by load tests before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from wsdash.config import Thresholds
from wsdash.model import CriterionFound, DayFound, ItemState, TimelineJudged
from wsdash.model.slower import slower
from wsdash.timeline.evidence import DAY, FEWEST, CriterionFinding, SampleEvidence, Slice, Window, watched
from wsdash.timeline.samples import OF_SAMPLES, amount, per_day, quantile_of_day
from wsdash.timeline.spec import PERSON, CriterionSpec, DaySpec, TimelineSpec
from wsdash.timeline.story import Story


def improved(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
    """The quantile of all probes is no worse than the old service's by more than `slack`, in every 24 hours.

    Probes ask one endpoint: what load tests before and after say of any other counts as well. Where the old
    service was probed too little before it was stopped, only they say.
    """
    wanted = f"p{spec.quantile * 100:g} at most {spec.slack:.0%} above the old service's"
    names = evidence.matching(spec.series)
    covered = watched(evidence, names, window)
    before = Slice((story.started_at or window.since) - DAY, window.since)
    count = evidence.summary(spec.before, before).count
    old = evidence.percentile(spec.before, spec.quantile, before)
    if count < FEWEST or old is None:
        return _by_load(story, f"{count} answers of the old service, wanted {FEWEST}", covered)
    loads = _by_load(story, "", covered)
    if loads.holds is False:
        return loads
    value = quantile_of_day(spec, evidence)
    found = per_day(spec, evidence, window, value, old * (1 + spec.slack), wanted)
    return replace(found, measured=f"{amount(old, spec.unit)} before, {found.measured}")


def _by_load(story: Story, lacking: str, covered: float) -> CriterionFinding:
    wanted = "load tests of the new service no slower than the old one's"
    before = story.run.loads.get("old read") or story.run.loads.get("baseline read")
    new = story.run.loads.get("new read")
    if before is None or new is None:
        untested = "the new service" if before is not None else "the old one"
        return CriterionFinding(None, f"{lacking}; no load test of {untested}", wanted, covered)
    shared = {rung.clients for rung in before.rungs} & {rung.clients for rung in new.rungs}
    if not shared:
        return CriterionFinding(
            None, f"{lacking}; the load tests share no number of clients", wanted, covered
        )
    found = slower(new.rungs, before.rungs)
    if found:
        return CriterionFinding(False, "; ".join(found), wanted, covered)
    return CriterionFinding(
        True, f"load tests with {len(shared)} numbers of clients: none slower", wanted, covered
    )


MOST_PROOFS = 3
"""Items whose evidence is quoted; of more only how many hold."""
BY_OPTION = "--yes"
"""Who confirms what no person looked at (engine/run/runner.py)."""


def find(
    spec: CriterionSpec, story: Story, evidence: SampleEvidence | None, window: Window | None
) -> CriterionFound:
    """Compute one criterion. evidence: None without any samples; window: None before the migration ended."""
    since, until = (window.since, window.until) if window is not None else (None, None)
    if spec.measure in _OF_STORY:
        found = _OF_STORY[spec.measure](spec, story)
        since = until = None
    elif window is None:
        found = CriterionFinding(None, "the migration has not ended yet", "", 0.0)
    elif evidence is None:
        found = CriterionFinding(None, "no samples were recorded", "", 0.0)
    else:
        judged = window.later(spec.looks_back)
        since, until = judged.since, max(judged.until, judged.since + 1.0)
        if judged.parts:
            found = _OF_SAMPLES[spec.measure](spec, story, evidence, judged)
        else:
            found = CriterionFinding(None, "its window has just begun", "", 0.0)
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


# --- from the journal alone ---


def _items(spec: CriterionSpec, story: Story) -> CriterionFinding:
    """Items, and with `tests` every line of the testing checklist, each by its newest evidence."""
    names = (*spec.items, *(name for name in story.tests if spec.tests and name not in spec.items))
    states = {name: story.item(name).state for name in names}
    wanted = f"done: {', '.join(names)}"
    held = sum(state is ItemState.DONE for state in states.values())
    failed = [name for name, state in states.items() if state is ItemState.FAILED]
    if failed:
        return CriterionFinding(False, f"{held} of {len(names)} hold; failed: {', '.join(failed)}", wanted)
    open_ones = [f"{name} ({state})" for name, state in states.items() if state is not ItemState.DONE]
    by_flag = [name for name in names if story.item(name).state is ItemState.DONE and _nobody(story, name)]
    if open_ones:
        return CriterionFinding(
            None, f"{held} of {len(names)} hold; not done: {', '.join(open_ones)}", wanted
        )
    if by_flag:
        return CriterionFinding(None, f"nobody confirmed, --yes was said: {', '.join(by_flag)}", wanted)
    proof = "; ".join(story.item(name).evidence for name in names[:MOST_PROOFS])
    if len(names) > MOST_PROOFS:
        proof = f"{held} of {len(names)} hold"
    who = ", ".join(dict.fromkeys(story.item(n).who for n in names if story.item(n).who))
    return CriterionFinding(True, proof, wanted, who=who)


def _nobody(story: Story, item: str) -> bool:
    """Whether the item was only confirmed by an option of the command."""
    return story.item(item).who == BY_OPTION


def _tables(spec: CriterionSpec, story: Story) -> CriterionFinding:
    wanted = "every table equal by content"
    if not story.run.tables:
        return CriterionFinding(None, "not compared yet", wanted)
    equal = sum(table.match for table in story.run.tables.values())
    return CriterionFinding(
        equal == len(story.run.tables), f"{equal} of {len(story.run.tables)} tables equal by content", wanted
    )


def _person(spec: CriterionSpec, story: Story) -> CriterionFinding:
    wanted = "a person says so"
    tick = story.ticks.get(spec.id)
    if tick is None:
        return CriterionFinding(None, "nobody said so yet", wanted)
    said = f"{'yes' if tick.holds else 'no'}, says {tick.who}" + (f": {tick.note}" if tick.note else "")
    return CriterionFinding(tick.holds, said, wanted, who=tick.who)


def _decision(spec: CriterionSpec, story: Story) -> CriterionFinding:
    wanted = f"go recorded for day {spec.day}"
    made = story.decision(spec.day)
    if made is None:
        return CriterionFinding(None, "nothing was decided yet", wanted)
    _, decision = made
    word = "go" if decision.go else "no-go"
    return CriterionFinding(
        decision.go, f"{word} by {decision.who}: {decision.why}", wanted, who=decision.who
    )


_OF_STORY: dict[str, Callable[[CriterionSpec, Story], CriterionFinding]] = {
    "items": _items,
    "tables": _tables,
    PERSON: _person,
    "decision": _decision,
}


_OF_SAMPLES = OF_SAMPLES | {"improved": improved}


Judge = Callable[[CriterionSpec, float | None], CriterionFound]

WATCHED = "latency:api-new"
"""Its samples show how much of the time was watched at all: the new API is always probed."""
GO, NO_GO, INSUFFICIENT = "go", "no-go", "insufficient-data"


def judge(
    spec: TimelineSpec, story: Story, evidence: SampleEvidence | None, thresholds: Thresholds, now: float
) -> TimelineJudged:
    """The whole timeline at `now` (epoch seconds). evidence: None when no samples were ever recorded."""
    begun = story.migrated_at
    last = spec.days[-1].day
    until = None if begun is None else max(min(now, begun + last * DAY), begun + 60.0)

    def one(criterion: CriterionSpec, end: float | None) -> CriterionFound:
        window = (
            Window(begun, end, spec.coverage, spec.longest_hole, thresholds, now)
            if begun is not None and end is not None
            else None
        )
        return find(criterion, story, evidence, window)

    days = tuple(_day(spec, day, begun, one) for day in spec.days)
    board = {
        name: tuple(one(spec.criterion(criterion), until) for criterion in criteria)
        for name, criteria in spec.board.items()
    }
    return TimelineJudged(begun, days, board)


def recommend(criteria: Iterable[CriterionFound]) -> str:
    """no-go when one does not hold; insufficient-data when one is unknown; else go."""
    answers = [criterion.holds for criterion in criteria]
    if False in answers:
        return NO_GO
    return INSUFFICIENT if None in answers or not answers else GO


def _day(spec: TimelineSpec, day: DaySpec, begun: float | None, one: Judge) -> DayFound:
    due = None if begun is None else begun + day.day * DAY
    criteria = tuple(one(spec.criterion(name), due) for name in spec.criteria_of(day))
    return DayFound(day.day, day.title, day.guide, recommend(criteria), criteria, due)


def calm_day(spec: TimelineSpec, story: Story, evidence: SampleEvidence, now: float) -> str:
    """The evidence for 24 hours, ending now, that were watched and held no alert of weight; '' if not so."""
    begin = now - DAY
    if story.migrated_at is None or begin < story.migrated_at:
        return ""
    loud = [
        span
        for span in story.alerts
        if span.severity != "info" and span.begun < now and (span.ended is None or span.ended > begin)
    ]
    series, window = evidence.matching(WATCHED), Slice(begin, now)
    covered = evidence.coverage(series, window)
    if loud or covered < spec.coverage or evidence.hole(series, window) > spec.longest_hole:
        return ""
    since = datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%d %H:%M")
    return f"24 hours since {since} UTC without an alert, {covered:.0%} of the minutes watched"
