"""Item ports-free: nobody else holds a port that the new stack needs."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from wsdash.config import Settings
from wsdash.errors import RefusedError
from wsdash.model import PortReading, StepId
from wsdash.model.ports import port_plan
from wsdash.stack.base import Stack
from wsdash.steps.base import Evidence, StepContext
from wsdash.watch.pollers.ports import port_holders


class PortsFree:
    """Verify ports 5433, 6400, 9898, 5454, 7676 are available."""

    id: str = StepId.PORTS_FREE

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when each port is free, or held by the new stack itself.

        Insufficient when the engine is another machine's, which does not tell who listens there.
        """
        if not ctx.settings.ports:
            text = "no port is named (key ports in wsdash.yaml): nothing was looked at"
            return Evidence(False, text, insufficient=True, remedy="name the new stack's ports, or skip this")
        taken, ours, unseen = await _holders(ctx)
        ports = ", ".join(str(port) for port in ctx.settings.ports)
        if taken:
            return Evidence(False, "taken: " + "; ".join(taken))
        if unseen:
            return Evidence(False, unseen, insufficient=True)
        if ours:
            return Evidence(True, f"{ports}: free, or held by the new stack itself ({', '.join(ours)})")
        return Evidence(True, f"{ports}: nobody listens")

    async def act(self, ctx: StepContext) -> None:
        """Ports of others are not wsdash's to free. Raises RefusedError naming each holder."""
        taken, _, _ = await _holders(ctx)
        if taken:
            raise RefusedError(
                "ports that the new stack needs are taken: " + "; ".join(taken),
                where="this machine",
                remedy="stop the holders named here, or change the ports in wsdash.yaml and the compose file",
            )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Nothing was taken."""
        return None


async def _holders(ctx: StepContext) -> tuple[list[str], list[str], str]:
    found = await stack_ports(ctx.settings, ctx.stack)
    for reading in found.readings:
        ctx.emit(reading)
    return found.taken, found.ours, found.unseen


@dataclass(frozen=True)
class StackPorts:
    """taken, ours: what others and what the new stack holds, as 'port by holder'. unseen: what could not be
    seen from here, or ''."""

    readings: list[PortReading]
    taken: list[str]
    ours: list[str]
    unseen: str


async def stack_ports(settings: Settings, stack: Stack) -> StackPorts:
    """Who holds the new stack's ports on the machine whose engine publishes them; UnreachableError."""
    plan = await port_plan(stack)
    publishers = await stack.publishers()
    workspace = settings.stack.workspace.containers
    readings = []
    taken, ours, seen = [], [], set()
    for reading in await port_holders(settings.ports, publishers, plan):
        mine = publishers.get(reading.port) in workspace
        seen.add(reading.port)
        readings.append(msgspec.structs.replace(reading, ours=mine))
        if not reading.holder:
            continue
        if mine:
            ours.append(f"{reading.port} by {publishers[reading.port]}")
        else:
            taken.append(f"{reading.port} by {reading.holder}")
    unseen = ", ".join(str(port) for port in settings.ports if port not in seen)
    if unseen:
        unseen += f": no container publishes them at {plan.engine}, and which other programs of that machine"
        unseen += " listen cannot be seen from here; look with ss -ltn there, then skip this item"
    return StackPorts(readings, taken, ours, unseen)
