"""The checklist as data: phases, items, their order and needs, read from config/plan.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from wsdash.config import read_yaml, shipped
from wsdash.errors import InputError
from wsdash.model import ItemKind, Meaning, Mode, Phase, StepId


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the guide's checklists. needs: ids that must be done or skipped first.

    The other keys say what the item means for the run (see Meaning), in whatever way it becomes done.
    """

    id: str
    phase: Phase
    kind: ItemKind
    title: str
    needs: tuple[str, ...] = ()
    stops: Literal["old"] | None = None
    closes: Literal["source"] | None = None
    starts: Literal["target"] | None = None
    makes: Literal["tables"] | None = None
    copies: Literal["rows"] | None = None
    proves: Literal["rows"] | None = None
    opens: Literal["target"] | None = None
    loads: Literal["api"] | None = None
    writes: Literal["report"] | None = None
    shows: Literal["adr"] | None = None
    decides: Literal["day-7"] | None = None
    complete: bool = False
    """It means what it says and nothing else: an item of the online order."""

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """What the item says that it means; where it says nothing, what the shipped item of its id means."""
        said = tuple(one for one in Meaning if getattr(self, one.partition(":")[0]) is not None)
        return said if said or self.complete else _SHIPPED.get(self.id, ())

    def means(self, meaning: Meaning) -> bool:
        """Whether the item means that."""
        return meaning in self.meanings

    @property
    def rechecked(self) -> bool:
        """Later items depend on what it means: it is read again before they act (its step is a
        RecheckedStep)."""
        return any(meaning in RECHECKED for meaning in self.meanings)


RECHECKED = (Meaning.CLOSES_SOURCE, Meaning.STARTS_TARGET, Meaning.MAKES_TABLES, Meaning.COPIES_ROWS)
"""What the world may take back between two items; all are cheap to read."""
_SHIPPED = {
    StepId.STOP_OLD: (Meaning.CLOSES_SOURCE, Meaning.STOPS_OLD),
    StepId.START_STACK: (Meaning.STARTS_TARGET,),
    StepId.INIT_NEON: (Meaning.MAKES_TABLES,),
    StepId.MIGRATE_DATA: (Meaning.COPIES_ROWS,),
    StepId.VERIFY_DATA: (Meaning.PROVES_ROWS,),
    StepId.TEST_API: (Meaning.OPENS_TARGET,),
    StepId.BENCHMARKS: (Meaning.LOADS_API,),
    StepId.UPDATE_DOCS: (Meaning.WRITES_REPORT,),
    "review-adr": (Meaning.SHOWS_ADR,),
    "go-no-go": (Meaning.DECIDES_DAY_7,),
}
"""For plans written before items said it themselves."""


