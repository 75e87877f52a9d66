"""The client of the service's API, against a server that loses its answers."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from wsdash.api import ApiClient
from wsdash.errors import UnreachableError


class LosingServer:
    """Breaks the connection instead of the first `losses` answers. asked: the methods of all requests."""

    def __init__(self, losses: int) -> None:
        self.asked: list[str] = []
        self._losses = losses

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.method)
        if len(self.asked) <= self._losses:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"data": []})

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        return application


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_write_whose_answer_was_lost_is_not_sent_again(method: str) -> None:
    losing = LosingServer(losses=1)
    async with TestServer(losing.application()) as server, ApiClient(str(server.make_url(""))) as client:
        with pytest.raises(UnreachableError, match=f"{method} /api/items/7 got no answer"):
            await client.call(method, "/api/items/7", {"title": "a"})
    assert losing.asked == [method]


async def test_a_read_whose_answer_was_lost_is_asked_again() -> None:
    losing = LosingServer(losses=1)
    async with TestServer(losing.application()) as server, ApiClient(str(server.make_url(""))) as client:
        assert await client.call("GET", "/api/items") == {"data": []}
    assert losing.asked == ["GET", "GET"]
