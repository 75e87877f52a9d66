"""A client of the service's API, as its users speak to it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from wsdash.api.allowance import allowance_of
from wsdash.api.limits import CALL_SECONDS, LARGE_BYTES, PING_SECONDS, WHO_SECONDS
from wsdash.config import ApiSettings
from wsdash.errors import InputError, UnreachableError, WsdashError
from wsdash.model import OldPortClients
from wsdash.outside import DocumentError, read_json
from wsdash.outside.http import Answer, HttpClient, LargeResponse, client_session
from wsdash.outside.text import clean_texts

MOST_REFUSALS = 3
"""Answers 429 to one request before it is given up."""
NO_SUCH_PAGE = (404, 405, 501)
QUOTED = 200

Json = dict[str, Any]


@dataclass(frozen=True)
class Pong:
    """How an address answered one GET of its health page.

    status: 0 where nobody answered HTTP. refused: the connection was refused, so nobody listens there; False
    for a name that is not known, a timeout or an answer: those say nothing about who listens.
    """

    status: int
    said: str
    refused: bool = False

    @property
    def ready(self) -> bool:
        """The API says that it is well, or has no health page and answers."""
        return 200 <= self.status < 300 or self.status in NO_SUCH_PAGE


class ApiClient(HttpClient):
    """Calls one generation of the API, over at most `connections` at once. Use as an async context manager.

    api: the API's shape. waiting: called with a sentence when a request has to wait for the API's limit.
    Every request keeps to the address's allowance, every call has a timeout. Raises UnreachableError when
    nobody answers, WsdashError for an answer that the API's contract does not allow, InputError for a token
    that is not set.
    """

    def __init__(
        self,
        base: str,
        api: ApiSettings | None = None,
        *,
        connections: int = 100,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        limit = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=3)
        super().__init__(
            "see the logs of this API's container", connections=connections, large=True, timeout=limit
        )
        self.base = base.rstrip("/")
        self.api = api or ApiSettings(old=base, new=base)
        self.allowance = allowance_of(self.base, self.api.max_requests_per_minute)
        self._waiting = waiting

    async def __aenter__(self) -> Self:
        self._options["headers"] = request_headers(self.api)
        return await super().__aenter__()

    async def call(
        self, method: str, path: str, body: Json | None = None, *, expect: tuple[int, ...] = (200, 201)
    ) -> Json:
        """One request; the JSON object of its answer ({} for an empty one, {"data": ...} for a list)."""
        answer, _ = await self.timed(method, path, body, expect=expect)
        return answer

    async def timed(
        self, method: str, path: str, body: Json | None = None, *, expect: tuple[int, ...] = (200, 201)
    ) -> tuple[Json, float]:
        """One request; its answer and its duration in seconds, body read, without waiting for its turn."""
        url = self.base + path
        answer = await self._allowed(method, path, body)
        status, raw, kind, seconds = answer.status, answer.body, answer.kind, answer.seconds
        if status not in expect:
            raise WsdashError(
                f"{method} {path} answered {status}: {describe_body(raw, kind)}",
                where=url,
                remedy="see the logs of this API's container",
            )
        if not raw.strip():
            return {}, seconds
        try:
            content = await _parsed(raw)
        except DocumentError as error:
            if status >= 400:
                return {}, seconds  # the status was what was asked for; its page is its own
            raise WsdashError(
                f"{method} {path} answered {status} with {describe_body(raw, kind)} instead of JSON",
                where=url,
                remedy="check api.old, api.new and the paths under api in wsdash.yaml, and this API's logs",
            ) from error
        return (content if isinstance(content, dict) else {"data": content}), seconds

    async def _allowed(self, method: str, path: str, body: Json | None) -> Answer:
        """The answer to one request within the API's limit, asked again where the API says 429."""
        for attempt in range(MOST_REFUSALS + 1):
            await self.allowance.turn(self._tell_wait)
            try:
                answer = await self.exchange(method, self.base + path, body, name=path)
            except UnreachableError:
                self.allowance.unanswered()
                raise
            pause = self.allowance.answered(answer.status, answer.headers)
            if pause and attempt < MOST_REFUSALS:
                continue  # a refused request was not done: asking again is safe
            return answer
        raise AssertionError("the last attempt returns")

    def _tell_wait(self, seconds: float) -> None:
        if self._waiting is not None:
            limit = self.allowance.text or "it answered 429 (too many requests)"
            self._waiting(f"waiting {seconds:.0f} s before {self.base} is asked again: {limit}")

    async def ping(self) -> Pong:
        """Ask the health page once, whatever it says. Never raises, except when cancelled."""
        path = self.api.health_path or self.api.path or "/"
        await self.allowance.turn(self._tell_wait)
        try:
            limit = aiohttp.ClientTimeout(total=PING_SECONDS)
            async with self.session().get(self.base + path, timeout=limit) as response:
                self.allowance.answered(response.status, response.headers)
                said = describe_body(await response.read(), response.content_type)
                return Pong(response.status, f"GET {path} answered {response.status}: {said}")
        except aiohttp.ClientConnectorDNSError as error:
            said, refused = f"the name {error.host} is not known", False
        except aiohttp.ClientConnectorError as error:
            inner = error.os_error
            said, refused = str(inner), isinstance(inner, ConnectionRefusedError) or "Errno 111" in str(inner)
        except TimeoutError:
            said, refused = f"no answer within {PING_SECONDS:g} s", False
        except (OSError, ValueError, aiohttp.ClientError) as error:
            said, refused = str(error) or type(error).__name__, False
        self.allowance.unanswered()
        return Pong(0, said, refused)

    async def wait_ready(self, within: float) -> Pong:
        """The first answer that says ready (see Pong); raise UnreachableError after `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            pong = await self.ping()
            if pong.ready:
                return pong
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"the API is not ready after {within:.0f} s: {pong.said}",
                    where=self.base,
                    remedy="see the logs of this API's container",
                )
            await asyncio.sleep(0.2)

    def item_path(self, item: str) -> str:
        """The path of one item."""
        return f"{self.api.path}/{quote(item, safe='')}"

    async def list_items(self) -> tuple[list[Any], int | None]:
        """The items of one GET of the list, and how many the API says there are (None: it does not)."""
        answer = await self.call("GET", self.api.path)
        rows, count = answer.get("data", answer.get("items")), answer.get("count", answer.get("total"))
        if not isinstance(rows, list):
            raise WsdashError(
                f"GET {self.api.path} answered no list of items", where=self.base, remedy="see its logs"
            )
        return rows, count if isinstance(count, int) and not isinstance(count, bool) else None


def request_headers(api: ApiSettings) -> dict[str, str]:
    """The configured headers and the token. Raises InputError where the token's variable is not set."""
    headers = dict(api.headers)
    if api.token_env:
        token = os.environ.get(api.token_env, "")
        if not token or not token.isprintable():
            raise InputError(
                f"the environment variable {api.token_env} holds no token",
                where="wsdash.yaml, key api.token_env",
                remedy=f"export {api.token_env}, or empty this key",
            )
        headers["Authorization"] = f"Bearer {token}"
    return headers


