"""A small client of Neon's storage nodes: tenants, timelines and branches over their HTTP interface.

Shapes and status codes: pageserver/src/http/routes.rs and safekeeper/src/http/routes.rs of Neon's sources.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp

from wsdash.errors import WsdashError
from wsdash.outside import read_json
from wsdash.outside.http import HttpClient
from wsdash.stack.limits import CALL_SECONDS, CREATE_SECONDS, GONE_SECONDS

BUSY_TRIES, BUSY_PAUSE = 5, 0.2
"""How often an inactive tenant (503) is asked again, as Neon's own tests do."""


@dataclass(frozen=True)
class NeonTimeline:
    """A timeline as the pageserver tells it. lsn: its last record; size: logical bytes."""

    id: str
    ancestor: str
    ancestor_lsn: str
    lsn: str
    size: int
    state: str


class NeonApi(HttpClient):
    """Calls pageserver and safekeeper. Use as an async context manager.

    Every call has a timeout and raises UnreachableError when nobody answers, WsdashError with the node's own
    words when it refuses.
    """

    def __init__(self, pageserver: str, safekeeper: str) -> None:
        super().__init__("start the stack; its storage nodes' logs say more")
        self._pageserver, self._safekeeper = pageserver.rstrip("/"), safekeeper.rstrip("/")

    async def tenants(self) -> tuple[str, ...]:
        """The ids of the pageserver's tenants."""
        _, rows = await self._call("GET", f"{self._pageserver}/v1/tenant", (200,))
        return tuple(row["id"] for row in rows)

    async def timelines(self, tenant: str) -> tuple[NeonTimeline, ...]:
        """The tenant's timelines, the main one and its branches."""
        _, rows = await self._call("GET", f"{self._pageserver}/v1/tenant/{tenant}/timeline", (200,))
        return tuple(_timeline(row) for row in rows)

    async def create_branch(self, tenant: str, branch: str, ancestor: str, lsn: str) -> NeonTimeline:
        """Branch off `ancestor` at `lsn`. The same call again is no error.

        Without an LSN the pageserver would take its own last one, which may lag behind the compute's.
        """
        body = {"new_timeline_id": branch, "ancestor_timeline_id": ancestor, "ancestor_start_lsn": lsn}
        url = f"{self._pageserver}/v1/tenant/{tenant}/timeline"
        _, row = await self._call("POST", url, (201,), body, CREATE_SECONDS)
        return _timeline(row)

    async def delete_timeline(self, tenant: str, timeline: str) -> None:
        """Delete it on the pageserver, wait until it is gone, then on the safekeeper; none there is fine."""
        path = f"/v1/tenant/{tenant}/timeline/{timeline}"
        await self._call("DELETE", self._pageserver + path, (202, 404, 409))  # 409: in progress already
        try:
            async with asyncio.timeout(GONE_SECONDS):
                await self._until_gone(self._pageserver + path)
        except TimeoutError as error:
            raise WsdashError(
                f"timeline {timeline} is still there {GONE_SECONDS:.0f} s after its deletion",
                where=self._pageserver,
                remedy="read the pageserver's log, then retry",
            ) from error
        await self._call("DELETE", self._safekeeper + path, (200, 404))

    async def _until_gone(self, url: str) -> None:
        while True:
            status, _ = await self._call("GET", url, (200, 404))
            if status == 404:
                return
            await asyncio.sleep(BUSY_PAUSE)

    async def _call(
        self,
        method: str,
        url: str,
        expect: tuple[int, ...],
        body: dict[str, Any] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> tuple[int, Any]:
        limit = aiohttp.ClientTimeout(total=seconds, connect=3)
        for attempt in range(BUSY_TRIES + 1):
            answer = await self.exchange(method, url, body, timeout=limit)
            if answer.status != 503 or attempt == BUSY_TRIES:
                break
            await asyncio.sleep(BUSY_PAUSE * (attempt + 1))
        if answer.status not in expect:
            raise WsdashError(
                f"{method} {url} answered {answer.status}: {_said(answer.body)}",
                where=url,
                remedy="read that node's log",
            )
        return answer.status, _json(answer.body)


def _timeline(row: dict[str, Any]) -> NeonTimeline:
    state = row.get("state")
    return NeonTimeline(
        id=row["timeline_id"],
        ancestor=row.get("ancestor_timeline_id") or "",
        ancestor_lsn=row.get("ancestor_lsn") or "",
        lsn=row.get("last_record_lsn") or "",
        size=int(row.get("current_logical_size") or 0),
        state=state if isinstance(state, str) else next(iter(state or {"unknown": None})),
    )


def _json(body: bytes) -> Any:
    try:
        return read_json(body or b"null")
    except ValueError:
        return None


def _said(body: bytes) -> str:
    content = _json(body)
    return (
        str(content.get("msg", content)) if isinstance(content, dict) else body[:200].decode(errors="replace")
    )
