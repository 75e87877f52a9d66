"""Quantiles of a histogram's growth."""

from __future__ import annotations

import pytest

from wsdash.watch.pollers.prometheus import quantile

INF = float("inf")


@pytest.mark.parametrize(
    ("q", "grown", "expected"),
    [
        (0.5, {0.1: 10, 1.0: 10, INF: 10}, 0.05),
        (0.99, {0.1: 90, 1.0: 100, INF: 100}, 0.91),
        (0.5, {0.1: 0, 1.0: 10, INF: 10}, 0.55),
        (0.99, {0.1: 0, 1.0: 0, INF: 10}, 1.0),  # beyond the largest bound: that bound
        (0.99, {0.1: 0, INF: 0}, None),  # nothing grew
        (0.99, {}, None),
    ],
)
def test_a_quantile_is_taken_as_prometheus_takes_it(
    q: float, grown: dict[float | str, float], expected: float | None
) -> None:
    found = quantile(q, grown)
    assert found == (None if expected is None else pytest.approx(expected))
