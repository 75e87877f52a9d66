"""What wsdash tells Prometheus: a fold of the journal's events, and the metric families made from it.

Names, units and types follow Prometheus' own rules: base units (seconds, bytes, ratios of 1), counters that
end in _total, one-of-several states as one series a state. What is not read any more is left out, and so is
what only seems well because nobody measures. What the alert rules measure now is among it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from wsdash import __version__
from wsdash.engine.limits import FRESH_SECONDS, ROWS_FRESH_SECONDS
from wsdash.engine.run.due import outcome
from wsdash.history.reader import StoreSize
from wsdash.model import (
    ContainerReading,
    CriterionFound,
    HostReading,
    ItemState,
    LatencyReading,
    MetricsReading,
    Mode,
    Outcome,
    Recorded,
    RowsReading,
    TimelineJudged,
)
from wsdash.model.alert_board import AlertBoard, fold_alert
from wsdash.model.fold import RunView, fold
from wsdash.model.samples import SampleFold
from wsdash.plan import Plan
from wsdash.watch.alerting.export import MEASURED, VALUE
from wsdash.watch.alerting.judge import ABSENCE, AlertJudge
from wsdash.watch.alerting.rules import AlertRule

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds, the guide's 100, 200 and 500 ms among them."""
CONTAINER_STATES = ("created", "running", "restarting", "paused", "exited", "missing")
SEVERITIES = ("info", "warning", "critical")
KINDS: dict[type, str] = {
    LatencyReading: "probe",
    ContainerReading: "container",
    RowsReading: "rows",
    HostReading: "host",
}
ANSWERS = {True: "holds", False: "fails", None: "unknown"}


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


class Probed:
    """The probes of one series since the engine began."""

    def __init__(self) -> None:
        self.newest: Recorded | None = None
        self.failed = 0
        self.total = 0.0
        self.counts = [0] * (len(BUCKETS) + 1)

    def see(self, recorded: Recorded, event: LatencyReading) -> None:
        """Count one."""
        self.newest = recorded
        if event.seconds is None:
            self.failed += 1
            return
        self.total += event.seconds
        slot = next((n for n, bound in enumerate(BUCKETS) if event.seconds <= bound), len(BUCKETS))
        self.counts[slot] += 1

    def cumulated(self) -> list[tuple[str, float]]:
        """The histogram's buckets."""
        description, whole = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            whole += count
            description.append((bound, float(whole)))
        return description


