"""A Docker engine's socket that only answers questions, for who must look and must not act.

`python -m wsdash.stack.docker.read_only_proxy --engine /var/run/docker.sock --socket /proxy/docker.sock`

A bind mount of the engine's own socket is root on the machine, `:ro` or not: it makes the file read-only, not
what is said through it. This proxy carries GET requests for the few paths that watching needs and refuses
the rest. Some GETs are left out on purpose: attach/ws writes to a container, archive and export read files
out of it. What inspecting tells is passed on whole, a container's environment with its passwords included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path

from wsdash.stack.limits import HEAD_SECONDS

HEAD_BYTES = 16_384
CONNECTIONS = 100
_PIECE = 65_536
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.:@/-]*"
_ALLOWED = re.compile(
    r"(?:/v\d+\.\d+)?/(?:_ping|version|info|events|containers/json"
    rf"|containers/[A-Za-z0-9][A-Za-z0-9_.-]*/(?:json|logs|stats)|images/{_NAME}/json)(?:\?[!-~]*)?"
)


def allowed(method: str, target: str) -> bool:
    """Whether a request's first line may go on to the engine."""
    return method == "GET" and ".." not in target and _ALLOWED.fullmatch(target) is not None


class ReadOnlyProxy:
    """Listens at one unix socket and asks at another. One request a connection."""

    def __init__(self, engine: Path, socket: Path) -> None:
        self._engine = engine
        self._socket = socket
        self._open = asyncio.Semaphore(CONNECTIONS)

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises OSError when the socket cannot be made."""
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(self._socket.unlink)
        server = await asyncio.start_unix_server(self._answer, str(self._socket), limit=HEAD_BYTES)
        os.chmod(self._socket, 0o660)
        async with server:
            await stop.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._open:
            try:
                async with asyncio.timeout(HEAD_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                # nothing of the client's headers goes on: what is not sent cannot smuggle a second request
                words = head.partition(b"\r\n")[0].decode("ascii", "replace").split(" ")
                if len(words) != 3 or not allowed(words[0], words[1]):
                    writer.write(_refusal(" ".join(words)[:200]))
                    return
                request = f"GET {words[1]} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
                await self._carry(request.encode("ascii"), reader, writer)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass  # the client is gone, silent, or says too much: so are we
            finally:
                with contextlib.suppress(OSError):
                    await writer.drain()
                writer.close()

    async def _carry(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Nothing more of the client's reaches the engine; it is read to see that the client goes."""
        source, sink = await asyncio.open_unix_connection(str(self._engine))
        gone = asyncio.create_task(_until_gone(reader))
        down = asyncio.create_task(_pump(source, writer))
        try:
            sink.write(request)
            await sink.drain()
            await asyncio.wait((gone, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, down):
                task.cancel()
            await asyncio.gather(gone, down, return_exceptions=True)
            sink.close()


def _refusal(what: str) -> bytes:
    clean = "".join(c if c.isprintable() and c not in '"\\' else "?" for c in what)
    body = f'{{"message":"this proxy passes on GET requests for watching only, not {clean}"}}\n'.encode()
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


async def _until_gone(reader: asyncio.StreamReader) -> None:
    while await reader.read(_PIECE):
        pass


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(_PIECE):
        sink.write(piece)
        await sink.drain()


async def _main(engine: Path, socket: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await ReadOnlyProxy(engine, socket).serve(stop)


def main(argv: list[str] | None = None) -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m wsdash.stack.docker.read_only_proxy", description=__doc__
    )
    parser.add_argument("--engine", type=Path, default=Path("/var/run/docker.sock"))
    parser.add_argument("--socket", type=Path, required=True)
    chosen = parser.parse_args(argv)
    asyncio.run(_main(chosen.engine, chosen.socket))


if __name__ == "__main__":
    main()
