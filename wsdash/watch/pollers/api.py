"""How fast both generations of the workspace API answer, as the migration guide measures it."""

from __future__ import annotations

import re

import aiohttp

from wsdash.api.allowance import allowance_of
from wsdash.api.client import NO_SUCH_PAGE, request_headers
from wsdash.config import ApiSettings
from wsdash.errors import UnreachableError
from wsdash.model import LatencyReading
from wsdash.watch.board import Board
from wsdash.watch.limits import PROBE_TIMEOUT, REST, SILENT_PAUSE
from wsdash.watch.pollers.http import Timing, timed_get
from wsdash.watch.pollers.poller import Pace
from wsdash.watch.sources import Emit, NotAskedError, NotStartedError, SilentError

PACE = Pace(interval=1.0, timeout=2 * PROBE_TIMEOUT + 1, rest=REST, silent_pause=SILENT_PAUSE)
WAITS_FOR_TABLES = re.compile(rb"does not exist|\"schema\": *\"missing\"")
"""In a health page: the service runs, and its tables are not there yet (PostgreSQL's words, or its own)."""


class ApiProbe:
    """The probe of `latency:api-old` or `latency:api-new`: the time of GET /api/items, whole body read.

    At first and after a failure it asks /health before: an API that is up but has no schema yet is waiting,
    not failing, and asking it for items every second would fill its log with errors of our making. It asks
    less often where the API takes fewer requests a minute (see Allowance), and not at all after a 429 until
    the API takes requests again. Raises InputError for a configured token that is not set.
    """

    def __init__(
        self,
        series: str,
        base: str,
        session: aiohttp.ClientSession,
        board: Board,
        emit: Emit,
        shape: ApiSettings | None = None,
    ) -> None:
        self._api = shape or ApiSettings(base, base)
        self._allowance = allowance_of(base, self._api.max_requests_per_minute)
        self._headers = request_headers(self._api)
        self._series = series
        self._base = base.rstrip("/")
        self._session = session
        self._board = board
        self._emit = emit
        self._in_doubt = True

    async def __call__(self) -> None:
        """One measurement. Raises NotStartedError, NotAskedError or UnreachableError."""
        if not self._allowance.watch_turn():
            if self._allowance.refused:
                raise NotStartedError("not asked: the API answered 429 (too many requests from this address)")
            raise NotAskedError  # the API takes fewer questions a minute than one a second
        if self._in_doubt and self._api.health_path:
            await self._get(self._api.health_path)
            self._allowance.count()
        timing = await self._get(self._api.path or self._api.health_path or "/")
        self._in_doubt = False
        seconds = timing.seconds or 0.0
        self._emit(LatencyReading(self._series, seconds, parts=_parts(timing), ticks=PACE.ticks(seconds)))

    async def _get(self, path: str) -> Timing:
        timing = await timed_get(self._session, self._base + path, headers=self._headers)
        self._board.heard(self._series, bool(timing.status))
        if timing.status:
            self._allowance.answered(timing.status, timing.headers)
        else:
            self._allowance.unanswered()
        self._judge(path, timing)
        return timing

    def _judge(self, path: str, timing: Timing) -> None:
        health = path == self._api.health_path
        if health and timing.status and WAITS_FOR_TABLES.search(timing.body[:4096]):
            self._in_doubt = True
            raise NotStartedError("not started: the API runs, and waits for its tables")
        if timing.status == 200 or (health and timing.status in NO_SUCH_PAGE):
            return
        self._in_doubt = True
        if timing.status == 429:
            raise NotStartedError("not asked for a while: the API answered 429 (too many requests from here)")
        absence = self._board.absence(self._series)
        if absence:
            raise NotStartedError(absence)
        error = timing.error or f"GET {path} answered {timing.status}"
        self._emit(LatencyReading(self._series, None, error))
        raise (SilentError if timing.silent else UnreachableError)(error, where=self._base)


def _parts(timing: Timing) -> dict[str, float]:
    names = {"name_lookup": "dns", "connect": "connect", "first_byte": "first-byte"}
    parts = {names[name]: seconds for name, seconds in timing.parts.items() if name in names}
    return parts | {"total": timing.seconds} if parts and timing.seconds is not None else {}
