"""The control socket: intents of the operator's screens go in, one JSON line each, and get one reply each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

import msgspec

from wsdash.engine.limits import HANDLE_SECONDS, LINE_SECONDS, WRITE_SECONDS
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import Intent, Reply
from wsdash.outside import DocumentError, clean_texts, read_json
from wsdash.runtime import socket_path

NAME = "control"
LONGEST_LINE = 64 * 1024
MOST_CLIENTS = 32

Handler = Callable[[Intent], Awaitable[Reply]]


class ControlClient:
    """Sends intents to the engine of a state directory. Only the operator's screen and the cli hold one."""

    def __init__(self, state: Path) -> None:
        self._path = socket_path(state, NAME)

    async def send(self, intent: Intent, timeout: float = 5.0) -> Reply:
        """The engine's answer. Raises UnreachableError when no engine answers within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(intent)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"the engine does not answer: {reason}",
                where=str(self._path),
                remedy="start it again with the same --state; the run goes on from where it was",
            ) from error

    async def _exchange(self, intent: Intent) -> Reply:
        reader, writer = await asyncio.open_unix_connection(str(self._path), limit=LONGEST_LINE)
        try:
            writer.write(msgspec.json.encode(intent) + b"\n")
            await writer.drain()
            line = await reader.readline()
            if not line:
                raise EOFError("it closed the connection")
            return clean_texts(read_json(line, Reply))
        finally:
            writer.close()


class ControlServer:
    """Listens while the block runs; several clients at a time, of the same user (or root) only.

    The handler's WsdashError becomes a Reply(ok=False); malformed input never reaches the handler. The caller
    holds the operator's lock, so a socket left behind by a dead engine is replaced.
    """

    def __init__(self, state: Path, handler: Handler) -> None:
        self.path = socket_path(state, NAME)
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> ControlServer:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=LONGEST_LINE)
        self.path.chmod(0o600)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._clients):
            writer.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_SECONDS):
                await self._server.wait_closed()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            if len(self._clients) > MOST_CLIENTS:
                await _send_away(reader, writer, "too many clients at once; close a screen")
            elif not _same_user(writer):
                await _send_away(reader, writer, "this engine belongs to another user")
            else:
                await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # the client is gone; its intent, if any, was handled
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await _whole_line(reader)
            except TimeoutError:
                await _send_away(reader, writer, f"an intent comes whole within {LINE_SECONDS:g} s")
                return
            except ValueError:
                await _send_away(reader, writer, f"an intent is at most {LONGEST_LINE} bytes long")
                return
            if not line:
                return
            await _answer(writer, await self._reply(line))

    async def _reply(self, line: bytes) -> Reply:
        try:
            intent = clean_texts(read_json(line, Intent))
        except DocumentError as error:
            return Reply(False, f"this is not an intent: {error}")
        try:
            async with asyncio.timeout(HANDLE_SECONDS):
                return await self._handler(intent)
        except TimeoutError:
            return Reply(False, "the engine is busy; look at the run and try again")
        except WsdashError as error:
            return Reply(False, str(error))


async def _whole_line(reader: asyncio.StreamReader) -> bytes:
    """The next line, which may be long in beginning, but then comes whole; empty at the end.

    Raises TimeoutError, ValueError for more than LONGEST_LINE bytes.
    """
    first = await reader.read(1)
    if first in (b"", b"\n"):
        return first
    async with asyncio.timeout(LINE_SECONDS):
        return first + await reader.readline()


async def _answer(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(msgspec.json.encode(reply) + b"\n")
    async with asyncio.timeout(WRITE_SECONDS):
        await writer.drain()


async def _send_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, why: str) -> None:
    await _answer(writer, Reply(False, why))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):  # closing with input unread would cut the answer off
            for _ in range(64):
                if not await reader.read(LONGEST_LINE):
                    return


def _same_user(writer: asyncio.StreamWriter) -> bool:
    _, uid, _ = struct.unpack("3i", peer_credentials(writer.get_extra_info("socket")))
    return uid in (0, os.getuid())


def peer_credentials(peer: socket.socket) -> bytes:
    """The kernel's word on who is at the other end: pid, uid, gid as three C ints."""
    return peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
