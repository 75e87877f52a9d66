"""Prometheus' text format, and what its counters say over the newest stretch of time.

Read by its `# TYPE` lines: many of Neon's counters lack the usual suffix.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from wsdash.errors import WsdashError

_PARTS = ("_bucket", "_sum", "_count")
STRETCH = 60.0
"""Seconds over which a percentile or a rate is taken."""
Counters = dict[tuple[str, float | str], float]
"""(family, a bucket's upper bound or a label's value) -> count."""


@dataclass(frozen=True)
class MetricSample:
    """One value: its full name (a histogram's has a suffix), labels, and the number."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass
class Family:
    """What one `# TYPE` line announces. kind: counter, gauge, histogram, summary or untyped."""

    name: str
    kind: str
    samples: list[MetricSample] = field(default_factory=list)


def parse_metrics(page: str, wanted: Iterable[str] = ()) -> dict[str, Family]:
    """Families by name. Raises WsdashError naming the line that is not in the format.

    wanted: where the page has any of these, the lines of most others are passed over: a page may have tens of
    thousands of lines of which a few are read.
    """
    whole, page = page, _only(page, wanted) or page
    declared = {
        words[2]
        for line in page.splitlines()
        if line.startswith("#") and len(words := line.split()) == 4 and words[1] == "TYPE"
    }
    try:
        metrics = list(text_string_to_metric_families(page))
    except ValueError as error:
        raise _not_metrics(whole) from error
    families: dict[str, Family] = {}
    for metric in metrics:
        family = _family(metric, declared)
        # OpenMetrics announces a counter without the _total that its samples have
        home = families.get(family.name.removesuffix("_total"))
        known = home if home and home.kind == "counter" else families.setdefault(family.name, family)
        if known is not family:
            known.samples.extend(family.samples)
    return families


def _only(page: str, wanted: Iterable[str]) -> str:
    """The lines that begin as one of these names does, or announce one; '' where there is none."""
    begins = tuple(begin + name for name in wanted for begin in ("", "# TYPE ", "# HELP "))
    return "\n".join(line for line in page.splitlines() if line.startswith(begins))


def metric_names(page: str) -> frozenset[str]:
    """Every name that a query may use: families, and the parts of histograms and summaries."""
    names = set()
    for family in parse_metrics(page).values():
        names.add(family.name)
        names.update(sample.name for sample in family.samples)
        if family.kind in ("histogram", "summary"):
            names.update(family.name + part for part in _PARTS)
    return frozenset(names)


def _family(metric: Metric, declared: set[str]) -> Family:
    """A parsed family under the names of the page: the parser gives every counter OpenMetrics' _total."""
    name, kind = metric.name, "untyped" if metric.type == "unknown" else metric.type
    if kind == "counter" and name not in declared:
        name += "_total"
    samples = [
        MetricSample(name if kind == "counter" else sample.name, sample.labels, sample.value)
        for sample in metric.samples
    ]
    return Family(name, kind, samples)


def _not_metrics(page: str) -> WsdashError:
    number, line = 0, ""
    for number, line in enumerate(page.splitlines(), 1):  # noqa: B007
        try:
            list(text_string_to_metric_families(line))
        except ValueError:
            break
    return WsdashError(
        f"line {number} is not in Prometheus' text format: {line[:80]}",
        where="a /metrics page",
        remedy="see what answers there",
    )


class Growth:
    """The growth of a page's counters over the newest STRETCH seconds.

    A counter that shrank was reset by a restart: what was before it is forgotten.
    """

    def __init__(self) -> None:
        self._held: deque[tuple[float, Counters]] = deque()

    def put(self, at: float, counters: Counters) -> None:
        """Note the counters as they were read at that time (seconds of any steady clock)."""
        if self._held and any(value < self._held[-1][1].get(key, 0.0) for key, value in counters.items()):
            self._held.clear()
        self._held.append((at, counters))
        # the newest that is old enough stays, so that the stretch is covered as a whole
        while len(self._held) > 2 and self._held[1][0] <= at - STRETCH:
            self._held.popleft()

    def growth(self) -> tuple[float, Counters]:
        """(seconds, growth of each counter over them); 0 seconds while there was only one look."""
        if not self._held:
            return 0.0, {}
        (began, before), (ended, after) = self._held[0], self._held[-1]
        return ended - began, {key: value - before.get(key, 0.0) for key, value in after.items()}


def buckets(family: Family, **labels: str) -> dict[float, float]:
    """Upper bound -> count of a histogram's buckets, over all series that carry these labels."""
    counts: dict[float, float] = {}
    for sample in family.samples:
        if sample.name != f"{family.name}_bucket" or "le" not in sample.labels:
            continue
        if all(sample.labels.get(name) == value for name, value in labels.items()):
            bound = float(sample.labels["le"])
            counts[bound] = counts.get(bound, 0.0) + sample.value
    return counts


def quantile(q: float, grown: Mapping[float | str, float]) -> float | None:
    """The q-th quantile of a histogram's growth, as Prometheus' histogram_quantile; None when nothing grew.

    The values of a bucket are taken as spread evenly in it. Beyond the largest bound that bound is the
    answer.
    """
    bounds = sorted((float(bound), count) for bound, count in grown.items())
    if not bounds or bounds[-1][1] <= 0:
        return None
    rank = q * bounds[-1][1]
    low, below = 0.0, 0.0
    for bound, count in bounds:
        if count >= rank and count > below:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (rank - below) / (count - below)
        low, below = (low if math.isinf(bound) else bound), count
    return low
