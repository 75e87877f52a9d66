"""How fast both generations of the workspace API answer, as the migration guide measures it."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from wsdash.errors import UnreachableError
from wsdash.model import LatencyReading
from wsdash.watch.board import Board
from wsdash.watch.http import PROBE_TIMEOUT, Timing, timed_get
from wsdash.watch.poller import Pace
from wsdash.watch.sources import Emit, NotStartedError

PACE = Pace(interval=1.0, timeout=2 * PROBE_TIMEOUT + 1, overlap=int(2 * PROBE_TIMEOUT + 1))
METRIC = "/api/items"
HEALTH = "/health"


class ApiProbe:
    """The probe of `latency:api-old` or `latency:api-new`: the time of GET /api/items, whole body read.

    At first and after a failure it asks /health before: an API that is up but has no schema yet is waiting,
    not failing, and asking it for items every second would fill its log with errors of our making.
    """

    def __init__(
        self, series: str, base: str, session: aiohttp.ClientSession, board: Board, emit: Emit
    ) -> None:
        self._series = series
        self._base = base.rstrip("/")
        self._session = session
        self._board = board
        self._emit = emit
        self._in_doubt = True

    async def __call__(self) -> None:
        """One measurement. Raises NotStartedError or UnreachableError."""
        if self._in_doubt:
            self._judge(HEALTH, health := await timed_get(self._session, self._base + HEALTH))
            if _field(health.body, "schema") == "missing":
                raise NotStartedError("not started: the API runs, its database has no workspace schema yet")
        timing = await timed_get(self._session, self._base + METRIC)
        self._judge(METRIC, timing)
        self._in_doubt = False
        self._emit(LatencyReading(self._series, timing.seconds, parts=_parts(timing)))

    def _judge(self, path: str, timing: Timing) -> None:
        if timing.status == 200:
            return
        self._in_doubt = True
        absence = self._board.absence(self._series)
        if absence:
            raise NotStartedError(absence)
        error = timing.error or f"GET {path} answered {timing.status}"
        self._emit(LatencyReading(self._series, None, error))
        raise UnreachableError(error, where=self._base)


def _parts(timing: Timing) -> dict[str, float]:
    names = {"name_lookup": "dns", "connect": "connect", "first_byte": "first-byte"}
    parts = {names[name]: seconds for name, seconds in timing.parts.items() if name in names}
    return parts | {"total": timing.seconds} if parts and timing.seconds is not None else {}


def _field(body: bytes, name: str) -> Any:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content.get(name) if isinstance(content, dict) else None
