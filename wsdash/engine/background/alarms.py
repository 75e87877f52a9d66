"""The state of alerts in this run: read back from the journal, acknowledged and silenced by the operator."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from wsdash.config import Settings
from wsdash.model import (
    AlertAcknowledged,
    AlertChanged,
    AlertSilenced,
    AlertUnsilenced,
    AnyEvent,
    BackupTaken,
    Intent,
    Recorded,
    Reply,
)
from wsdash.model.alert_board import AlertBoard, fold_alert

if TYPE_CHECKING:  # the notifier brings an HTTP client, which takes time to import
    from wsdash.watch.alerting.channels import Notifier

ALERT_INTENTS = ("ack-alert", "silence-alert", "unsilence-alert")
LONGEST_SILENCE = 14 * 86400.0


def telling(
    emit: Callable[[AnyEvent], None], alarms: Alarms, notifier: Notifier
) -> Callable[[AnyEvent], None]:
    """`emit`, with the notifier hearing of alerts too."""

    def emit_and_tell(event: AnyEvent) -> None:
        emit(event)
        if isinstance(event, AlertChanged):
            notifier.see(event, alarms.board)

    return emit_and_tell


class Alarms:
    """A fold of the journal's alert events, and the intents about them. `see` is called in journal order.

    now: the run's time (epoch seconds), which is not the machine's while a source tells its own.
    """

    def __init__(self, before: Iterable[Recorded] = (), now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.board = AlertBoard()
        self.backed_up_at: float | None = None
        for recorded in before:
            self.see(recorded)

    def see(self, recorded: Recorded) -> None:
        """Take an event; returns at once."""
        if isinstance(recorded.event, BackupTaken):
            self.backed_up_at = recorded.at
        self.board = fold_alert(self.board, recorded)

    def unheeded(self) -> list[str]:
        """What is critical, raised, and neither acknowledged nor silenced, in words."""
        return [span.text for span in self.board.unheeded(self._now()) if span.severity == "critical"]

    def raised(self) -> list[AlertChanged]:
        """What an earlier life of the engine raised and did not end."""
        return [
            AlertChanged(s.rule, True, s.text, s.begun, s.alert, s.series, s.severity, s.worst)
            for s in self.board.raised.values()
        ]

    async def handle(
        self, intent: Intent, settings: Settings, record: Callable[[AnyEvent], Awaitable[None]]
    ) -> Reply:
        """Follow one of ALERT_INTENTS, or say why not."""
        who = intent.who.strip()
        if not who:
            return Reply(False, f"{intent.do} wants a name")
        if intent.do == "ack-alert":
            alert = str(intent.options.get("alert", ""))
            if alert not in self.board.raised:
                return Reply(False, f"the alert {alert!r} is not raised")
            await record(AlertAcknowledged(alert, who, intent.note))
            return Reply(True)
        match = str(intent.options.get("match", ""))
        if intent.do == "unsilence-alert":
            if match not in self.board.silences:
                return Reply(False, f"nothing silences {match!r}")
            await record(AlertUnsilenced(match, who))
            return Reply(True)
        refusal = await _refuse_silence(match, intent.options.get("seconds"), settings)
        if refusal:
            return Reply(False, refusal)
        until = self._now() + float(intent.options["seconds"])
        await record(AlertSilenced(match, until, who, intent.note))
        return Reply(True)


async def _refuse_silence(match: str, seconds: object, settings: Settings) -> str:
    if (
        not isinstance(seconds, int | float)
        or not math.isfinite(seconds)
        or not 0 < seconds <= LONGEST_SILENCE
    ):
        return "a silence ends after a time of at most 14 days"
    from wsdash.watch.world import rules_of  # not before it is wanted: the pollers' imports take time

    known = [rule.id for rule in await asyncio.to_thread(rules_of, settings)]
    if match != "*" and match.partition("/")[0] not in known:
        return f"no rule is called {match!r}; use * for all, or one of {', '.join(known)}"
    return ""
