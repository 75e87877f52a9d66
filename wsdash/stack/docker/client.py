"""Talking to the Docker engine: aiodocker with timeouts, failures in our words, GET only when read-only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiodocker
import aiohttp

from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.outside import clean
from wsdash.outside.http import BodyError, client_session
from wsdash.stack.docker.logs import Frames, LogParser, Stamped, Terminal
from wsdash.stack.docker.place import Place, SshBridge, find_engine
from wsdash.stack.limits import DOCKER_CONNECT_SECONDS, DOCKER_REQUEST_SECONDS, LOG_READ_SECONDS

NEWEST_API = (1, 50)
"""The newest version of the engine's interface that this client was written against (Docker 28)."""

JOURNALD = "journald"
"""The log driver of which only details tell where each line ends."""
_BUSY_PIECE = 16_384
"""Bytes of a log that came together: so many, and the next are read at once."""
_STREAMED_LINE = 4 * 2**20
_MOST_SAID = 8 * 2**20
_LONGEST_WORDS = 1_000
"""Characters of the engine's own words that are shown: they may hold a container's whole command."""


class _Engine(aiodocker.Docker):
    """Every request of aiodocker's goes through _do_query: the place to refuse all but reading."""

    wsdash_read_only = False

    async def _do_query(self, path: Any, method: str, **rest: Any) -> aiohttp.ClientResponse:
        if self.wsdash_read_only and method != "GET":
            raise refusal()
        return await super()._do_query(path, method, **rest)

    async def _check_version(self) -> None:
        if self.api_version == "auto":
            answer = await self._query_json("version", versioned_api=False)
            self.api_version = negotiated(answer)


def negotiated(answer: dict[str, Any]) -> str:
    """The version to speak with an engine that answered GET /version: the newest both sides know.

    An engine that has given up all we know is spoken to in its oldest: unknown fields are ignored.
    """

    def number(key: str, default: tuple[int, int]) -> tuple[int, int]:
        major, _, minor = str(answer.get(key) or "").partition(".")
        return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else default

    newest, oldest = number("ApiVersion", NEWEST_API), number("MinAPIVersion", (1, 0))
    major, minor = max(oldest, min(newest, NEWEST_API))
    return f"v{major}.{minor}"


def refusal() -> RefusedError:
    """What a read-only stack says to whoever asks it to change something."""
    return RefusedError("the monitor changes nothing", where="Docker", remedy="use the operator's screen")


class MissingError(WsdashError):
    """The thing asked for is not there any more, or is being removed."""


