"""Asking a relay who still comes to the old port."""

from __future__ import annotations

import aiohttp

from wsdash.api.limits import WHO_SECONDS
from wsdash.model import OldPortClients
from wsdash.outside import DocumentError, read_json
from wsdash.outside.http import client_session
from wsdash.outside.text import clean_texts


async def read_relayed(old_api: str) -> OldPortClients | None:
    """Who still asks at the old service's address; None where no relay answers there.

    The relay tells it to its own machine alone.
    """
    timeout = aiohttp.ClientTimeout(total=WHO_SECONDS)
    try:
        # a session of its own: on one that speaks with the service, the service would be asked
        async with (
            client_session(timeout=timeout) as session,
            session.get(old_api.rstrip("/") + "/relay/clients") as answer,
        ):
            if answer.status != 200:
                return None
            counted = read_json(await answer.read(), OldPortClients)
    except (OSError, TimeoutError, aiohttp.ClientError, DocumentError):
        return None
    return clean_texts(counted)
