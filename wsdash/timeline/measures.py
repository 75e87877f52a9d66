"""How each kind of criterion is computed from the story and the samples. Pure but for reading the history."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.model import CriterionFound, ItemState
from wsdash.timeline.evidence import SampleEvidence
from wsdash.timeline.performance import improved
from wsdash.timeline.samples import OF_SAMPLES
from wsdash.timeline.spec import PERSON, CriterionSpec
from wsdash.timeline.story import Story
from wsdash.timeline.windows import CriterionFinding, Window

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
