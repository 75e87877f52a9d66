"""A small relay: it takes the port that the old service has freed, and passes all of it to the new one.

It passes bytes as they are: bodies stream, answers (503 too) are the service's own; where the service is away
it says 503. Of HTTP it knows the first line of a connection, for two pages of its own, for this machine
alone and asked for on a connection of their own: /relay/health and /relay/clients. Only the standard library
is used: the file runs by itself in any Python image (compose/docker-compose.relay.yml).
"""

from __future__ import annotations

import argparse
import array
import asyncio
import errno
import fcntl
import ipaddress
import json
import os
import signal
import socket
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BIND_SECONDS = 0.005
"""Between two attempts at a port that somebody still holds."""
CONNECT_SECONDS = 3.0
FIRST_LINE_SECONDS, FIRST_LINE_BYTES = 60.0, 8192
IDLE_SECONDS = 300.0
"""A connection on which nothing comes from either side for so long is closed."""
END_SECONDS = 5.0
"""How long answers that are under way may take when it ends."""
FIRST_WORD_SECONDS = 0.5
"""How long a connection that has just been made may then take to say something."""
QUIET_SECONDS = 0.1
"""An answer after which nothing comes for so long is over."""
REST_SECONDS = 1.0
PIECE = 1 << 16
MOST_CONNECTIONS, MOST_CLIENTS = 512, 1000
OTHERS = "others"
OURS = b"GET /relay/"


@dataclass
class Seen:
    """A client. requests: how often it spoke after it had been answered; last_seen: epoch seconds."""

    requests: int = 0
    last_seen: float = 0.0


@dataclass(eq=False)
class _Talk:
    """One connection. asked: the client spoke last; moved: when anybody did, in monotonic seconds."""

    seen: Seen
    writer: asyncio.StreamWriter
    asked: bool = False
    moved: float = field(default_factory=time.monotonic)

    def spoke(self, client: bool) -> None:
        if client:
            self.seen.requests += not self.asked
            self.seen.last_seen = time.time()
        self.asked, self.moved = client, time.monotonic()


