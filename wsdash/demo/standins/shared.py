"""What the pageserver's and the safekeeper's stand-ins share: LSNs, ids, errors, the PostgreSQL listener.

They speak the shapes of the real storage nodes and store no page: the demo's compute is a plain PostgreSQL.
So the positions they report move with the clock and say nothing about the compute's own WAL.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import struct
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from aiohttp import web

from wsdash.demo.limits import STANDIN_READ_SECONDS
from wsdash.demo.service import reply

TENANT_ID = "9e4c8f36063c6c6e93bc20d65a820f3d"
TIMELINE_ID = "5e7d1a90b3c24b6f8a17c0de5ca1ab1e"
PG_VERSION = 17
INITDB_LSN = 0x16B5A50
BYTES_PER_SECOND = 1024
BIRTH = 1_762_128_000
"""Seconds since the epoch of the first timeline's creation (2025-11-03)."""
_LARGEST_STARTUP = 10_000
_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST, _PROTOCOL_3 = 80877103, 80877104, 80877102, 3 << 16

_PROCESSING = "Error processing HTTP request"
_STARTING = {
    "pageserver": "Starting pageserver pg protocol handler on {} with auth Trust",
    "safekeeper": "starting safekeeper WAL service on {}",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def wal_position(at: float | None = None) -> int:
    """The main timeline's WAL position at a time (default: now); grows and is a multiple of 8."""
    seconds = max(0.0, (time.time() if at is None else at) - BIRTH)
    return INITDB_LSN + int(seconds * BYTES_PER_SECOND) // 8 * 8


def lsn_text(lsn: int) -> str:
    """As PostgreSQL prints it: 0/16B5A50."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """The number of a printed LSN. Raises web.HTTPNotAcceptable."""
    match = re.fullmatch(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", text)
    if match is None:
        raise web.HTTPNotAcceptable(reason=f"invalid LSN {text[:40]!r}")
    return int(match[1], 16) << 32 | int(match[2], 16)


def hex_id(text: object, what: str) -> str:
    """A tenant's or timeline's id. Raises web.HTTPBadRequest."""
    if not isinstance(text, str) or re.fullmatch(r"[0-9a-f]{32}", text) is None:
        raise web.HTTPBadRequest(reason=f"{what} is not 32 hexadecimal digits")
    return text


def trace(level: str, span: str, message: str) -> None:
    """One line as Neon's programs write it (libs/utils/src/logging.rs: tracing's plain format, on stdout)."""
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    print(f"{at} {level:>5} {span}: {message}", flush=True)


@web.middleware
async def errors_as_msg(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure is {"msg": ...}, and is logged; a request that changes something is logged as well.

    Levels and words: libs/http-utils/src/endpoint.rs, request_span, and error.rs, api_error_handler.
    """
    span = f"request{{method={request.method} path={request.path} request_id={uuid.uuid4()}}}"
    quiet = request.method == "GET"
    if not quiet:
        trace("INFO", span, "Handling request")
    try:
        response = await handler(request)
    except web.HTTPException as error:
        trace("ERROR" if error.status == 500 else "INFO", span, f"{_PROCESSING}: {error.reason}")
        return reply({"msg": error.reason}, error.status)
    except (ValueError, TypeError) as error:
        trace("INFO", span, f"{_PROCESSING}: Bad request: {error}")
        return reply({"msg": f"bad request: {error}"}, 400)
    if not quiet:
        trace("INFO", span, f"Request handled, status: {response.status} {response.reason}")
    return response


def listener(
    host: str, port: int, node: str, directory: Path
) -> Callable[[web.Application], AsyncIterator[None]]:
    """A cleanup context that answers PostgreSQL clients at host:port as long as the application runs.

    node: pageserver or safekeeper. As the real one it leaves its pid in a file of `directory`, also when it
    ends (PID_FILE_NAME in the two programs' sources).
    """

    async def context(application: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(_leave_pid, directory, node)
        server = await asyncio.start_server(functools.partial(_answer_client, node, count(1)), host, port)
        trace("INFO", "", _STARTING[node].format(f"{host}:{port}"))
        yield
        server.close()

    return context


def _leave_pid(directory: Path, node: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{node}.pid").write_text(str(os.getpid()))


async def _answer_client(
    node: str, numbers: Iterator[int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    span = f"{{cid={next(numbers)}}}"
    if node == "pageserver":
        host, port = writer.get_extra_info("peername")[:2]
        span = f"page_service_conn_main{{peer_addr={host}:{port}}}"
    begun = False
    try:
        async with asyncio.timeout(STANDIN_READ_SECONDS):
            begun = await _startup(reader, writer)
            if begun:
                await _session(reader, writer)
    except asyncio.IncompleteReadError as error:
        if not begun or error.partial:
            # libs/postgres_backend/src/lib.rs, handshake; a client that leaves after it is not logged
            torn = "EOF with unprocessed data in the buffer"
            why = torn if error.partial else "Protocol error: EOF during handshake"
            trace("INFO", span, f"Disconnected ({why})")
    except (OSError, TimeoutError) as error:
        trace("INFO", span, f"Disconnected ({error})")
    finally:
        writer.close()


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer encryption requests with N, and a startup message with trust. False: nothing follows."""
    while True:
        length, code = struct.unpack("!ii", await reader.readexactly(8))
        if not 8 <= length <= _LARGEST_STARTUP:
            return False
        await reader.readexactly(length - 8)
        if code in (_SSL_REQUEST, _GSS_REQUEST):
            writer.write(b"N")
            await writer.drain()
        elif code == _PROTOCOL_3:
            break
        else:
            return False
    parameters = {"client_encoding": "UTF8", "server_version": "17.5", "standard_conforming_strings": "on"}
    writer.write(_message(b"R", struct.pack("!i", 0)))
    for key, value in parameters.items():
        writer.write(_message(b"S", f"{key}\0{value}\0".encode()))
    writer.write(_message(b"Z", b"I"))
    await writer.drain()
    return True


async def _session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the client says X; every query is refused."""
    while True:
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        if kind == b"X" or not 4 <= length <= _LARGEST_STARTUP:
            return
        await reader.readexactly(length - 4)
        if kind == b"Q":
            fields = b"SERROR\0C0A000\0Mthe stand-in stores no pages\0\0"
            writer.write(_message(b"E", fields) + _message(b"Z", b"I"))
            await writer.drain()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