class Test(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the guide's testing checklist. group: functional, performance or neon. alone: it
    interrupts the service, so it is only run when asked for by name."""

    __test__ = False

    id: str
    group: str
    kind: ItemKind
    title: str
    alone: bool = False

    @property
    def as_item(self) -> Item:
        """The same line as the runner sees it: an item after the migration, without needs."""
        return Item(self.id, Phase.POST, self.kind, self.title)


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All items, in the order in which they are run; and the testing checklist, a list of its own.

    online: the migration's items as mode online runs them; () where the plan has no such order.
    """

    items: tuple[Item, ...]
    tests: tuple[Test, ...] = ()
    online: tuple[Item, ...] = ()

    def in_mode(self, mode: str) -> Plan:
        """The plan as a run of that mode ('' is offline) follows it. Raises InputError where it has no order
        for that.
        """
        if mode != Mode.ONLINE:
            return self
        if not self.online:
            raise InputError(
                "this plan has no order for --mode online",
                where="plan.yaml",
                remedy="add the part `online:` of the shipped plan.yaml, or use --mode offline",
            )
        items = [
            *(item for item in self.items if item.phase is Phase.PRE),
            *self.online,
            *(item for item in self.items if item.phase is Phase.POST),
        ]
        return Plan(tuple(items), self.tests, self.online)

    def automatic_tests(self, group: str = "") -> tuple[str, ...]:
        """Ids of the automatic tests that do not interrupt the service, of one group or ('') of all."""
        chosen = (test for test in self.tests if test.kind is ItemKind.AUTO and not test.alone)
        return tuple(test.id for test in chosen if group in ("", test.group))

    def that(self, meaning: Meaning) -> str:
        """The id of the item that means that, '' where the plan has none."""
        return next((item.id for item in self.items if item.means(meaning)), "")

    @property
    def everything(self) -> tuple[Item, ...]:
        """The items, then the tests as items."""
        return (*self.items, *(test.as_item for test in self.tests))

    def item(self, item_id: str) -> Item:
        """The item or test of that id. Raises InputError that lists the items' ids."""
        for item in self.everything:
            if item.id == item_id:
                return item
        raise InputError(
            f"there is no item {item_id!r}",
            where="the plan",
            remedy="use one of: " + ", ".join(item.id for item in self.items),
        )


def load_plan(directory: Path | None = None) -> Plan:
    """Read DIR/plan.yaml and DIR/testing.yaml (the shipped one of each that DIR does not hold).

    Raises InputError for a broken file, an id or a meaning given twice, a need that is unknown or comes
    later, or a source that is closed while nothing opens the target after it.
    """
    path, items = _read(directory, "plan.yaml", _Items)
    tests_path, tests = _read(directory, "testing.yaml", _Tests)
    plan = Plan(items.items, tests.tests, items.online)
    seen = _check_order(plan.items, path)
    if plan.online:
        in_both = _check_order(plan.in_mode(Mode.ONLINE).items, path)
        if missing := sorted(seen - in_both):
            raise InputError(
                f"the online order leaves out {', '.join(missing)}",
                where=f"{path}, part online",
                remedy="name every item of phase migration there",
            )
        seen |= in_both
    for test in tests.tests:
        _only_once(test.id, seen, tests_path)
        seen.add(test.id)
    return plan


def _check_order(items: tuple[Item, ...], path: Path) -> set[str]:
    """Raises InputError as load_plan says; the items' ids."""
    seen: set[str] = set()
    for item in items:
        _only_once(item.id, seen, path)
        for need in item.needs:
            if need not in seen:
                raise InputError(
                    f"item {item.id!r} needs {need!r}, which is unknown or comes later",
                    where=str(path),
                    remedy="order the items so that each comes after what it needs",
                )
        seen.add(item.id)
    _check_meanings(items, path)
    return seen


def _check_meanings(items: tuple[Item, ...], path: Path) -> None:
    places: dict[Meaning, int] = {}
    for place, item in enumerate(items):
        for meaning in item.meanings:
            if meaning in places:
                raise InputError(
                    f"{items[places[meaning]].id!r} and {item.id!r} both mean `{meaning}`",
                    where=str(path),
                    remedy="say it of one of them only",
                )
            places[meaning] = place
    closed, opened = (places.get(one) for one in (Meaning.CLOSES_SOURCE, Meaning.OPENS_TARGET))
    if closed is not None and (opened is None or opened < closed):
        raise InputError(
            f"{items[closed].id!r} closes the source, and no item after it opens the target: the write "
            "downtime would never end",
            where=str(path),
            remedy="say `opens: target` of the item after which users write to the new service",
        )


class _Items(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: tuple[Item, ...]
    online: tuple[Item, ...] = ()


class _Tests(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tests: tuple[Test, ...]


Content = TypeVar("Content", _Items, _Tests)


def _read(directory: Path | None, name: str, kind: type[Content]) -> tuple[Path, Content]:
    path = (directory or shipped("config")) / name
    if not path.exists():
        path = shipped("config", name)
    try:
        return path, msgspec.convert(_with_titles(read_yaml(path)), kind)
    except msgspec.ValidationError as error:
        raise InputError(str(error), where=str(path), remedy=f"correct {name}") from error


def _with_titles(raw: Any) -> Any:
    """The online order's lines with the phase, kind and title that the guide's item of that id has."""
    if not isinstance(raw, dict) or not isinstance(raw.get("online"), list):
        return raw
    items = [item for item in raw.get("items") or () if isinstance(item, dict)]
    known = {str(item.get("id")): {key: item[key] for key in _SHARED if key in item} for item in items}
    lines = [
        known.get(str(line.get("id")), {}) | line | {"complete": True} if isinstance(line, dict) else line
        for line in raw["online"]
    ]
    return raw | {"online": lines}


_SHARED = ("phase", "kind", "title", "loads", "writes", "shows", "decides")


def _only_once(item_id: str, seen: set[str], path: Path) -> None:
    if item_id in seen:
        raise InputError(f"item {item_id!r} is given twice", where=str(path), remedy="remove one of them")
