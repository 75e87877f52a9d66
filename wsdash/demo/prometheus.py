"""Prometheus' text format: what the demo's services answer on /metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, str]
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(families: Iterable[str]) -> str:
    """One page out of families made by `family` and `Histogram.family`."""
    return "".join(families)


def family(name: str, kind: str, text: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """A counter or gauge with its # HELP and # TYPE lines."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


@dataclass
class Histogram:
    """Observations in seconds by label set; buckets are upper bounds, ascending."""

    name: str
    text: str
    buckets: tuple[float, ...] = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
    _series: dict[tuple[tuple[str, str], ...], list[float]] = field(default_factory=dict)

    def observe(self, seconds: float, times: int = 1, **labels: str) -> None:
        """Count an observation, or `times` equal ones."""
        key = tuple(sorted(labels.items()))
        # one slot a bucket, then the count, then the sum
        series = self._series.setdefault(key, [0.0] * (len(self.buckets) + 2))
        for place, bound in enumerate(self.buckets):
            if seconds <= bound:
                series[place] += times
        series[-2] += times
        series[-1] += seconds * times

    def family(self) -> str:
        """Its lines, cumulative buckets first."""
        lines = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} histogram"]
        for key, series in self._series.items():
            labels = dict(key)
            for bound, count in zip((*map(_number, self.buckets), "+Inf"), series[:-1], strict=True):
                lines.append(f"{self.name}_bucket{_labels(labels | {'le': bound})} {_number(count)}")
            lines.append(f"{self.name}_sum{_labels(labels)} {_number(series[-1])}")
            lines.append(f"{self.name}_count{_labels(labels)} {_number(series[-2])}")
        return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
