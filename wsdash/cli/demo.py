"""`wsdash demo`: the embedded world, with or without a screen."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from wsdash.cli.headless import offline_only, printer, run_engine
from wsdash.cli.places import make
from wsdash.engine.process import EngineOptions
from wsdash.model import SetupProgress

SERVERS = ("source", "target", "pageserver", "safekeeper")
"""The world's servers: their data goes with a temporary world."""

Prepare = Callable[[Callable[[SetupProgress], None]], Awaitable[Path]]


def demo(arguments: argparse.Namespace) -> int:
    """`wsdash demo`."""
    offline_only(arguments.mode)
    temporary = arguments.state is None
    state = make(Path(tempfile.mkdtemp(prefix="wsdash-demo-")) if temporary else arguments.state.absolute())
    if not arguments.headless:
        from wsdash.cli.screen import demo_screen

        return demo_screen(arguments, state)
    if not arguments.auto:
        print("wsdash: --headless runs the whole plan (as with --auto)", flush=True)
    code = run_engine(engine_options(arguments, state, headless=True), arguments.report)
    if temporary and code == 0 and not arguments.keep:
        for name in SERVERS:
            shutil.rmtree(state / "world" / name, ignore_errors=True)
        print(f"The journal, the backup and the logs stay in {state}", flush=True)
    else:
        print(f"state: {state}", flush=True)
    return code


def engine_options(arguments: argparse.Namespace, state: Path, *, headless: bool) -> EngineOptions:
    """How the engine runs on the embedded world of this state directory."""
    world = state / "world"

    async def prepare(progress: Callable[[SetupProgress], None]) -> Path:
        # importing takes a while, and the engine's heartbeat must not wait for it
        demo_world = await asyncio.to_thread(importlib.import_module, "wsdash.demo.world")
        options = demo_world.WorldOptions(
            items=arguments.items,
            seed=arguments.seed,
            writes_per_second=arguments.writes_per_second,
            port_offset=arguments.port_offset,
            keep=arguments.keep,
        )
        config: Path = await demo_world.build_world(world, options, progress)
        return config

    async def teardown() -> None:
        from wsdash.demo.world import remove_world

        if not arguments.keep:
            await remove_world(world)

    return EngineOptions(
        state=state,
        mode=arguments.mode,
        auto=arguments.auto or headless,
        yes=arguments.yes or headless,
        force=arguments.force,
        phrase="OVERWRITE" if arguments.force else "",
        exit_when_done=headless,
        on_event=printer() if headless else None,
        prepare=prepare,
        teardown=teardown,
    )
