"""How long a server of PostgreSQL's protocol takes to answer, asked so that its log stays quiet.

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

from wsdash.errors import UnreachableError
from wsdash.watch.limits import PROBE_TIMEOUT
from wsdash.watch.liveness import reason

SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
_PARAMETERS = b"user\0wsdash\0application_name\0wsdash probe\0\0"
STARTUP = struct.pack("!ii", 8 + len(_PARAMETERS), 3 << 16) + _PARAMETERS
TERMINATE = b"X" + struct.pack("!i", 4)
_MOST_MESSAGES = 100
_LONGEST_MESSAGE = 16_384


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
