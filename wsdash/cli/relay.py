"""`wsdash relay`: the old service's port, passed to the new service."""

from __future__ import annotations

import argparse
import asyncio

from wsdash.api.relay import address_of, serve
from wsdash.errors import InputError


def relay(arguments: argparse.Namespace) -> int:
    """Relay until it is stopped; waits for a port that is still held."""
    addresses = []
    for option, text in (("--listen", arguments.listen), ("--to", arguments.to)):
        try:
            addresses.append(address_of(text))
        except ValueError as error:
            remedy = "give HOST:PORT, as in 127.0.0.1:3201"
            raise InputError(str(error), where=option, remedy=remedy) from error
    try:
        asyncio.run(serve(addresses[0], addresses[1]))
    except OSError as error:
        raise InputError(
            f"the address cannot be listened on: {error.strerror or error}",
            where=f"--listen {arguments.listen}",
            remedy="name an address of this machine, and a port that you may take",
        ) from error
    return 0
