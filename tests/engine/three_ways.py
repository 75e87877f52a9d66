"""The same events judged live, replayed from the history, and by Prometheus on the exported rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.promtool import play
from tests.watch.support import EPOCH, FakeClock, running, settings_of
from wsdash.engine.background.exposition import MeasuredAlerts
from wsdash.history.reader import HistoryReader
from wsdash.history.store import HistoryWriter
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    HostReading,
    LatencyReading,
    LogLine,
    MetricsReading,
    Recorded,
)
from wsdash.model.alert_board import AlertSpan, alert_spans
from wsdash.model.samples import SampleFold
from wsdash.watch.alerting.export import EVERY, alert_name, prometheus_rules
from wsdash.watch.alerting.replay import replay
from wsdash.watch.alerting.rules import AlertRule
from wsdash.watch.alerts import Alerts, ErrorRates
from wsdash.watch.board import Board, containers_of_series
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import Duty
from wsdash.watch.world import rules_of

API = "workspace-api"
BEGIN = EPOCH
PROBED = ("api-old", "api-new", "pageserver", "safekeeper", "source-db", "target-db")
Do = Callable[["Played", int], None]


class Played:
    """A world second by second: what each probe answers (None: nothing), the fullest disk, the pool, duties.

    `do` changes it before each second is read.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.settings = settings_of(tmp_path)
        self.rules: tuple[AlertRule, ...] = rules_of(self.settings)
        self.answers: dict[str, float | None] = dict.fromkeys(PROBED, 0.02)
        self.disk = 50.0
        self.pool: int | None = 10
        self.duty: dict[str, Duty] = {}
        self.watched = True
        self.events: list[Recorded] = []
        self._clock = FakeClock()
        self._errors = ErrorCounter(API)
        board = self._board = Board(
            self.settings, self._clock, lambda name: self.duty.get(name, Duty(bool(name) or None))
        )
        self._alerts = Alerts(self.rules, board, self._errors, self._record, self._clock)
        self._rates = ErrorRates([API], self.emit, self._clock)

    def emit(self, event: AnyEvent) -> None:
        """What a poller reads: judged, and recorded."""
        self._alerts.observe(event)
        self._record(event)

    def line(self, text: str) -> None:
        """What the API writes."""
        line = LogLine(API, self._clock.time(), "stderr", text)
        self._errors.see(line)
        self._rates.see(line)

    async def play(self, seconds: int, do: Do) -> None:
        """Let so many seconds pass."""
        import asyncio

        rates = asyncio.create_task(self._rates.run())
        for second in range(seconds):
            do(self, second)
            await self._clock.advance(1)
            if not self.watched:
                continue
            for name in {*containers_of_series(self.settings).values()}:
                reading = running(name)
                self._board.put(reading)
                self.emit(reading)
            for series, answer in self.answers.items():
                if answer is not None or not self._board.absence(series):
                    self.emit(LatencyReading(series, answer, "" if answer is not None else "refused"))
            self.emit(HostReading(self.disk, 10**9, 1.0, 60 << 20, 0.001))
            if self.pool is not None and second % 10 == 0:
                self.emit(MetricsReading("connections", {"pool:limit": 100.0, "pool:used": float(self.pool)}))
            self._alerts.evaluate()
        self.end = self._clock.time()
        rates.cancel()

    def _record(self, event: AnyEvent) -> None:
        self.events.append(Recorded(len(self.events) + 1, self._clock.time(), event))

    def live(self) -> list[AlertSpan]:
        """What the engine said."""
        return list(alert_spans(one for one in self.events if isinstance(one.event, AlertChanged)))

    def replayed(self, directory: Path, *, condensed: bool) -> list[AlertSpan]:
        """What `wsdash alerts test` says. condensed: days later, when only minutes are left."""
        path = directory / ("condensed.db" if condensed else "raw.db")
        writer = HistoryWriter.open(path)
        fold = SampleFold(writer.add)
        for recorded in self.events:
            fold.see(recorded)
        if condensed:
            writer.add("later", self.end + 6 * 3600, 1.0)
        writer.close()
        reader = HistoryReader(path)
        spans = replay(self.rules, reader, BEGIN, self.end, containers_of_series(self.settings))
        reader.close()
        return list(spans)

    def by_prometheus(self, directory: Path) -> None:
        """Prometheus fires what the engine raised, but for 15 s at each edge: page, judgement, absence."""
        times = [BEGIN + n * EVERY for n in range(int((self.end - BEGIN) / EVERY) + 1)]
        told = self._pages(times)
        series: list[dict[str, Any]] = [{"series": 'up{job="wsdash"}', "values": f"1x{len(times)}"}]
        series += [{"series": name, "values": " ".join(values)} for name, values in told.items()]
        edges = [edge for span in self.live() for edge in (span.begun, span.ended) if edge is not None]
        raised = [self._raised_at(change) for change in self.live()]
        tests = [
            {
                "expr": 'sum by (alertname, alert) (ALERTS{alertstate="firing", rule!~"wsdash.*"})',
                "eval_time": f"{int(at - BEGIN)}s",
                "exp_samples": [
                    {"labels": f'{{alertname="{alert_name(span.rule)}", alert="{span.alert}"}}', "value": 1}
                    for span, first in zip(self.live(), raised, strict=True)
                    if first <= at and (span.ended is None or at < span.ended)
                ],
            }
            for at in times[2::3]
            if not any(abs(at - edge) <= 3 * EVERY for edge in (*edges, *raised))
        ]
        assert len(tests) > 10
        play(
            directory,
            prometheus_rules(self.rules),
            [{"interval": f"{EVERY}s", "input_series": series, "promql_expr_test": tests}],
            f"{EVERY}s",
        )

    def _raised_at(self, span: AlertSpan) -> float:
        return next(
            one.at
            for one in self.events
            if isinstance(one.event, AlertChanged)
            and one.event.raised
            and one.event.alert == span.alert
            and one.event.since == span.begun
        )

    def _pages(self, times: Sequence[float]) -> dict[str, list[str]]:
        """Series -> what each page told of it, in promtool's words."""
        measured = MeasuredAlerts(self.rules, containers_of_series(self.settings))
        told: dict[str, list[str]] = {}
        waiting = iter([*self.events, None])
        newest = next(waiting)
        for n, now in enumerate(times):
            while newest is not None and newest.at <= now:
                measured.see(newest)
                newest = next(waiting)
            for family in measured.families(now):
                for sample in family.samples:
                    labels = ", ".join(f'{key}="{value}"' for key, value in sample.labels.items())
                    name = f'{sample.name}{{job="wsdash", world="w", {labels}}}'
                    told.setdefault(name, ["_"] * n).append(
                        "Inf" if math.isinf(sample.value) else f"{sample.value:.17g}"
                    )
            for values in told.values():
                if len(values) == n:  # a series that a page does not tell any more is stale at once
                    values.append("stale")
        return told
