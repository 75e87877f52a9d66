"""What the alert rules measure now, for the page that Prometheus reads: folded from the journal's events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from wsdash.model import Recorded
from wsdash.model.samples import SampleFold
from wsdash.watch.alerting.export import MEASURED, VALUE
from wsdash.watch.alerting.judge import AlertJudge
from wsdash.watch.alerting.rules import AlertRule


class MeasuredAlerts:
    """Takes events in the journal's order; not to be used by two threads at once.

    containers: what a container serves -> its name (watch/board.py).
    """

    def __init__(self, rules: Iterable[AlertRule] = (), containers: Mapping[str, str] | None = None) -> None:
        self._judge = AlertJudge(rules, containers=containers)
        self._fold = SampleFold(lambda series, at, value, error: self._judge.add(series, at, value), 0.0)

    def see(self, recorded: Recorded) -> None:
        """Take an event; returns at once."""
        self._fold.see(recorded)

    def families(self, now: float) -> Iterator[Metric]:
        """Every alert's statistic at `now`, epoch seconds of the run. Of what is rightly absent nothing is
        reported, and so its alerts end."""
        description = (
            "An alert rule's statistic over its window, in the unit of its series; infinite: no answer."
        )
        value = GaugeMetricFamily(VALUE, description, labels=["alert", "rule"])
        description = "1 where an alert's statistic is known, 0 where nobody measured."
        measured = GaugeMetricFamily(MEASURED, description, labels=["alert", "rule"])
        for one in self._judge.measured(now):
            labels = [one.alert, one.rule.id]
            measured.add_metric(labels, float(one.value is not None))
            if one.value is not None:
                value.add_metric(labels, one.value)
        yield value
        yield measured
