"""Calls the operator: the terminal's bell, and a desktop notification by OSC 9 or 777."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from wsdash.model.alert_board import AlertSpan
from wsdash.tui.viewstate import ViewState

LONGEST = 200
RXVT = ("rxvt", "foot")


class Attention:
    """Rings for each alert that begins while we look, once; not for what is acknowledged or silenced.

    bell, desktop: what the operator wants of their terminal (alerts.bell, alerts.desktop of wsdash.yaml).
    """

    def __init__(
        self, bell: bool = True, desktop: bool = True, environment: Mapping[str, str] | None = None
    ) -> None:
        self._bell, self._desktop = bell, desktop
        self._environment = os.environ if environment is None else environment
        self._known: set[tuple[str, float]] | None = None

    def look(self, view: ViewState, now: float, write: Callable[[str], None]) -> None:
        """Ring by `write` for what is new in this state; the first state that has a run is only noted."""
        if view.started is None:
            return
        raised = {(span.alert, span.begun) for span in view.alerting.raised.values()}
        if self._known is None:
            self._known = raised
            return
        news = [span for span in view.alerting.unheeded(now) if (span.alert, span.begun) not in self._known]
        self._known |= raised
        if news and self._bell:
            write("\a")
        if news and self._desktop:
            for span in news[-3:]:
                write(self._notification(span))

    def _notification(self, span: AlertSpan) -> str:
        text = "".join(sign for sign in span.text if sign.isprintable())[:LONGEST]
        terminal = self._environment.get("TERM", "")
        body = text.replace(";", ",")
        # a terminal that knows both would tell twice
        sequence = (
            f"\x1b]777;notify;wsdash;{body}\a" if terminal.startswith(RXVT) else f"\x1b]9;wsdash: {text}\a"
        )
        if self._environment.get("TMUX"):
            # tmux lets it through only in this wrapping, and only with allow-passthrough
            sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
        return sequence
