"""config/timeline.yaml, typed: the days, their criteria, and the board. Errors name file, key and remedy."""

from __future__ import annotations

from pathlib import Path

import msgspec

from wsdash.config import Thresholds, read_yaml, shipped
from wsdash.errors import InputError

FILE = "timeline.yaml"
MEASURES = (
    "items",
    "tables",
    "alerts",
    "percentile",
    "failures",
    "downtime",
    "maximum",
    "restarts",
    "healthy",
    "improved",
)
PERSON = "person"
BY_PEOPLE = (PERSON, "decision")
OF_SERIES = tuple(name for name in MEASURES if name not in ("items", "tables"))


class CriterionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One criterion; timeline.yaml explains every key."""

    id: str
    title: str
    measure: str
    items: tuple[str, ...] = ()
    tests: bool = False
    severities: tuple[str, ...] = ()
    series: str = ""
    before: str = ""
    quantile: float = 0.95
    at_most: float | str = 0.0
    slack: float = 0.0
    unit: str = ""
    day: int = 7
    looks_back: float = 0.0
    fewest: int = 1


class DaySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the guide's timeline. criteria: ids."""

    day: int
    title: str
    guide: str
    criteria: tuple[str, ...]


class TimelineSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. coverage: the share of a slice's minutes that must have been watched; longest_hole: the
    seconds at a time in which nobody may have looked."""

    days: tuple[DaySpec, ...]
    criteria: tuple[CriterionSpec, ...]
    board: dict[str, tuple[str, ...]]
    coverage: float = 0.9
    longest_hole: float = 900.0

    def criterion(self, name: str) -> CriterionSpec:
        """The criterion of that id. Raises InputError that lists the ids."""
        for spec in self.criteria:
            if spec.id == name:
                return spec
        known = ", ".join(spec.id for spec in self.criteria)
        raise InputError(f"there is no criterion {name!r}", where=FILE, remedy=f"use one of: {known}")

    def criteria_of(self, day: DaySpec) -> tuple[str, ...]:
        """The criteria that a day's recommendation reads; the last day's are the whole board's too."""
        if day.day != self.days[-1].day:
            return day.criteria
        return tuple(dict.fromkeys((*day.criteria, *(c for names in self.board.values() for c in names))))

    def day(self, number: int) -> DaySpec:
        """The day of that number. Raises InputError that lists the days."""
        for spec in self.days:
            if spec.day == number:
                return spec
        known = ", ".join(str(spec.day) for spec in self.days)
        raise InputError(f"day {number} is not on the timeline", where=FILE, remedy=f"use one of: {known}")


def load_timeline(directory: Path | None = None) -> TimelineSpec:
    """Read DIR/timeline.yaml (the shipped one when DIR is None or holds none). Raises InputError."""
    path = (directory or shipped("config")) / FILE
    if not path.exists():
        path = shipped("config", FILE)
    try:
        spec = msgspec.convert(read_yaml(path), TimelineSpec)
    except msgspec.ValidationError as error:
        raise InputError(str(error), where=str(path), remedy=f"correct {FILE}") from error
    trouble = next(iter(_troubles(spec)), None)
    if trouble is not None:
        raise InputError(trouble, where=str(path), remedy=f"correct {FILE}; its head explains every key")
    return spec


def limit(spec: CriterionSpec, thresholds: Thresholds) -> float:
    """at_most as a number; a name is looked up among the thresholds of wsdash.yaml."""
    return float(getattr(thresholds, spec.at_most)) if isinstance(spec.at_most, str) else spec.at_most


def _troubles(spec: TimelineSpec) -> list[str]:
    found = []
    ids = [criterion.id for criterion in spec.criteria]
    found += [f"criterion {name!r} is given twice" for name in ids if ids.count(name) > 1]
    if not 0 < spec.coverage <= 1:
        found.append(f"coverage {spec.coverage:g} is not above 0 and at most 1")
    if not 0 < spec.longest_hole <= 86_400:
        found.append(f"longest_hole {spec.longest_hole:g} is not above 0 and at most 86400 seconds")
    for criterion in spec.criteria:
        found += _criterion_troubles(criterion)
    named = [(f"day {day.day}", day.criteria) for day in spec.days]
    named += [(f"board, {name}", criteria) for name, criteria in spec.board.items()]
    for where, criteria in named:
        found += [f"{where} names {name!r}, which is no criterion" for name in criteria if name not in ids]
    days = [day.day for day in spec.days]
    if not days or days != sorted(set(days)) or days[0] < 0:
        found.append("days must be given once each, in order")
    return found


def _criterion_troubles(criterion: CriterionSpec) -> list[str]:
    name = f"criterion {criterion.id!r}"
    found = []
    if criterion.measure not in (*MEASURES, *BY_PEOPLE):
        found.append(f"{name}: measure {criterion.measure!r} is not one of {', '.join(MEASURES + BY_PEOPLE)}")
    if criterion.measure in OF_SERIES and not criterion.series:
        found.append(f"{name}: measure {criterion.measure!r} wants a series")
    if criterion.measure == "improved" and not criterion.before:
        found.append(f"{name}: measure 'improved' wants a series `before`")
    if criterion.measure == "items" and not (criterion.items or criterion.tests):
        found.append(f"{name}: measure 'items' wants items")
    if not 0 <= criterion.looks_back <= 3600:
        found.append(f"{name}: looks_back {criterion.looks_back:g} is not 0 to 3600 seconds")
    if not 0 < criterion.quantile < 1:
        found.append(f"{name}: quantile {criterion.quantile:g} is not between 0 and 1")
    if isinstance(criterion.at_most, str) and criterion.at_most not in Thresholds.__struct_fields__:
        found.append(f"{name}: at_most {criterion.at_most!r} is no threshold of wsdash.yaml")
    return found
