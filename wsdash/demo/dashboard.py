"""The dashboard's page: a table of the newest items, read from the new API at every request.

`python -m wsdash.demo.dashboard --port P --api URL`
"""

from __future__ import annotations

import argparse
import asyncio
import html
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web

from wsdash.demo.limits import DASHBOARD_SECONDS
from wsdash.demo.service import log, log_request, reply, serve
from wsdash.outside.http import client_session

SHOWN = 25
SESSION = web.AppKey("session", aiohttp.ClientSession)
API = web.AppKey("api", str)
COLUMNS = ("title", "category", "priority", "status", "created_at")


def create_app(api: str) -> web.Application:
    """The page server; `api` is the base URL of the workspace API."""
    application = web.Application()
    application[API] = api.rstrip("/")
    application.cleanup_ctx.append(_session)
    application.router.add_get("/", page)
    application.router.add_get("/health", health)
    return application


async def health(request: web.Request) -> web.Response:
    """200 as long as the page server runs, whatever the API does."""
    return reply({"status": "healthy", "service": "dashboard"})


async def page(request: web.Request) -> web.Response:
    """The page; with a notice in place of the table while the API does not answer."""
    began = time.monotonic()
    try:
        async with request.app[SESSION].get(f"{request.app[API]}/api/items?limit={SHOWN}") as answer:
            content: Any = await answer.json()
            if answer.status != 200:
                raise ValueError(f"it answers {answer.status}: {content.get('message', '')}")
        body = _table(content)
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError, KeyError) as error:
        reason = str(error) or type(error).__name__
        log("error", "the workspace API cannot be read", error=reason)
        body = f'<p class="notice">The workspace API cannot be read: {html.escape(reason)}</p>'
    log_request(request, 200, began)
    return web.Response(text=_document(body, request.app[API]), content_type="text/html", charset="utf-8")


async def _session(application: web.Application) -> AsyncIterator[None]:
    timeout = aiohttp.ClientTimeout(total=DASHBOARD_SECONDS)
    async with client_session(timeout=timeout) as session:
        application[SESSION] = session
        yield


def _table(content: dict[str, Any]) -> str:
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(item[name]))}</td>" for name in COLUMNS) + "</tr>\n"
        for item in content["data"]
    )
    count = int(content["count"])
    return f'<p id="count" data-count="{count}">{count} items</p>\n<table><tr>{head}</tr>\n{rows}</table>'


def _document(body: str, api: str) -> str:
    style = (
        "body{font:14px sans-serif;margin:2em}td,th{padding:2px 10px;text-align:left}.notice{color:#b91c1c}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Workspace</title>'
        f"<style>{style}</style></head>\n<body><h1>Workspace</h1>\n{body}\n"
        f"<p><small>read from {html.escape(api)}</small></p></body></html>\n"
    )


def main(argv: list[str] | None = None) -> None:
    """Run the page server until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m wsdash.demo.dashboard")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api", required=True, help="base URL of the workspace API")
    chosen = parser.parse_args(argv)
    asyncio.run(serve(create_app(chosen.api), chosen.host, chosen.port, "dashboard"))


if __name__ == "__main__":
    main()