async def _parsed(raw: bytes) -> Any:
    """The JSON of a body; a large one is parsed beside the event loop."""
    if len(raw) > LARGE_BYTES:
        return await asyncio.to_thread(read_json, raw, largest=LargeResponse.largest)
    return read_json(raw)


def describe_body(raw: bytes, kind: str) -> str:
    """A body for people: the API's own message, or what kind of page it is instead."""
    if not raw.strip():
        return "an empty body"
    start = raw[:4096].lstrip().lower()
    if "html" in kind or start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if len(raw) < 2**20:
        try:
            content = read_json(raw)
        except DocumentError:
            content = None
        if isinstance(content, dict):
            said = _messages(content)
            if said:
                return said[:QUOTED]
    return f"{' '.join(raw[:QUOTED].decode(errors='replace').split())!r}"


def _messages(content: Json) -> str:
    """What a JSON answer says of itself: its message or error, and the checks that are not well."""
    said = [str(content[key]) for key in ("message", "error", "status") if isinstance(content.get(key), str)]
    checks = content.get("checks")
    if isinstance(checks, dict):
        for name, check in list(checks.items())[:5]:
            if isinstance(check, dict) and check.get("status") not in ("healthy", "ok", "up"):
                said.append(f"{name}: {check.get('message') or check.get('status')}")
    return "; ".join(dict.fromkeys(said))


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
