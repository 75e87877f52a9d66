"""What rehearsals say of the night: the downtime to expect, and what was found, in lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from wsdash.engine.limits import OLD_SECONDS
from wsdash.model import ExpectedDowntime, RehearsalOutcome, Rehearsed, RehearsedItem, StepId
from wsdash.model.written import age, size

IN_DOWNTIME = (
    StepId.STOP_OLD,
    StepId.START_STACK,
    StepId.INIT_NEON,
    StepId.MIGRATE_DATA,
    StepId.VERIFY_DATA,
    StepId.TEST_API,
)
"""Steps that a rehearsal tries: from the old service's stop to the first write that the new one takes."""
EARLIER = 10
"""How many earlier rehearsals are counted."""


def forecast(
    items: Sequence[RehearsedItem], world: str, earlier: Sequence[Rehearsed]
) -> ExpectedDowntime | None:
    """The sum over the items within the downtime: of the shortest, the median and the longest each one took
    in this rehearsal and in earlier clean ones of the same world. None when one of them was not measured.
    """
    alike = [one for one in earlier if one.outcome is RehearsalOutcome.CLEAN and one.world == world][
        -EARLIER:
    ]
    seconds: dict[str, list[float]] = {name: [] for name in IN_DOWNTIME}
    for item in (*(item for one in alike for item in one.items), *items):
        if item.item in seconds:
            seconds[item.item] += item.seconds
    missing = [name for name, values in seconds.items() if not values]
    if missing:
        return None
    fewest = min(len(values) for values in seconds.values())
    basis = (
        f"{fewest} measurements of each item" if fewest > 1 else "one measurement of each item: no spread yet"
    )
    return ExpectedDowntime(
        round(sum(min(values) for values in seconds.values()), 1),
        round(sum(median(values) for values in seconds.values()), 1),
        round(sum(max(values) for values in seconds.values()), 1),
        basis + f"; {StepId.STOP_OLD} estimated by how long the new service took to stop",
    )


REHEARSED = "rehearsed "
"""How the summary of a rehearsal begins."""
_STATES = {"done": "✓", "failed": "✗", "estimated": "~", "not-rehearsed": "–"}


def readable_downtime(expected: ExpectedDowntime) -> str:
    """The downtime to expect, with its spread."""
    if expected.low == expected.high:
        return f"about {expected.likely:.0f} s ({expected.basis})"
    return (
        f"about {expected.likely:.0f} s, from {expected.low:.0f} to {expected.high:.0f} s ({expected.basis})"
    )


def rehearsal_summary(newest: Rehearsed | None, now: float) -> str:
    """The newest rehearsal in one line, with its age at `now` (epoch seconds); none yet is said."""
    if newest is None:
        return "never rehearsed: `wsdash rehearse` (key H) runs the whole migration and changes nothing"
    text = f"{REHEARSED}{age(now - newest.finished_at)} ago: {newest.outcome}"
    if newest.where != "target":
        text += ", only the schema, on a scratch server"
    if newest.downtime is not None:
        text += f"; downtime {readable_downtime(newest.downtime)}"
    faults = (*newest.blocked, *newest.differed)
    if faults:
        text += f"; {faults[0]}" + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "")
    return text


def trustworthy(newest: Rehearsed | None, now: float) -> bool:
    """Whether the newest rehearsal is clean, of the target itself, and not too old to rely on tonight."""
    if newest is None or newest.where != "target" or newest.outcome is not RehearsalOutcome.CLEAN:
        return False
    return now - newest.finished_at <= OLD_SECONDS


def rehearsal_lines(found: Rehearsed) -> list[str]:
    """The whole report of one rehearsal."""
    took = found.finished_at - found.started_at
    lines = [f"rehearsal {found.id}: {found.outcome}, {took:.0f} s, source and target {found.world}"]
    if found.where != "target":
        lines.append("only the schema's statements were rehearsed, on a scratch server")
    for item in found.items:
        seconds = " ".join(f"{one:.1f}" for one in item.seconds)
        inside = "in the downtime" if item.downtime else ""
        lines.append(
            f"{_STATES.get(item.state, '?')} {item.item:<14} {seconds:>16} s  {inside:<16} " + item.text
        )
    for word, texts in (
        ("blocked", found.blocked),
        ("differed", found.differed),
        ("moved", found.moved),
        ("note", found.notes),
        ("left behind", found.left),
    ):
        lines += [f"{word}: {text}" for text in texts]
    for use in found.resources:
        limit = f" of {size(use.limit)}" if use.limit is not None else ""
        lines.append(f"{use.name}: {size(use.used)}{limit}" + (" EXCEEDED" if use.exceeded else ""))
    if found.downtime is not None:
        lines.append(f"downtime to expect: {readable_downtime(found.downtime)}")
    if not found.left:
        lines.append("cleaned up: the target's database and the stack are as they were before")
    return lines
