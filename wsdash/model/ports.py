"""Where the ports of the new stack will be, and whether two addresses collide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

_EVERY_ADDRESS = frozenset({"", "*", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True)
class PortPlan:
    """What is known of the machine that publishes the new stack's ports.

    here: it is this machine. engine: its engine's address, for messages. addresses: port -> the addresses of
    that machine it will be published on; a port that is missing may be published on any. listening: the ports
    that programs of the other machine listen on, None when that cannot be seen from here.
    """

    here: bool = True
    engine: str = ""
    addresses: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    listening: frozenset[int] | None = None


@runtime_checkable
class PlansPorts(Protocol):
    """A stack that knows where its ports will be."""

    async def port_plan(self) -> PortPlan:
        """Where the new stack's ports will be. Raises UnreachableError."""
        ...


async def port_plan(stack: object) -> PortPlan:
    """The stack's plan; of a stack that has none: this machine, on any address. Raises UnreachableError."""
    return await stack.port_plan() if isinstance(stack, PlansPorts) else PortPlan()


def in_the_way(held: str, wanted: Iterable[str]) -> bool:
    """Who listens on address `held` keeps the port from being opened on one of `wanted` (none: any address).

    0.0.0.0 and :: are every address: nothing else can be opened beside them, nor they beside anything.
    """
    plain = held.removeprefix("::ffff:")
    addresses = {address.removeprefix("::ffff:") for address in wanted}
    return not addresses or plain in _EVERY_ADDRESS or plain in addresses or bool(addresses & _EVERY_ADDRESS)
