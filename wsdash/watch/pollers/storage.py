"""Probes of all that speaks PostgreSQL's protocol, without credentials, and of the storage nodes' HTTP.

What each server logs about a client that leaves early decides how a probe says goodbye:

- PostgreSQL reads the end of the connection after its answer to an SSLRequest as "the client did not like my
  answer" and logs nothing (ProcessStartupPacket in backend_startup.c). Once it has said S it expects the
  TLS handshake, and logs a client that breaks off there.
- Neon's pageserver and safekeeper log `Disconnected (Protocol error: EOF during handshake)` about a client
  that leaves before its startup packet, and `... EOF during auth` before its password; a client that was let
  in and says Terminate is not logged (libs/postgres_backend/src/lib.rs, run(), at release-9129).
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from dataclasses import dataclass

import aiohttp

from wsdash.errors import InputError, UnreachableError
from wsdash.model import LatencyReading
from wsdash.watch.board import Board
from wsdash.watch.limits import PROBE_TIMEOUT
from wsdash.watch.pollers.http import timed_get
from wsdash.watch.pollers.poller import Pace
from wsdash.watch.sources import Emit, NotStartedError, reason

SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
_PARAMETERS = b"user\0wsdash\0application_name\0wsdash probe\0\0"
STARTUP = struct.pack("!ii", 8 + len(_PARAMETERS), 3 << 16) + _PARAMETERS
TERMINATE = b"X" + struct.pack("!i", 4)
_MOST_MESSAGES = 100
_LONGEST_MESSAGE = 16_384
STORAGE_PACE = Pace(interval=1.0, timeout=PROBE_TIMEOUT + 1, overlap=int(PROBE_TIMEOUT + 1))
DATABASE_PACE = Pace(interval=2.0, timeout=PROBE_TIMEOUT + 1, overlap=3)
STATUS = "/v1/status"


@dataclass(frozen=True)
class HandshakeAnswer:
    """seconds: from connecting to the answer. quiet: the server had no reason to log how the probe left."""

    seconds: float
    quiet: bool = True


async def ask_database(host: str, port: int, *, timeout: float = PROBE_TIMEOUT) -> HandshakeAnswer:
    """Seconds until a PostgreSQL server answered an SSLRequest; no credentials are needed.

    Raises UnreachableError.
    """
    return await _ask(host, port, timeout, startup=False)


async def ask_storage(host: str, port: int, *, timeout: float = PROBE_TIMEOUT) -> HandshakeAnswer:
    """Seconds until a node of Neon's storage answered an SSLRequest.

    The handshake is then brought to its end. A node that wants a password (a token) logs the probe all the
    same: the answer is not quiet, and its port is better left alone. Raises UnreachableError.
    """
    return await _ask(host, port, timeout, startup=True)


async def _ask(host: str, port: int, timeout: float, *, startup: bool) -> HandshakeAnswer:
    begun = time.monotonic()
    where, writer = f"{host}:{port}", None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(SSL_REQUEST)
            answer = await reader.read(1)
            seconds = time.monotonic() - begun
            if answer not in (b"N", b"S"):
                what = "hung up" if not answer else "does not speak PostgreSQL's protocol"
                raise UnreachableError(f"port {port} {what}", where=where)
            if answer == b"S":
                await writer.start_tls(_any_certificate(), server_hostname=host)
            quiet = not startup or await _let_in(reader, writer, where)
            return HandshakeAnswer(seconds, quiet)
    except TimeoutError as error:
        raise UnreachableError(f"no answer within {timeout:g} s", where=where) from error
    except asyncio.IncompleteReadError as error:
        raise UnreachableError(f"port {port} hung up in the middle of its answer", where=where) from error
    except OSError as error:
        raise UnreachableError(reason(error), where=where) from error
    finally:
        if writer is not None:
            writer.close()


def _any_certificate() -> ssl.SSLContext:
    """The probe sends nothing secret and measures the time only: whose certificate it is does not matter."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str) -> bool:
    """Send the startup packet, read up to ReadyForQuery, leave; False when a password is asked for."""
    writer.write(STARTUP)
    for _ in range(_MOST_MESSAGES):
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        if not 4 <= length <= _LONGEST_MESSAGE:
            break
        body = await reader.readexactly(length - 4)
        if kind == b"Z":
            writer.write(TERMINATE)
            await writer.drain()
            return True
        if kind == b"R" and body[:4] != bytes(4):
            return False
        if kind == b"E":
            fields = [field[1:].decode(errors="replace") for field in body.split(b"\0") if field[:1] == b"M"]
            raise UnreachableError(f"it refuses a startup packet: {' '.join(fields)}", where=where)
    raise UnreachableError("it does not end its answer to a startup packet", where=where)


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
