"""The state of alerts: a pure fold of the journal's events, for engine, screens, commands and reports."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from wsdash.model.journal import Recorded
from wsdash.model.readings import AlertAcknowledged, AlertChanged, AlertSent, AlertSilenced, AlertUnsilenced

MOST_SPANS = 200
"""Ended alerts that a screen keeps; reports use alert_spans, which keeps all."""


class AlertSpan(msgspec.Struct, frozen=True):
    """One alert from its beginning to its end. Times are epoch seconds, ended None while it is raised.

    worst: the worst value in the unit of the series, None when there was none at all (no answer).
    """

    rule: str
    alert: str
    series: str
    severity: str
    text: str
    begun: float
    ended: float | None = None
    worst: float | None = None
    acknowledged_by: str = ""
    note: str = ""
    acknowledged_at: float | None = None


class Silence(msgspec.Struct, frozen=True):
    """Whose alerts are not sent for a while: match is a rule, an alert, or * for all; until is an epoch."""

    match: str
    until: float
    who: str
    note: str = ""

    def covers(self, span: AlertSpan, now: float) -> bool:
        """Whether it holds now, and for this alert."""
        if now >= self.until:
            return False
        return fnmatchcase(span.alert, self.match) or fnmatchcase(span.rule, self.match)


class AlertBoard(msgspec.Struct, frozen=True):
    """Raised alerts by name, silences by what they match (also ended ones), and ended alerts, newest last."""

    raised: dict[str, AlertSpan] = {}
    silences: dict[str, Silence] = {}
    ended: tuple[AlertSpan, ...] = ()
    sent: dict[str, float] = {}
    """Alert -> the beginning of the alert that was announced outside while its end was not."""

    def silence_of(self, alert: str, now: float) -> Silence | None:
        """The silence that covers a raised alert now, the one that ends last."""
        span = self.raised.get(alert)
        if span is None:
            return None
        covering = [silence for silence in self.silences.values() if silence.covers(span, now)]
        return max(covering, key=lambda silence: silence.until, default=None)

    def active_silences(self, now: float) -> tuple[Silence, ...]:
        """Those that hold now, the first to end first."""
        active = [silence for silence in self.silences.values() if now < silence.until]
        return tuple(sorted(active, key=lambda silence: silence.until))

    def unheeded(self, now: float) -> tuple[AlertSpan, ...]:
        """Raised alerts that nobody acknowledged and no silence covers, newest last."""
        spans = [
            span
            for span in self.raised.values()
            if not span.acknowledged_by and self.silence_of(span.alert, now) is None
        ]
        return tuple(sorted(spans, key=lambda span: span.begun))


def fold_alert(board: AlertBoard, recorded: Recorded, keep: int = MOST_SPANS) -> AlertBoard:
    """The board after one more event; others than alerts' change nothing. An ack ends with its alert."""
    match recorded.event:
        case AlertChanged() as event:
            return _changed(board, event, keep)
        case AlertAcknowledged(alert=alert, who=who, note=note) if alert in board.raised:
            span = msgspec.structs.replace(
                board.raised[alert], acknowledged_by=who, note=note, acknowledged_at=recorded.at
            )
            return msgspec.structs.replace(board, raised=board.raised | {alert: span})
        case AlertSent(alert=alert, raised=True, since=since):
            return msgspec.structs.replace(board, sent=board.sent | {alert: since})
        case AlertSent(alert=alert):
            sent = {name: since for name, since in board.sent.items() if name != alert}
            return msgspec.structs.replace(board, sent=sent)
        case AlertSilenced(match=match, until=until, who=who, note=note):
            silences = board.silences | {match: Silence(match, until, who, note)}
            return msgspec.structs.replace(board, silences=silences)
        case AlertUnsilenced(match=match):
            silences = {name: silence for name, silence in board.silences.items() if name != match}
            return msgspec.structs.replace(board, silences=silences)
    return board


def _changed(board: AlertBoard, event: AlertChanged, keep: int) -> AlertBoard:
    name = event.alert or event.rule
    before = board.raised.get(name)
    if event.raised:
        if before is not None:
            span = msgspec.structs.replace(before, text=event.text, worst=event.worst)
        else:
            span = AlertSpan(
                event.rule, name, event.series, event.severity, event.text, event.since, worst=event.worst
            )
        return msgspec.structs.replace(board, raised=board.raised | {name: span})
    if before is None:
        return board
    span = msgspec.structs.replace(before, ended=event.since, worst=event.worst)
    raised = {other: span for other, span in board.raised.items() if other != name}
    return msgspec.structs.replace(board, raised=raised, ended=(*board.ended, span)[-keep:])


def fold_alerts(events: Iterable[Recorded], board: AlertBoard | None = None) -> AlertBoard:
    """The board after all these events."""
    result = board or AlertBoard()
    for recorded in events:
        result = fold_alert(result, recorded)
    return result


def alert_spans(events: Iterable[Recorded]) -> tuple[AlertSpan, ...]:
    """Every alert of a journal's history by its beginning; the report's `alerts`. Pure."""
    board = AlertBoard()
    for recorded in events:
        board = fold_alert(board, recorded, keep=1_000_000)
    spans = [*board.ended, *board.raised.values()]
    return tuple(sorted(spans, key=lambda span: (span.begun, span.alert)))
