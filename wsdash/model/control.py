"""What a screen asks of the engine over the control socket, and the answer."""

from __future__ import annotations

from typing import Any

import msgspec

LOAD = "LOAD"
"""What must be typed to put a load on an API that the settings do not confirm."""


class Intent(msgspec.Struct, frozen=True):
    """What an operator asks of the engine.

    do: run-item, run-auto, run-tests (options names, or group), pause, resume, retry, confirm, skip,
    rollback, restore, stop, ping, ack-alert, silence-alert, unsilence-alert, decide, confirm-criterion,
    container, rehearse, stop-rehearsal, pause-jobs.
    item: for run-item, retry, confirm, skip, confirm-criterion. who/note: for whatever a person says.
    options: match (what a silence covers) and seconds (how long); alert for ack-alert; day and go for decide,
    with the recommendation that was shown; holds for confirm and confirm-criterion (False: it does not); name
    and action (start, stop, restart) for container; rounds for rehearse; pause for pause-jobs.
    force: migrate over a target with foreign rows, phrase holds the typed confirmation; for container: though
    a running item needs it.
    """

    do: str
    item: str = ""
    who: str = ""
    note: str = ""
    phrase: str = ""
    force: bool = False
    options: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True):
    """The engine's answer: accepted or not, and why."""

    ok: bool
    text: str = ""
