"""Services outside Docker, started and stopped by commands."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wsdash.config import AppsSettings, ExternalService, StackSettings, WorkspaceSettings
from wsdash.stack.external import ExternalStack


async def test_a_stop_that_hands_its_port_on_waits_for_the_service_and_not_for_the_port(
    tmp_path: Path,
) -> None:
    runs, ended = tmp_path / "runs", tmp_path / "ended"
    runs.touch()
    heir = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    old = ExternalService(
        stop=("sh", "-c", f"(sleep 0.7; touch {ended}; rm {runs}) >/dev/null 2>&1 &"),
        status=("sh", "-c", f"test -e {runs} || exit 3"),
        health=f"tcp://127.0.0.1:{heir.sockets[0].getsockname()[1]}",
    )
    apps, workspace = AppsSettings("", "old", ("old",)), WorkspaceSettings("", ())
    stack = ExternalStack(StackSettings("external", apps, workspace, "", {"old": old}))
    async with heir:
        await stack.stop(["old"], lambda line: None, handed_on=True)
        assert ended.exists()
        assert [reading.state for reading in await stack.readings()] == ["exited"]
