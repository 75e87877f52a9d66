"""Prometheus' text format, read by its `# TYPE` lines: many of Neon's counters lack the usual suffix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from wsdash.errors import WsdashError

_PARTS = {
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "summary": ("_sum", "_count", "_created"),
    "counter": ("_total", "_created"),
}
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Sample:
    """One value: its full name (a histogram's has a suffix), labels, and the number."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass
class Family:
    """What one `# TYPE` line announces. kind: counter, gauge, histogram, summary or untyped."""

    name: str
    kind: str
    samples: list[Sample] = field(default_factory=list)


def parse_metrics(page: str) -> dict[str, Family]:
    """Families by name. Raises WsdashError naming the line that is not in the format."""
    families: dict[str, Family] = {}
    for number, line in enumerate(page.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if words[0].startswith("#"):
            if words[:2] == ["#", "TYPE"] and len(words) == 4:
                families[words[2]] = Family(words[2], words[3])
            continue
        sample = _sample(line, number)
        family = _family_of(sample.name, families)
        family.samples.append(sample)
    return families


def metric_names(page: str) -> frozenset[str]:
    """Every name that a query may use: families, and the parts of histograms and summaries."""
    names = set()
    for family in parse_metrics(page).values():
        names.add(family.name)
        names.update(sample.name for sample in family.samples)
        if family.kind in ("histogram", "summary"):
            names.update(family.name + part for part in _PARTS[family.kind])
    return frozenset(names)


def _family_of(name: str, families: dict[str, Family]) -> Family:
    if name in families:
        return families[name]
    for kind, parts in _PARTS.items():
        for part in parts:
            family = families.get(name.removesuffix(part))
            if family is not None and family.kind == kind and name.endswith(part):
                return family
    return families.setdefault(name, Family(name, "untyped"))


def _sample(line: str, number: int) -> Sample:
    match = _SAMPLE.match(line.strip())
    if match is None:
        raise _not_metrics(line, number)
    name, labels, value = match.groups()
    try:
        return Sample(name, dict(_labels(labels or "")), float(value))
    except ValueError as error:
        raise _not_metrics(line, number) from error


def _labels(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while text[position:].strip():
        match = _LABEL.match(text, position)
        if match is None:
            raise ValueError(text)
        yield match[1], _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], match[2])
        position = match.end()


def _not_metrics(line: str, number: int) -> WsdashError:
    return WsdashError(
        f"line {number} is not in Prometheus' text format: {line[:80]}",
        where="a /metrics page",
        remedy="see what answers there",
    )
