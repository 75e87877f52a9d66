"""A service that serves though the run has stopped it: what users write there is missing in the target."""

from __future__ import annotations

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.model import MetricsReading
from wsdash.watch.board import Board
from wsdash.watch.limits import TELL_EVERY
from wsdash.watch.sources import Emit

OLD = "api-old"


class Strays:
    """Tells the series stray:api-old: 1 while the old service serves though it is stopped, else 0.

    It serves when its address answers anything at all (unless a relay of the new stack has that address), or
    its container runs. Nothing is reported where nobody knows what is meant to run, while somebody has it
    stopped or started at this moment, and where both services have one address, of which nobody can tell
    whose answer it was.
    """

    def __init__(self, settings: Settings, board: Board, emit: Emit, clock: Clock | None = None) -> None:
        self._board = board
        self._emit = emit
        self._clock = clock or SystemClock()
        self._relayed = bool(settings.stack.workspace.relay)
        self._distinct_addresses = settings.api.old.rstrip("/") != settings.api.new.rstrip("/")

    async def run(self) -> None:
        """Tell for ever."""
        while self._distinct_addresses:
            await self._clock.sleep(TELL_EVERY)
            found = self.look()
            if found is not None:
                self._emit(MetricsReading("strays", {f"stray:{OLD}": found}))

    def look(self) -> float | None:
        """The value now; None where it is unknown."""
        name = self._board.container.get(OLD, "")
        duty = self._board.duty(name)
        if duty.runs is None or duty.asked_by:
            return None
        if duty.runs:
            return 0.0
        answered = None if self._relayed else self._board.answered(OLD)
        if answered or self._board.runs(name):
            return 1.0
        return None if answered is None and self._board.reading(name) is None else 0.0
