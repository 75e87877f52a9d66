"""Days that an earlier engine lived in part: gone through again, reporting only what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from wsdash.engine.journal.store import encode
from wsdash.model import READINGS, AnyEvent, CriterionConfirmed, DecisionRecorded, Recorded


class Relived:
    """What the journal holds of the days, up to `until`: the run's time when that engine was gone.

    Between the newest event and the one before it an engine may have died anywhere: of that time events are
    compared one by one. recall: takes what was reported already, for samples that were lost with the engine.
    """

    def __init__(
        self, events: Iterable[Recorded], until: float, recall: Callable[[Recorded], None] = lambda _: None
    ) -> None:
        self.until = until
        self._recall = recall
        self._told: Counter[tuple[float, bytes]] = Counter()
        self._said: set[str] = set()
        for recorded in events:
            event = recorded.event
            self._told[recorded.at, encode(event)] += 1
            if recorded.at == until and isinstance(event, CriterionConfirmed | DecisionRecorded):
                self._said.add(event.who)

    def told(self, at: float, event: AnyEvent) -> bool:
        """Whether the event was reported already. Only the newest readings are kept: the older ones were."""
        if at > self.until:
            return False
        known = self._told[at, encode(event)] > 0
        if known:
            self._told[at, encode(event)] -= 1
        elif at == self.until or not isinstance(event, READINGS):
            return False
        self._recall(Recorded(0, at, event))
        return True

    def said(self, at: float, who: str) -> bool:
        """Whether that person had their say at that time already."""
        return at == self.until and who in self._said
