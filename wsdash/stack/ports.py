"""Are ports free again?"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable

from wsdash.stack.limits import PORT_POLL_SECONDS


def is_port_free(port: int) -> bool:
    """Nobody listens on that TCP port of this machine; connections still closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def ports_still_taken(ports: Iterable[int], timeout: float) -> list[int]:
    """Wait until all are free; those that are not after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    taken = list(ports)
    while taken := [port for port in taken if not is_port_free(port)]:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(PORT_POLL_SECONDS)
    return taken
