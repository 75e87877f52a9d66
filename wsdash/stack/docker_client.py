"""Talking to the Docker engine: aiodocker with timeouts, failures in our words, GET only when read-only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiodocker
import aiohttp

from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.stack.docker_logs import Stamped, read_frames, read_lines

_REQUEST_SECONDS = 15.0
_CONNECT_SECONDS = 5.0


class _Engine(aiodocker.Docker):
    """Every request of aiodocker's goes through _do_query: the place to refuse all but reading."""

    wsdash_read_only = False

    async def _do_query(self, path: Any, method: str, **rest: Any) -> aiohttp.ClientResponse:
        if self.wsdash_read_only and method != "GET":
            raise refusal()
        return await super()._do_query(path, method, **rest)


def refusal() -> RefusedError:
    """What a read-only stack says to whoever asks it to change something."""
    return RefusedError("the monitor changes nothing", where="Docker", remedy="use the operator's screen")


class DockerClient:
    """One connection pool to the engine that DOCKER_HOST, the Docker context or the usual socket names."""

    def __init__(self, *, read_only: bool) -> None:
        self._read_only = read_only
        self._docker: _Engine | None = None

    async def get(self, path: str, **params: str) -> Any:
        """GET and decode JSON; None when there is no such thing.

        Raises UnreachableError when no engine answers or we may not ask it, WsdashError with its own words.
        """
        return await self._query(path, "GET", params, _REQUEST_SECONDS)

    async def post(self, path: str, timeout: float = _REQUEST_SECONDS) -> None:
        """POST. Raises RefusedError when read-only, before anything is sent; else as get."""
        await self._query(path, "POST", {}, timeout)

    async def log(self, name: str, since: str, terminal: bool) -> AsyncIterator[Stamped]:
        """Lines of a container from `since` on, until it stops or the connection ends."""
        params = {"follow": "1", "stdout": "1", "stderr": "1", "timestamps": "1", "since": since}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        try:
            path = f"containers/{name}/logs"
            async with (
                self._open()._query(path, params=params, timeout=timeout) as answer,
                answer,
            ):
                read = read_lines if terminal else read_frames
                async for line in read(answer.content):
                    yield line
        except (aiodocker.DockerError, aiohttp.ClientError, OSError) as error:
            raise self._explain(error) from error

    async def close(self) -> None:
        """Let go of the connections."""
        if self._docker is not None:
            await self._docker.close()
            self._docker = None

    async def _query(self, path: str, method: str, params: dict[str, str], timeout: float) -> Any:
        try:
            async with asyncio.timeout(timeout):
                return await self._open()._query_json(path, method, params=params)
        except aiodocker.DockerError as error:
            if error.status == 404:
                return None
            if error.status == 304:
                return {}
            raise self._explain(error) from error
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._explain(error) from error

    def _open(self) -> _Engine:
        if self._docker is None:
            try:
                self._docker = _Engine()
            except (AssertionError, ValueError) as error:
                raise UnreachableError(
                    "there is no Docker engine on this machine",
                    where="DOCKER_HOST is not set, and there is no /var/run/docker.sock",
                    remedy="start Docker, or set DOCKER_HOST",
                ) from error
            self._docker.wsdash_read_only = self._read_only
        return self._docker

    def _explain(self, error: Exception) -> WsdashError:
        where = self._docker._connection_info if self._docker else "Docker"
        if isinstance(error, aiodocker.DockerError) and error.status != 900:
            return WsdashError(
                f"Docker says: {error.message}", where=where, remedy="correct that, then retry"
            )
        inner = error.__context__ if isinstance(error, aiodocker.DockerError) else error
        if isinstance(inner, aiohttp.ClientConnectorError):
            inner = inner.os_error
        if isinstance(inner, PermissionError):
            return UnreachableError(
                "this user may not use the Docker engine",
                where=where,
                remedy='add the user to the docker group (sudo usermod -aG docker "$USER"), log in again',
            )
        return UnreachableError(
            "the Docker engine does not answer", where=where, remedy="start Docker, or correct DOCKER_HOST"
        )
