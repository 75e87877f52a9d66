"""Turns what a server or a connection says while we dump or restore into an error for a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from wsdash.data.connect import Endpoint
from wsdash.errors import UnreachableError, WsdashError

STALL_SECONDS = 300.0
"""A COPY that moves no byte for so long is given up."""
STATEMENT_SECONDS = 3600.0
"""The longest a single command (an index build, a checksum) may take."""


LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises when the server is gone (the third one: its farewell came between two commands)."""


@asynccontextmanager
async def server_errors(endpoint: Endpoint, doing: str) -> AsyncIterator[None]:
    """Raises WsdashError with the server's own words, UnreachableError when it is gone or silent."""
    try:
        yield
    except LOST as error:
        raise UnreachableError(
            f"{doing}: the connection to {endpoint.label} was lost ({str(error) or type(error).__name__})",
            where=endpoint.address,
            remedy="see that the server runs and answers, then retry; nothing half was left behind",
        ) from error
    except asyncpg.QueryCanceledError as error:
        raise WsdashError(
            f"{doing}: the server cancelled it ({error})", where=endpoint.address, remedy="retry"
        ) from error
    except asyncpg.AdminShutdownError as error:
        raise UnreachableError(
            f"{doing}: the server ended the session ({error})",
            where=endpoint.address,
            remedy="see that the server runs, then retry; nothing half was left behind",
        ) from error
    except asyncpg.PostgresError as error:
        raise WsdashError(
            f"{doing}: {_message(error)}",
            where=endpoint.address,
            remedy="remove the cause the server names, then retry; nothing half was left behind",
        ) from error


class Watchdog:
    """Ends a transfer that makes no progress: raises TimeoutError after STALL_SECONDS without any."""

    def __init__(self) -> None:
        self._seconds = STALL_SECONDS
        self._timeout = asyncio.timeout(self._seconds)

    async def __aenter__(self) -> Watchdog:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._timeout.__aexit__(*details)  # type: ignore[arg-type]

    def alive(self) -> None:
        """Something moved: wait another full period."""
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)


def _message(error: asyncpg.PostgresError) -> str:
    context = getattr(error, "context", None)
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{first} ({context.splitlines()[0][:200]})" if context else first