class Resting:
    """Connections of which nothing is read until the next tick, which is the same for all.

    Each line of each quiet log would wake the process by itself: measured with six containers of five lines a
    second each, that was half of what watching cost. What has not been read waits in the connection.
    """

    def __init__(self) -> None:
        self._transports: list[asyncio.Transport] = []
        self._tick: asyncio.TimerHandle | None = None

    def add(self, answer: aiohttp.ClientResponse) -> None:
        """Read nothing of it for now. One that has ended, whose connection may serve another question
        already, is left as it is."""
        transport = answer.connection.transport if answer.connection is not None else None
        if transport is None:
            return
        transport.pause_reading()
        self._transports.append(transport)
        if self._tick is None:
            loop = asyncio.get_running_loop()
            now = loop.time()
            self._tick = loop.call_at(now - now % LOG_READ_SECONDS + LOG_READ_SECONDS, self.end)

    def end(self) -> None:
        """Read all of them again."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        resting, self._transports = self._transports, []
        for transport in resting:
            transport.resume_reading()  # nothing happens to one that is closed


class DockerClient:
    """Connections to the engine that DOCKER_HOST, the Docker context or the usual socket names."""

    def __init__(self, *, read_only: bool) -> None:
        self._read_only = read_only
        self._docker: _Engine | None = None
        self._place: Place | None = None
        self._bridge: SshBridge | None = None
        self._opening = asyncio.Lock()
        self._resting = Resting()

    async def place(self) -> Place:
        """Where the engine is. Raises UnreachableError when nothing names one, InputError for no address."""
        await self._engine()
        assert self._place is not None
        return self._place

    async def here(self) -> bool:
        """The engine is this machine's, so its ports are too.

        An address of this machine's own loopback may be a proxy for its engine or a tunnel to another one:
        then the engine's own name for its machine decides. Raises as get.
        """
        place = await self.place()
        if place.here or not place.loopback:
            return place.here
        answer = await self.get("info") or {}
        return str(answer.get("Name") or "") == socket.gethostname()

    async def get(
        self, path: str, params: dict[str, str] | None = None, *, timeout: float = DOCKER_REQUEST_SECONDS
    ) -> Any:
        """GET and decode JSON; None when there is no such thing.

        Raises UnreachableError when no engine answers or we may not ask it, WsdashError with its own words,
        InputError when its address is none.
        """
        return await self._query(path, "GET", timeout, params)

    async def post(self, path: str, timeout: float = DOCKER_REQUEST_SECONDS) -> None:
        """POST. Raises RefusedError when read-only, before anything is sent; else as get."""
        if self._read_only:
            raise refusal()
        await self._query(path, "POST", timeout)

    async def execute(self, name: str, argv: list[str], timeout: float) -> tuple[int, str]:
        """Run a command inside a container; its exit code, and the first 8 MiB that it printed.

        Raises RefusedError when read-only, UnreachableError, WsdashError also after `timeout` seconds.
        """
        if self._read_only:
            raise refusal()
        engine = await self._engine()
        said = bytearray()
        try:
            async with asyncio.timeout(timeout):
                made = await engine.containers.container(name).exec(argv, stdin=False)
                async with made.start(detach=False) as stream:
                    while (message := await stream.read_out()) is not None:
                        said += message.data[: _MOST_SAID - len(said)]
                answer = await made.inspect()
        except (aiodocker.DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._explain(error) from error
        return int(answer["ExitCode"] or 0), said.decode(errors="replace")

    async def log(
        self, name: str, since: str, terminal: bool, driver: str = ""
    ) -> AsyncGenerator[list[Stamped], None]:
        """Lines of a container from `since` on, in lists of those that came together, until it stops or the
        connection ends.

        driver: of its log.

        Raises MissingError when there is no such container any more.
        """
        params = {"follow": "1", "stdout": "1", "stderr": "1", "timestamps": "1", "since": since}
        details = driver == JOURNALD and not terminal
        if details:
            params["details"] = "1"
        async with self._streaming(f"containers/{name}/logs", params) as answer:
            parser: LogParser = Terminal() if terminal else Frames(details=details)
            while piece := await answer.content.readany():
                if lines := parser.feed(piece):
                    yield lines
                if len(piece) < _BUSY_PIECE:
                    self._resting.add(answer)
            if lines := parser.finish():
                yield lines

    async def each_line(
        self,
        path: str,
        params: dict[str, str],
        *,
        opened: Callable[[], object] = lambda: None,
        silence: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The lines of an endless JSON stream (events, stats), until the engine ends it.

        opened is called once the engine has begun to answer: from then on nothing is missed. silence: seconds
        without a byte after which the engine is taken to be gone.
        """
        async with self._streaming(path, params, silence) as answer:
            opened()
            rest = b""
            async for piece in answer.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                for line in filter(None, lines):
                    yield line
                if len(rest) > _STREAMED_LINE:
                    raise WsdashError("the Docker engine sent a line without an end", where=path)

    async def holds(self, name: str, path: str) -> bool:
        """Whether there is such a file in the container, also in one that does not run. Raises as get."""
        try:
            async with self._streaming(f"containers/{name}/archive", {"path": path}):
                return True
        except MissingError:
            return False

    async def close(self) -> None:
        """Let go of the connections."""
        self._resting.end()
        if self._docker is not None:
            await self._docker.close()
            await self._docker.session.close()
            self._docker = None
        if self._bridge is not None:
            await self._bridge.close()
            self._bridge = None

    @asynccontextmanager
    async def _streaming(
        self, path: str, params: dict[str, str], silence: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=DOCKER_CONNECT_SECONDS, sock_read=silence)
        engine = await self._engine()
        try:
            async with contextlib.AsyncExitStack() as stack:
                # the answer's head must come in time; what follows may take for ever
                async with asyncio.timeout(DOCKER_REQUEST_SECONDS):
                    asked = engine._query(path, params=params, timeout=timeout)
                    answer = await stack.enter_async_context(await stack.enter_async_context(asked))
                yield answer
        except (aiodocker.DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._explain(error) from error

    async def _query(
        self, path: str, method: str, timeout: float, params: dict[str, str] | None = None
    ) -> Any:
        engine = await self._engine()
        try:
            async with asyncio.timeout(timeout):
                return await engine._query_json(path, method, params=params)
        except aiodocker.DockerError as error:
            if error.status == 404:
                return None
            if error.status == 304:
                return {}
            raise self._explain(error) from error
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError) as error:
            raise self._explain(error) from error  # TypeError: aiodocker's, for a body of another kind

    async def _engine(self) -> _Engine:
        async with self._opening:
            if self._docker is None:
                self._place = await asyncio.to_thread(find_engine, dict(os.environ))
                self._docker = await self._connected(self._place)
                self._docker.wsdash_read_only = self._read_only
            return self._docker

    async def _connected(self, place: Place) -> _Engine:
        # limit 0: every container has a stream of stats and one of logs, open all the time
        url = place.url
        connector: aiohttp.BaseConnector
        if url.startswith("ssh://"):
            self._bridge = SshBridge(url)
            try:
                socket = await self._bridge.open()
            except WsdashError:
                self._bridge = None
                raise
            url = f"unix://{socket}"
        if url.startswith("unix://"):
            connector = aiohttp.UnixConnector(url.removeprefix("unix://"), limit=0)
            url = "unix://localhost"
        else:
            tls = await asyncio.to_thread(place.tls)
            connector = aiohttp.TCPConnector(limit=0, ssl=tls if tls is not None else True)
        session = client_session(connector=connector, timeout=aiohttp.ClientTimeout())
        return _Engine(url=url, connector=connector, session=session)

    def _explain(self, error: Exception) -> WsdashError:
        where = str(self._place or "Docker")
        if isinstance(error, BodyError):
            return WsdashError(
                f"the Docker engine's answer cannot be used: {error}",
                where=where,
                remedy="see what has such labels or such an environment (docker inspect), and make it anew",
            )
        if isinstance(error, aiodocker.DockerError) and error.status != 900:
            kind = MissingError if error.status in (404, 409) else WsdashError
            said = clean(str(error.message), _LONGEST_WORDS)
            return kind(f"Docker says: {said}", where=where, remedy="correct that, then retry")
        if self._docker is not None:
            self._docker.api_version = "auto"  # another engine may answer next time
        inner = error.__context__ if isinstance(error, aiodocker.DockerError) else error
        if isinstance(inner, aiohttp.ClientConnectorError):
            inner = inner.os_error
        if isinstance(inner, PermissionError):
            return UnreachableError(
                "this user may not use the Docker engine",
                where=where,
                remedy='add the user to the docker group (sudo usermod -aG docker "$USER"), log in again',
            )
        if self._bridge is not None and self._bridge.last_words:
            return UnreachableError(
                f"the Docker engine behind ssh does not answer: {self._bridge.last_words}",
                where=where,
                remedy="make `ssh HOST docker version` work without a password, then retry",
            )
        return UnreachableError(
            f"the Docker engine does not answer{_why(inner)}",
            where=where,
            remedy="start Docker (sudo systemctl start docker), or correct DOCKER_HOST",
        )


def _why(error: BaseException | None) -> str:
    """The reason in brackets, where there is one worth telling."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return f" ({error})"
    if isinstance(error, OSError) and error.strerror:
        return f" ({error.strerror.lower()})"
    return ""
