"""Which events end a migration: what people decided and what was proven of it ends there too."""

from __future__ import annotations

from wsdash.model.base import Event
from wsdash.model.checklist import ItemState, StepId
from wsdash.model.items import ItemChanged, ItemIntended, LoadTested
from wsdash.model.run import Restored

COPIES = StepId.MIGRATE_DATA
"""The step that makes a migration: carried out again, it is another one."""
ROLLED_BACK = "it was rolled back"


def ended_by(event: Event) -> str:
    """Why the migration so far has ended with this event; '' when it has not.

    A rollback ends it with its first undo, not with its last: from there on the old service is brought back.
    """
    match event:
        case ItemIntended(action="undo") | ItemChanged(state=ItemState.UNDONE):
            return ROLLED_BACK
        case ItemIntended(item=item, action="act") if item == COPIES:
            return "the rows were copied again"
        case Restored(side=side, file=file):
            return f"the backup {file} was restored into the {side}"
    return ""


def loads_kept(loads: dict[str, LoadTested], why: str) -> dict[str, LoadTested]:
    """The load tests that still say something after a migration ended: unless it was rolled back, what was
    measured of the old service before it."""
    if why == ROLLED_BACK:
        return {}
    return {name: load for name, load in loads.items() if load.api == "baseline"}
