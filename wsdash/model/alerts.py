"""Events of alerts: raised and ended, acknowledged, silenced."""

from __future__ import annotations

from wsdash.model.base import Event


class AlertChanged(Event, frozen=True, tag="alert"):
    """An alert began (raised), got worse (raised again, since unchanged) or ended (since is then its end).

    rule: the rule's id. alert: the rule's id, with /SUBJECT where one rule watches several series. worst: in
    the unit of the series since the alert began; None when there was no value (nothing answered).
    """

    rule: str
    raised: bool
    text: str
    since: float
    alert: str = ""
    series: str = ""
    severity: str = "warning"
    """info, warning or critical."""
    worst: float | None = None


class AlertSent(Event, frozen=True, tag="alert-sent"):
    """An alert (or its end) arrived at a channel. since: when it began, or ended."""

    alert: str
    raised: bool
    since: float
    channel: str


class AlertAcknowledged(Event, frozen=True, tag="alert-acknowledged"):
    """Somebody knows of a raised alert and looks after it; this ends with the alert."""

    alert: str
    who: str
    note: str = ""


class AlertSilenced(Event, frozen=True, tag="alert-silenced"):
    """Alerts are recorded but not sent until then. match: a rule, an alert, or * for all."""

    match: str
    until: float
    who: str
    note: str = ""


class AlertUnsilenced(Event, frozen=True, tag="alert-unsilenced"):
    """A silence ended before its time."""

    match: str
    who: str
