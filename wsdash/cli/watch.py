"""`wsdash watch`: the engine in the foreground, recording; it runs no item until a screen asks for it."""

from __future__ import annotations

import argparse
import asyncio

from wsdash.cli.demo_engine import under_way
from wsdash.cli.headless import printer
from wsdash.cli.places import config_of, own_state
from wsdash.cli.printing import say
from wsdash.engine.ending import INTERRUPTED
from wsdash.engine.options import MetricsAddress
from wsdash.engine.process import EngineOptions, serve
from wsdash.errors import InputError
from wsdash.history.store import FILE

DEFAULT_HOST = "127.0.0.1"


def watch(arguments: argparse.Namespace) -> int:
    """`wsdash watch`. 0 when it was asked to stop; 3 when an engine works on this state already."""
    state = own_state(arguments)
    port, host = arguments.metrics_port, arguments.metrics_host
    if port is None and host != DEFAULT_HOST:
        raise InputError(
            "--metrics-host does nothing without a port", where="--metrics-host", remedy="add --metrics-port"
        )
    metrics = MetricsAddress(port, host) if port is not None else None
    options = EngineOptions(
        state=state,
        config=config_of(arguments, state),
        on_event=printer(),
        take_over=arguments.take_over,
        metrics=metrics,
        source=under_way(state),
    )
    say(f"recording into {state / FILE}; look with `wsdash monitor --state {state}`")
    code = asyncio.run(serve(options))
    return 0 if code == INTERRUPTED else code  # to be stopped is how a recording ends
