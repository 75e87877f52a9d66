"""Asking a relay who still comes to the old port."""

from __future__ import annotations

import aiohttp
import msgspec

from wsdash.outside import DocumentError, read_json
from wsdash.outside.http import client_session
from wsdash.outside.text import clean_texts

SECONDS = 5.0


class RelayClient(msgspec.Struct, frozen=True):
    """One client of the old port. requests: since the relay took it; last_seen: epoch seconds."""

    address: str
    requests: int
    last_seen: float


class Relayed(msgspec.Struct, frozen=True):
    """Who came. since: when the relay got the port, epoch seconds."""

    since: float
    clients: tuple[RelayClient, ...]


async def read_relayed(old_api: str) -> Relayed | None:
    """Who still asks at the old service's address; None where no relay answers there.

    The relay tells it to its own machine alone.
    """
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        # a session of its own: on one that speaks with the service, the service would be asked
        async with (
            client_session(timeout=timeout) as session,
            session.get(old_api.rstrip("/") + "/relay/clients") as answer,
        ):
            if answer.status != 200:
                return None
            told = read_json(await answer.read(), Relayed)
    except (OSError, TimeoutError, aiohttp.ClientError, DocumentError):
        return None
    return clean_texts(told)
