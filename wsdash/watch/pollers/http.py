"""HTTP requests with a timeout and their time taken apart, shared by probes and steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp

from wsdash.outside.http import client_session
from wsdash.watch.limits import PROBE_TIMEOUT
from wsdash.watch.sources import reason


@dataclass(frozen=True)
class Timing:
    """One GET. seconds: from the question to the last byte, None when there was no complete answer.

    parts: seconds of name_lookup, connect, first_byte (question sent to headers read) and body; only in
    sessions of probe_session. status: 0 without an answer. error: '' when an answer came, of whatever status.
    silent: the question was taken, and there was no answer in time.
    """

    seconds: float | None
    parts: dict[str, float]
    status: int = 0
    error: str = ""
    silent: bool = False
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


AGENT = "wsdash-probe"
"""What the pollers call themselves, so that access logs tell them from users."""


def probe_session() -> aiohttp.ClientSession:
    """A session that measures like a new visitor: no cached name, no connection kept open."""
    trace = aiohttp.TraceConfig()
    trace.on_dns_resolvehost_start.append(_mark("lookup_start"))
    trace.on_dns_resolvehost_end.append(_mark("lookup_end"))
    trace.on_connection_create_start.append(_mark("connect_start"))
    trace.on_connection_create_end.append(_mark("connect_end"))
    connector = aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False)
    return client_session(connector=connector, trace_configs=[trace], headers={"User-Agent": AGENT})


async def timed_get(
    session: aiohttp.ClientSession,
    url: str,
    *,
    timeout: float = PROBE_TIMEOUT,
    headers: Mapping[str, str] | None = None,
) -> Timing:
    """GET a page and read all of it, within `timeout` seconds. Never raises, except when cancelled."""
    marks: dict[str, float] = {}
    begun = time.monotonic()
    try:
        limit = aiohttp.ClientTimeout(total=timeout)
        async with session.get(
            url, timeout=limit, trace_request_ctx=marks, headers=headers or {}
        ) as response:
            begun_to_answer = time.monotonic()
            body = await response.read()
            status = response.status
    except TimeoutError:
        parts = _parts(begun, marks)
        return Timing(None, parts, error=f"no answer within {timeout:g} s", silent=bool(parts))
    except (OSError, ValueError, aiohttp.ClientError) as error:
        return Timing(None, _parts(begun, marks), error=reason(error))
    ended = time.monotonic()
    parts = _parts(begun, marks)
    if parts:
        parts["first_byte"] = begun_to_answer - marks["connect_end"]
        parts["body"] = ended - begun_to_answer
    return Timing(ended - begun, parts, status, body=body, headers=response.headers)


def _mark(name: str) -> Any:
    async def note(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        if isinstance(context.trace_request_ctx, dict):
            context.trace_request_ctx[name] = time.monotonic()

    return note


def _parts(begun: float, marks: dict[str, float]) -> dict[str, float]:
    """What of the connection was measured; empty when it was never made."""
    if "connect_end" not in marks:
        return {}
    lookup = marks["lookup_end"] - marks["lookup_start"] if "lookup_end" in marks else 0.0
    return {"name_lookup": lookup, "connect": marks["connect_end"] - marks["connect_start"] - lookup}
