"""Commands that are a process of wsdash's own: `engine`, which a screen starts detached; `watch`; `relay`.

`watch` is the engine in the foreground, recording: it runs no item until a screen asks for it. `relay`
passes the old service's port to the new service.
"""

from __future__ import annotations

import argparse
import asyncio

from wsdash.api.relay import address_of
from wsdash.api.relay import serve as serve_relay
from wsdash.cli.places import config_of, own_state
from wsdash.cli.plain import printer
from wsdash.cli.printing import say
from wsdash.cli.running.demo_engine import engine_options, under_way
from wsdash.demo.world.scratch_server import scratch_server
from wsdash.engine.life import INTERRUPTED
from wsdash.engine.options import MetricsAddress
from wsdash.engine.process import EngineOptions, serve
from wsdash.errors import InputError
from wsdash.history.store import FILE


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


def relay(arguments: argparse.Namespace) -> int:
    """Relay until it is stopped; waits for a port that is still held."""
    addresses = []
    for option, text in (("--listen", arguments.listen), ("--to", arguments.to)):
        try:
            addresses.append(address_of(text))
        except ValueError as error:
            remedy = "give HOST:PORT, as in 127.0.0.1:3201"
            raise InputError(str(error), where=option, remedy=remedy) from error
    try:
        asyncio.run(serve_relay(addresses[0], addresses[1]))
    except OSError as error:
        raise InputError(
            f"the address cannot be listened on: {error.strerror or error}",
            where=f"--listen {arguments.listen}",
            remedy="name an address of this machine, and a port that you may take",
        ) from error
    return 0
