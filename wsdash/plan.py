"""The checklist as data: phases, items, their order and needs, read from config/plan.yaml."""

from __future__ import annotations

from pathlib import Path

import msgspec

from wsdash.config import read_yaml, shipped
from wsdash.errors import InputError
from wsdash.model import ItemKind, Phase


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the guide's checklists. needs: ids that must be done or skipped first."""

    id: str
    phase: Phase
    kind: ItemKind
    title: str
    needs: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All items, in the order in which they are run."""

    items: tuple[Item, ...]

    def item(self, item_id: str) -> Item:
        """The item of that id. Raises InputError that lists the ids."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise InputError(
            f"there is no item {item_id!r}",
            where="the plan",
            remedy="use one of: " + ", ".join(item.id for item in self.items),
        )


def load_plan(directory: Path | None = None) -> Plan:
    """Read DIR/plan.yaml (the shipped one when DIR is None or holds none).

    Raises InputError for a broken file, an id given twice, or a need that is unknown or comes later.
    """
    path = (directory or shipped("config")) / "plan.yaml"
    if not path.exists():
        path = shipped("config", "plan.yaml")
    try:
        plan = msgspec.convert(read_yaml(path), Plan)
    except msgspec.ValidationError as error:
        raise InputError(str(error), where=str(path), remedy="correct plan.yaml") from error
    seen: set[str] = set()
    for item in plan.items:
        if item.id in seen:
            raise InputError(f"item {item.id!r} is given twice", where=str(path), remedy="remove one of them")
        for need in item.needs:
            if need not in seen:
                raise InputError(
                    f"item {item.id!r} needs {need!r}, which is unknown or comes later",
                    where=str(path),
                    remedy="order the items so that each comes after what it needs",
                )
        seen.add(item.id)
    return plan