@dataclass
class Relay:
    """From one address of this machine to another one. clients: by address, MOST_CLIENTS of them."""

    listen: tuple[str, int]
    to: tuple[str, int]
    clients: dict[str, Seen] = field(default_factory=dict)
    since: float = 0.0
    """When it got its port, epoch seconds; 0 while it waits."""
    _talks: set[_Talk] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, stop: asyncio.Event, on_listening: Callable[[], None] = lambda: None) -> None:
        """Wait for the port, pass everything, and let answers end when `stop` is set.

        Raises OSError for an address that cannot be had however long one waits.
        """
        held = await self._take_port(stop)
        if held is None:
            return
        server = await asyncio.start_server(self._accept, sock=held, limit=PIECE)
        self.since = time.time()
        on_listening()
        try:
            await stop.wait()
        finally:
            waiting = close_listening(held)
            server.close()
            for connection in waiting:
                reader, writer = await asyncio.open_connection(sock=connection, limit=PIECE)
                self._tasks.add(asyncio.create_task(self._accept(reader, writer)))
            await self._end()

    def page(self) -> dict[str, object]:
        """What /relay/clients tells."""
        clients = [
            {"address": address, "requests": seen.requests, "last_seen": seen.last_seen}
            for address, seen in sorted(self.clients.items())
        ]
        return {"since": self.since, "to": f"{self.to[0]}:{self.to[1]}", "clients": clients}

    async def _take_port(self, stop: asyncio.Event) -> socket.socket | None:
        family = socket.AF_INET6 if ":" in self.listen[0] else socket.AF_INET
        while not stop.is_set():
            held = socket.socket(family, socket.SOCK_STREAM)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setblocking(False)
            try:
                held.bind(self.listen)
                held.listen(128)
            except OSError as error:
                held.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                await asyncio.sleep(BIND_SECONDS)
                continue
            return held
        return None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > MOST_CONNECTIONS:
                await _refuse(reader, writer)
            else:
                await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str(writer.get_extra_info("peername")[0])
        async with asyncio.timeout(FIRST_LINE_SECONDS):
            first = await _first_line(reader)
        if not first:
            return
        if first.startswith(OURS):
            await self._answer(first, address, writer)
            return
        talk = _Talk(self._seen(address), writer)
        talk.spoke(client=True)
        there = await self._connect(address)
        if there is None:
            await _refuse(reader, writer)
            return
        self._talks.add(talk)
        try:
            there[1].write(first)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, there[1], talk, client=True))
                group.create_task(_pump(there[0], writer, talk, client=False))
        except* (OSError, TimeoutError):
            writer.transport.abort()  # an answer that breaks off must not look like a whole one
        finally:
            self._talks.discard(talk)
            there[1].close()

    async def _connect(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The service, asked from the client's own address where that is one of this machine's: a service
        that limits each address goes on telling them apart."""
        local = (address, 0) if _loopback(address) and _loopback(self.to[0]) else None
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(*self.to, local_addr=local, limit=PIECE)
        return None

    def _seen(self, address: str) -> Seen:
        if address not in self.clients and len(self.clients) >= MOST_CLIENTS:
            address = OTHERS
        return self.clients.setdefault(address, Seen())

    async def _answer(self, first: bytes, address: str, writer: asyncio.StreamWriter) -> None:
        path = first.split(b" ", 2)[1]
        if ipaddress.ip_address(address).is_loopback and path == b"/relay/clients":
            await _say(writer, "200 OK", self.page())
        elif ipaddress.ip_address(address).is_loopback and path == b"/relay/health":
            await _say(writer, "200 OK", {"status": "healthy", "service": "relay"})
        else:
            await _say(writer, "404 Not Found", {"success": False, "message": "there is no such page"})

    async def _end(self) -> None:
        """Close what is quiet; wait for answers that are under way and requests that are about to come."""
        ended = time.monotonic()
        while self._tasks and time.monotonic() < ended + END_SECONDS:
            for talk in list(self._talks):
                quiet = not talk.asked and time.monotonic() - talk.moved > QUIET_SECONDS
                if quiet and not _unread(talk.writer):
                    talk.writer.close()
                    self._talks.discard(talk)
            if not self._talks and time.monotonic() > ended + FIRST_WORD_SECONDS:
                break
            await asyncio.sleep(QUIET_SECONDS / 4)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def close_listening(listening: socket.socket) -> list[socket.socket]:
    """Close a listening socket; returns the connections that waited in its queue, which closing would reset.

    It is closed in the moment after the queue was found empty, by putting another socket under its number:
    who listens with it (an asyncio server) closes that one in its own time.
    """
    found: list[socket.socket] = []
    with socket.socket() as other:
        while True:
            try:
                connection, _ = listening.accept()
            except ConnectionAbortedError:  # one that was given up meanwhile
                continue
            except OSError:  # nothing more
                os.dup2(other.fileno(), listening.fileno())
                break
            connection.setblocking(False)
            found.append(connection)
    return found


def _unread(writer: asyncio.StreamWriter) -> bool:
    """Whether something has come that nobody has read yet: closing would reset the connection, and the client
    could not know what became of its request."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.FIONREAD, count)
    except (OSError, ValueError):  # it is closed
        return False
    return count[0] > 0


async def _first_line(reader: asyncio.StreamReader) -> bytes:
    """What has come once a line's end is in it, or as much as a line may have."""
    data = b""
    while b"\n" not in data and len(data) < FIRST_LINE_BYTES:
        piece = await reader.read(PIECE)
        if not piece:
            return data
        data += piece
    return data


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, talk: _Talk, *, client: bool
) -> None:
    """Everything from one to the other, at most some PIECEs in between, and its end."""
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                data = await reader.read(PIECE)
        except TimeoutError:
            if time.monotonic() - talk.moved < IDLE_SECONDS:
                continue
            raise
        if not data:
            break
        talk.spoke(client)
        writer.write(data)
        async with asyncio.timeout(IDLE_SECONDS):
            await writer.drain()
    if client:
        writer.write_eof()
    else:
        writer.close()  # the service has ended it: the client is not waited for


async def _say(writer: asyncio.StreamWriter, status: str, body: dict[str, object]) -> None:
    text = json.dumps(body).encode()
    retry = "Retry-After: 1\r\n" if status.startswith("503") else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{retry}"
    writer.write(f"{head}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
    await writer.drain()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """503, and the rest of the request read for a moment: closing with it unread would reset the answer."""
    await _say(writer, "503 Service Unavailable", {"success": False, "message": "try again in a moment"})
    writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            while await reader.read(PIECE):
                pass


def _loopback(host: str) -> bool:
    return host.startswith("127.")


def address_of(text: str) -> tuple[str, int]:
    """HOST:PORT, or http://HOST:PORT. Raises ValueError telling what is wrong."""
    parts = urlsplit(text if "//" in text else f"//{text}")
    known = parts.scheme in ("", "http") and parts.path in ("", "/")
    if not known or not parts.hostname or not parts.port:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return parts.hostname, parts.port


async def serve(listen: tuple[str, int], to: tuple[str, int]) -> None:
    """Relay until SIGTERM or SIGINT. Raises OSError as Relay.run does."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    relay = Relay(listen, to)
    where = f"{listen[0]}:{listen[1]}"
    _tell(f"the relay waits for {where}")
    await relay.run(stop, lambda: _tell(f"the relay passes {where} to {to[0]}:{to[1]}"))
    _tell("the relay ends", clients=len(relay.clients))


def _tell(message: str, **more: object) -> None:
    """One JSON line, as the services log."""
    print(json.dumps({"level": "info", "message": message, **more}), flush=True)


def main(argv: list[str] | None = None) -> int:
    """As a program of its own: 2 when an address is wrong or cannot be had."""
    parser = argparse.ArgumentParser(prog="relay", description="Pass a port to another one.")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--to", required=True, metavar="URL")
    chosen = parser.parse_args(argv)
    try:
        asyncio.run(serve(address_of(chosen.listen), address_of(chosen.to)))
    except (OSError, ValueError) as error:
        print(f"relay: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
