"""Stand-ins for the storage nodes of the new stack, each in a process of its own.

`python -m wsdash.demo.standins.storage pageserver|safekeeper --pg-port P --http-port P --data DIR`
With --compute-port and --admin-password-file a branch becomes a database of that compute.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from aiohttp import web

from wsdash.demo.service import serve
from wsdash.demo.standins.branches import BranchDatabases
from wsdash.demo.standins.pageserver import CHECKPOINT_DISTANCE, pageserver_app
from wsdash.demo.standins.safekeeper import safekeeper_app
from wsdash.demo.standins.shared import listener


def create_app(
    node: str,
    host: str,
    pg_port: int,
    data: Path,
    branches: BranchDatabases | None = None,
    distance: int = CHECKPOINT_DISTANCE,
) -> web.Application:
    """One node's HTTP side, with its PostgreSQL port open as long as it runs."""
    application = pageserver_app(data, branches, distance) if node == "pageserver" else safekeeper_app()
    application.cleanup_ctx.append(listener(host, pg_port, node, data))
    return application


def main(argv: list[str] | None = None) -> None:
    """Run one node until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m wsdash.demo.standins.storage")
    parser.add_argument("node", choices=("pageserver", "safekeeper"))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--pg-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--compute-port", type=int)
    parser.add_argument("--admin-password-file", type=Path)
    parser.add_argument("--checkpoint-distance", type=int, default=CHECKPOINT_DISTANCE)
    chosen = parser.parse_args(argv)
    branches = None
    if chosen.compute_port is not None:
        branches = BranchDatabases(chosen.host, chosen.compute_port, chosen.admin_password_file)
    distance = chosen.checkpoint_distance
    application = create_app(chosen.node, chosen.host, chosen.pg_port, chosen.data, branches, distance)
    asyncio.run(serve(application, chosen.host, chosen.http_port, f"{chosen.node} stand-in"))


if __name__ == "__main__":
    main()
