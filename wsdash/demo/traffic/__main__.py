"""The traffic as a program."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from wsdash.demo.service import log
from wsdash.demo.traffic.crowd import Traffic


async def _run(chosen: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if chosen.directory is not None:
        await asyncio.to_thread(chosen.directory.mkdir, parents=True, exist_ok=True)
    traffic = Traffic(
        chosen.api,
        chosen.writes_per_second,
        chosen.seed,
        chosen.patience,
        own_addresses=chosen.own_addresses,
        directory=chosen.directory,
    )
    writes, reads = traffic.rates
    log("info", f"{writes:g} writes and {reads:g} reads a second", run=traffic.run)
    stopped = await traffic.run_until(stop)
    log("info" if stopped else "error", "traffic ends", **traffic.counts)
    return 0 if stopped else 1


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM; exit code 0 then, 1 when no address answered for `patience` seconds."""
    parser = argparse.ArgumentParser(prog="python -m wsdash.demo.traffic")
    parser.add_argument("--api", required=True, action="append", help="base URL of the workspace API")
    parser.add_argument("--writes-per-second", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=300.0)
    parser.add_argument("--directory", type=Path, help="where the tally and the ledger are written")
    parser.add_argument("--own-addresses", action="store_true", help="a loopback address for every user")
    chosen = parser.parse_args(argv)
    if chosen.writes_per_second <= 0:
        parser.error("--writes-per-second must be above 0")
    return asyncio.run(_run(chosen))


if __name__ == "__main__":
    sys.exit(main())
