"""How long writes will be down, from what rehearsals measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from wsdash.model import ExpectedDowntime, RehearsalOutcome, Rehearsed, RehearsedItem, StepId

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
