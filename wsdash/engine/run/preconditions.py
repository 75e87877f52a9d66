"""Before an item acts: does what it depends on still hold? What no longer does is set back and done again.

Between two lives of the engine, and between two items, the world goes on: a machine is rebooted, a container
dies, somebody starts the old service again. A tick of yesterday is no evidence today.
"""

from __future__ import annotations

from wsdash.engine.run.due import below
from wsdash.engine.run.perform import Performer
from wsdash.engine.run.recorder import Recorder
from wsdash.model import ItemChanged, ItemKind, ItemState, Meaning, Notice, Phase
from wsdash.plan import Item, Plan


class PreconditionChecker:
    """Knows what was proven since the engine last rested, and reads the rest again."""

    def __init__(self, plan: Plan, performer: Performer, recorder: Recorder) -> None:
        self._plan = plan
        self._performer = performer
        self._recorder = recorder
        self._fresh: set[str] = set()

    def rested(self) -> None:
        """Time went by: nothing that was proven before is taken for granted."""
        self._fresh.clear()

    def proved(self, item: Item) -> None:
        """The item was just done by its evidence."""
        self._fresh.add(item.id)

    async def set_back(self, item: Item) -> list[Item]:
        """Read again the done items that a migration item depends on; where one no longer holds, it and what
        was done on top of it are pending again, with the reason in the journal.

        Returns those of them that `item` needs, in the order in which they are to be done again; [] when all
        holds. Items that a person skipped are left alone, and so is everything once the migration is over:
        an item after it has no business stopping a service.
        """
        if item.phase is not Phase.MIGRATION:
            return []
        needed = below(self._plan, item)
        still: list[str] = []
        for one in self._plan.items:
            if one.id not in needed or not self._to_be_read(one):
                continue
            evidence = await self._performer.look(one)
            # what a person vouched for, because too little can be seen, counts until something contradicts it
            vouched = evidence.insufficient and bool(self._performer.who_said(one))
            if evidence.holds or vouched:
                still += [] if one.id in self._fresh else [one.id]
                self._fresh.add(one.id)
                continue
            back = await self._back(one, item, evidence.text)
            if one.means(Meaning.CLOSES_SOURCE):
                await self._performer.fence_fell(evidence)
            return [each for each in back if each.id in needed]
        if still:
            text = f"read again before {item.id}, and still so: {', '.join(still)}"
            self._recorder.journal.emit(Notice("info", text, item.id))
        return []

    def _to_be_read(self, item: Item) -> bool:
        step = self._performer.standing(item)
        if step is None or self._recorder.view.item(item.id).state is not ItemState.DONE:
            return False
        if step.until_open and self._performer.opened:
            return False
        return step.fence or item.id not in self._fresh

    async def _back(self, broken: Item, before: Item, found: str) -> list[Item]:
        text = f"{broken.id} no longer holds: {found}; it is done again before {before.id}"
        self._recorder.journal.emit(Notice("warning", text, broken.id))
        back = [broken, *(one for one in self._plan.items if self._stands_on(one, broken))]
        for one in back:
            note = f"no longer holds: {found}" if one is broken else f"{broken.id} no longer held"
            await self._recorder.record(ItemChanged(one.id, ItemState.PENDING, note=note))
            self._fresh.discard(one.id)
        return back

    def _stands_on(self, item: Item, broken: Item) -> bool:
        if item.kind is not ItemKind.AUTO or item.phase is not Phase.MIGRATION:
            return False
        step = self._performer.standing(item)
        handed_over = step is not None and step.until_open and self._performer.opened
        done = self._recorder.view.item(item.id).state is ItemState.DONE
        return done and not handed_over and broken.id in below(self._plan, item)