class Exposition:
    """Takes events in the journal's order, from its thread; families are made in any other.

    measured: what the alert rules measure, which takes the same events.
    """

    def __init__(
        self, plan: Plan, before: Sequence[Recorded] = (), measured: MeasuredAlerts | None = None
    ) -> None:
        self._plan = plan
        self._measured = measured or MeasuredAlerts()
        self._lock = threading.Lock()
        self._run = RunView()
        self._alerts = AlertBoard()
        self._probed: dict[str, Probed] = {}
        self._containers: dict[str, tuple[float, ContainerReading]] = {}
        self._rows: dict[str, tuple[float, RowsReading]] = {}
        self._host: tuple[float, HostReading] | None = None
        self._newest: dict[str, float] = {}
        self._timeline: TimelineJudged | None = None
        for recorded in before:
            self.see(recorded)

    def see(self, recorded: Recorded) -> None:
        """Take an event; returns at once."""
        event = recorded.event
        with self._lock:
            kind = _kind(recorded)
            if kind:
                self._newest[kind] = recorded.at
            self._measured.see(recorded)
            match event:
                case LatencyReading():
                    self._probed.setdefault(event.series, Probed()).see(recorded, event)
                case ContainerReading():
                    self._containers[event.name] = (recorded.at, event)
                case RowsReading():
                    self._rows[event.table] = (recorded.at, event)
                case HostReading():
                    self._host = (recorded.at, event)
                case TimelineJudged():
                    self._timeline = event
                case MetricsReading():
                    pass
                case _:
                    self._run = fold(self._run, recorded)
                    self._alerts = fold_alert(self._alerts, recorded)

    def families(self, now: float, size: StoreSize | None) -> list[Metric]:
        """Everything, at `now` (epoch seconds of the run). size: None while the history cannot be read."""
        with self._lock:
            return [
                _gauge("wsdash_build_info", "The version of wsdash.", ["version"], [([__version__], 1)]),
                *self._probes(now),
                *self._of_containers(now),
                *self._of_tables(now),
                *self._of_the_run(now),
                *self._of_the_move(now),
                *self._of_the_alerts(now),
                *self._measured.families(now),
                *self._of_the_days(size),
                *self._of_wsdash(now, size),
            ]

    def _probes(self, now: float) -> Iterator[Metric]:
        latency, up = [], []
        failed = CounterMetricFamily(
            "wsdash_probe_failures", "Probes that got no answer since wsdash began.", labels=["series"]
        )
        took = HistogramMetricFamily(
            "wsdash_probe_duration_seconds", "How long answered probes took.", labels=["series"]
        )
        for series, probed in sorted(self._probed.items()):
            failed.add_metric([series], probed.failed)
            took.add_metric([series], probed.cumulated(), probed.total)
            newest = probed.newest
            if newest is None or now - newest.at > FRESH_SECONDS:
                continue
            assert isinstance(newest.event, LatencyReading)
            seconds = newest.event.seconds
            up.append(([series], 0.0 if seconds is None else 1.0))
            if seconds is not None:
                latency.append(([series], seconds))
        yield _gauge("wsdash_probe_up", "1 when the newest probe was answered.", ["series"], up)
        description = "How long the newest answered probe took."
        yield _gauge("wsdash_probe_latency_seconds", description, ["series"], latency)
        yield failed
        yield took

    def _of_containers(self, now: float) -> Iterator[Metric]:
        fresh = [reading for at, reading in self._containers.values() if now - at <= FRESH_SECONDS]
        labels = ["container"]
        states = [([r.name, s], float(r.state == s)) for r in fresh for s in CONTAINER_STATES]
        yield _gauge("wsdash_container_state", "1 for the state it is in.", ["container", "state"], states)
        health = [
            ([r.name], float(r.health == "healthy")) for r in fresh if r.health not in ("none", "unknown")
        ]
        yield _gauge("wsdash_container_healthy", "1 when its health check says so.", labels, health)
        restarts = CounterMetricFamily(
            "wsdash_container_restarts", "Restarts, as its engine counts them.", labels=labels
        )
        for reading in fresh:
            restarts.add_metric([reading.name], reading.restarts)
        yield restarts
        cpu = [([r.name], r.cpu_percent / 100) for r in fresh if r.cpu_percent is not None]
        yield _gauge("wsdash_container_cpu_ratio", "CPU in use, 1 is one processor.", labels, cpu)
        memory = [([r.name], float(r.memory_bytes)) for r in fresh if r.memory_bytes is not None]
        yield _gauge("wsdash_container_memory_bytes", "Memory in use.", labels, memory)

    def _of_tables(self, now: float) -> Iterator[Metric]:
        fresh = [reading for at, reading in self._rows.values() if now - at <= ROWS_FRESH_SECONDS]
        sides = [
            (r.table, side, value)
            for r in fresh
            for side, value in (("source", r.source), ("target", r.target))
        ]
        rows = [([table, side], float(value)) for table, side, value in sides if value is not None]
        yield _gauge("wsdash_table_rows", "Rows of a table on one side.", ["table", "side"], rows)
        description = "1 when the counts are estimated from statistics."
        estimated = [([r.table], float(r.estimated)) for r in fresh]
        yield _gauge("wsdash_table_rows_estimated", description, ["table"], estimated)
        description = "Rows of the target less those of the source, where the two can be compared."
        differ = [
            ([r.table], float(r.target - r.source))
            for r in fresh
            if r.source is not None and r.target is not None and not r.note
        ]
        yield _gauge("wsdash_table_rows_difference", description, ["table"], differ)

    def _of_the_run(self, now: float) -> Iterator[Metric]:
        stands = outcome(self._run, self._plan)
        each = [([one.value], float(one is stands)) for one in Outcome]
        yield _gauge("wsdash_run_outcome", "1 for the run's state.", ["outcome"], each)
        items = [
            ([item.id, item.phase.value, state.value], float(self._run.item(item.id).state is state))
            for item in self._plan.items
            for state in ItemState
        ]
        labels = ["item", "phase", "state"]
        yield _gauge("wsdash_item_state", "1 for the state an item of the checklist is in.", labels, items)
        down = self._run.downtime
        if down is not None:
            description = "Write downtime of the migration, so far while it goes on."
            yield _one("wsdash_write_downtime_seconds", description, sum(self._run.downtime_stretches(now)))
            description = "1 while the write downtime goes on."
            yield _one("wsdash_write_downtime_running", description, float(down.ended_at is None))

    def _of_the_move(self, now: float) -> Iterator[Metric]:
        followed = self._run.followed
        modes = [([mode.value], float(mode == self._run.mode)) for mode in Mode if self._run.mode]
        yield _gauge("wsdash_run_mode", "1 for the mode of the run.", ["mode"], modes)
        if followed is None or self._run.followed_at is None or now - self._run.followed_at > FRESH_SECONDS:
            return
        sides = [([side], float(followed.open == side)) for side in ("source", "target")]
        yield _gauge("wsdash_online_open", "1 for the side that takes writes.", ["side"], sides)
        if followed.lag is not None:
            yield _one("wsdash_online_lag_seconds", "How far the other side is behind.", followed.lag)
        yield _one("wsdash_online_log_bytes", "What the log of changes takes.", float(followed.log_bytes))
        if followed.overhead is not None:
            text = "What capture adds to a write of one row."
            yield _one("wsdash_online_capture_seconds", text, followed.overhead)

    def _of_the_alerts(self, now: float) -> Iterator[Metric]:
        raised = self._alerts.raised.values()
        counts = {name: sum(span.severity == name for span in raised) for name in SEVERITIES}
        # what is raised stays until it is seen to be over; that nothing is raised must have been looked for
        measured = any(now - at <= FRESH_SECONDS for at in self._newest.values())
        by_severity = [([name], float(count)) for name, count in counts.items() if count or measured]
        yield _gauge("wsdash_alerts_raised", "Alerts that are raised now.", ["severity"], by_severity)
        each = [([span.alert, span.rule, span.severity], 1.0) for span in raised]
        yield _gauge("wsdash_alert_raised", "1 for every raised alert.", ["alert", "rule", "severity"], each)

    def _of_the_days(self, size: StoreSize | None) -> Iterator[Metric]:
        judged = self._timeline
        if judged is None:
            return
        if judged.migrated_at is not None:
            description = "When the migration ended, in seconds since the epoch."
            yield _one("wsdash_migrated_timestamp_seconds", description, judged.migrated_at)
        if size is None:  # without the history nothing is judged anew, and old answers would go on
            return
        places: list[tuple[str, Sequence[CriterionFound]]] = [
            *((f"day-{day.day}", day.criteria) for day in judged.days),
            *judged.board.items(),
        ]
        found = [
            ([place, criterion.id, word], float(criterion.holds is holds))
            for place, criteria in places
            for criterion in criteria
            for holds, word in ANSWERS.items()
        ]
        labels = ["place", "criterion", "answer"]
        description = "1 for what the evidence says of a criterion, by day or list of the board."
        yield _gauge("wsdash_criterion", description, labels, found)

    def _of_wsdash(self, now: float, size: StoreSize | None) -> Iterator[Metric]:
        description = "When something of a kind was last read, in seconds since the epoch."
        newest = [([kind], at) for kind, at in sorted(self._newest.items())]
        yield _gauge("wsdash_newest_reading_timestamp_seconds", description, ["kind"], newest)
        if self._host is not None and now - self._host[0] <= FRESH_SECONDS:
            host = self._host[1]
            yield _one(
                "wsdash_disk_used_ratio", "Of the fullest disk that is watched.", host.disk_percent / 100
            )
            yield _one("wsdash_resident_memory_bytes", "wsdash's own memory.", host.self_memory_bytes)
        if size is not None:
            yield _one("wsdash_history_bytes", "The history on disk.", size.bytes)
            description = "How fast finished hours fill the history, at the newest day's rate."
            yield _one("wsdash_history_growth_bytes_per_second", description, size.bytes_per_day / 86_400)
            description = "Samples that came in, over the last five minutes."
            yield _one("wsdash_history_samples_per_second", description, size.samples_per_minute / 60)


def _kind(recorded: Recorded) -> str:
    """What sort of reading it is, '' for what is none. A probe without an answer is a reading too."""
    event = recorded.event
    if isinstance(event, MetricsReading):
        return "" if event.source == ABSENCE else event.source
    return KINDS.get(type(event), "")


def _one(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, value=value)


def _gauge(
    name: str, description: str, labels: list[str], values: list[tuple[list[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, description, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family
