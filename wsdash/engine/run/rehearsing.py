"""When a rehearsal may begin."""

from __future__ import annotations

from wsdash.engine.outlook.words import IN_DOWNTIME
from wsdash.model import ItemState
from wsdash.model.fold import RunView
from wsdash.model.rehearsal import MOST_ROUNDS

REHEARSE = "rehearse"
STOP_REHEARSAL = "stop-rehearsal"
"""The two intents."""
_BEGUN = (ItemState.RUNNING, ItemState.DONE, ItemState.SKIPPED)


def refusal(view: RunView, running: str, undoing: bool, rounds: object) -> str:
    """Why no rehearsal can begin now, or ''."""
    if not isinstance(rounds, int) or not 1 <= rounds <= MOST_ROUNDS:
        return f"a rehearsal has 1 to {MOST_ROUNDS} rounds"
    if running:
        return f"{running} is running; wait for it"
    if undoing:
        return "a rollback is under way; roll back again to finish it first"
    for name in IN_DOWNTIME:
        look = view.item(name)
        if look.state in _BEGUN or look.touched:
            return f"the migration has begun ({name} is {look.state}); a rehearsal is for before it"
    return ""
