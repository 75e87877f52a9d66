"""The hidden `wsdash engine`: what a screen starts, detached."""

from __future__ import annotations

import argparse
import asyncio

from wsdash.cli.demo_engine import engine_options, under_way
from wsdash.cli.places import config_of, own_state
from wsdash.demo.world.scratch_server import scratch_server
from wsdash.engine.process import EngineOptions, serve


def engine(arguments: argparse.Namespace) -> int:
    """Run the engine until it is asked to stop."""
    state = own_state(arguments)
    if arguments.demo:
        return asyncio.run(serve(engine_options(arguments, state, headless=False)))
    options = EngineOptions(
        state=state,
        config=config_of(arguments, state),
        mode=arguments.mode or "",
        auto=arguments.auto,
        yes=arguments.yes,
        force=arguments.force,
        phrase="OVERWRITE" if arguments.force else "",
        take_over=arguments.take_over,
        source=under_way(state),
        scratch_server=scratch_server,
    )
    return asyncio.run(serve(options))
