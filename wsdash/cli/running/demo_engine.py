"""How the engine runs on the demo's embedded world."""

from __future__ import annotations

import argparse
import asyncio
import importlib
from collections.abc import Callable
from pathlib import Path

from wsdash.cli.places import demo_mode
from wsdash.cli.plain import printer
from wsdash.config import load_settings
from wsdash.demo.world.scratch_server import scratch_server
from wsdash.engine.journal.reader import JournalReader, NotBegunError
from wsdash.engine.process import EngineOptions
from wsdash.engine.source import EventSource
from wsdash.model import Mode, SetupProgress, TrafficJudged
from wsdash.steps.base import endpoint


def under_way(state: Path) -> EventSource | None:
    """The fortnight that an earlier engine began to live here and did not end: whoever takes the run up lives
    the rest of it, for nobody else can read what happens on those days."""
    try:
        reader = JournalReader(state)
    except NotBegunError:
        return None
    try:
        passing, _ = reader.time()
        if passing is None or passing.over:
            return None
        from wsdash.demo.days import FORTNIGHT, ScriptedDays
        from wsdash.demo.days.fortnight import FortnightScript

        begun = FORTNIGHT.of(reader.facts())
    finally:
        reader.close()
    if begun is None:
        return None
    return ScriptedDays(FortnightScript(begun.name, begun.scale, begun.seed))


def engine_options(arguments: argparse.Namespace, state: Path, *, headless: bool) -> EngineOptions:
    """How the engine runs on the embedded world of this state directory."""
    world = state / "world"
    mode = demo_mode(arguments, state)

    async def prepare(progress: Callable[[SetupProgress], None]) -> Path:
        # importing takes a while, and the engine's heartbeat must not wait for it
        demo_world = await asyncio.to_thread(importlib.import_module, "wsdash.demo.world.build")
        options = demo_world.WorldOptions(
            items=arguments.items,
            seed=arguments.seed,
            writes_per_second=arguments.writes_per_second,
            port_offset=arguments.port_offset,
            keep=arguments.keep,
            api=arguments.api,
            online=mode == Mode.ONLINE,
        )
        config: Path = await demo_world.build_world(world, options, progress)
        return config

    async def teardown() -> None:
        from wsdash.demo.world.build import remove_world

        if not arguments.keep:
            await remove_world(world)

    async def judge(side: str, window: tuple[float, float] | None) -> TrafficJudged | None:
        from wsdash.demo.traffic.judge import witness

        settings = await asyncio.to_thread(load_settings, world / "config")
        where = endpoint(settings.source if side == "source" else settings.target)
        return await witness(world, where, side, window)

    source = under_way(state)
    if arguments.fortnight:
        from wsdash.demo.days import ScriptedDays
        from wsdash.demo.days.fortnight import FortnightScript

        seed = 1 if arguments.seed is None else arguments.seed
        script = FortnightScript(arguments.fortnight, arguments.time_scale or 0.0, seed)
        source = ScriptedDays(script)
    return EngineOptions(
        state=state,
        mode=mode,
        auto=arguments.auto or headless,
        yes=arguments.yes or headless,
        force=arguments.force,
        phrase="OVERWRITE" if arguments.force else "",
        exit_when_done=headless,
        witness=judge if headless and mode == Mode.ONLINE else None,
        then_rollback=arguments.then_rollback and headless,
        on_event=printer() if headless else None,
        prepare=prepare,
        teardown=teardown,
        source=source,
        scratch_server=scratch_server,
    )
