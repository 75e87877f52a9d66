"""Probes of all that speaks PostgreSQL's protocol, without credentials, and of the storage nodes' HTTP."""

from __future__ import annotations

import asyncio

import aiohttp

from wsdash.errors import InputError, UnreachableError
from wsdash.model import LatencyReading
from wsdash.watch.board import Board
from wsdash.watch.limits import PROBE_TIMEOUT
from wsdash.watch.pollers.handshake import ask_database, ask_storage
from wsdash.watch.pollers.http import timed_get
from wsdash.watch.pollers.poller import Pace
from wsdash.watch.sources import Emit, NotStartedError

STORAGE_PACE = Pace(interval=1.0, timeout=PROBE_TIMEOUT + 1, overlap=int(PROBE_TIMEOUT + 1))
DATABASE_PACE = Pace(interval=2.0, timeout=PROBE_TIMEOUT + 1, overlap=3)
STATUS = "/v1/status"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of 'host:port' or '[v6]:port'. Raises InputError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(
            f"{address!r} is no address",
            where="wsdash.yaml, section endpoints",
            remedy="write host:port",
        )
    return host.strip("[]"), int(port)


class DatabaseProbe:
    """The probe of a series whose service speaks PostgreSQL's protocol: the time of an SSLRequest."""

    def __init__(self, series: str, host: str, port: int, board: Board, emit: Emit) -> None:
        self._series = series
        self._address = (host, port)
        self._board = board
        self._emit = emit

    async def __call__(self) -> None:
        """One measurement. Raises NotStartedError or UnreachableError."""
        try:
            seconds = await self._measure()
        except UnreachableError as error:
            absence = self._board.absence(self._series)
            if absence:
                raise NotStartedError(absence) from error
            self._emit(LatencyReading(self._series, None, error.what))
            raise
        self._emit(LatencyReading(self._series, seconds))

    async def _measure(self) -> float:
        return (await ask_database(*self._address)).seconds


class StorageProbe(DatabaseProbe):
    """The probe of a storage node: the time of its PostgreSQL port; its HTTP status must be 200 as well.

    A node that logs every probe of that port (it wants a token) is measured by its HTTP status from then on.
    """

    def __init__(
        self,
        series: str,
        address: str,
        http: str,
        session: aiohttp.ClientSession,
        board: Board,
        emit: Emit,
    ) -> None:
        super().__init__(series, *split_address(address), board, emit)
        self._status_url = http.rstrip("/") + STATUS
        self._session = session
        self._quiet = True

    async def _measure(self) -> float:
        if self._quiet:
            answer, status = await asyncio.gather(
                ask_storage(*self._address), timed_get(self._session, self._status_url)
            )
            self._quiet, seconds = answer.quiet, answer.seconds
        else:
            status = await timed_get(self._session, self._status_url)
            seconds = status.seconds or 0.0
        if status.status != 200:
            said = status.error or f"answered {status.status}"
            raise UnreachableError(f"GET {STATUS}: {said}", where=self._status_url)
        return seconds
