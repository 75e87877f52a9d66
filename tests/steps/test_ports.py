"""Item ports-free: taken, free, ours, and what cannot be seen from here."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from tests.steps.support import NoContainers, context
from tests.support.servers import free_port
from wsdash.model.ports import PortPlan
from wsdash.steps.base import StepContext
from wsdash.steps.services.readiness import PortsFree


class Elsewhere(NoContainers):
    """An engine's stack that publishes `published` and plans as told."""

    def __init__(self, plan: PortPlan, published: dict[int, str]) -> None:
        self._plan = plan
        self._published = published

    async def port_plan(self) -> PortPlan:
        return self._plan

    async def publishers(self) -> dict[int, str]:
        return self._published


def of(tmp_path: Path, plan: PortPlan, published: dict[int, str], *ports: int) -> StepContext:
    ctx, _ = context(tmp_path)
    settings = msgspec.structs.replace(ctx.settings, ports=ports)
    return StepContext(**(vars(ctx) | {"settings": settings, "stack": Elsewhere(plan, published)}))


async def test_a_port_on_another_address_is_not_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        free = await PortsFree().check(of(tmp_path, PortPlan(addresses={port: ("127.0.0.1",)}), {}, port))
        taken = await PortsFree().check(of(tmp_path, PortPlan(), {}, port))
    assert (free.holds, free.text) == (True, f"{port}: nobody listens")
    assert not taken.holds


async def test_what_another_machine_does_not_tell_is_insufficient(tmp_path: Path) -> None:
    port = free_port()
    plan = PortPlan(here=False, engine="tcp://far:2376 (DOCKER_HOST)")
    found = await PortsFree().check(of(tmp_path, plan, {}, port))
    assert (found.holds, found.insufficient) == (False, True)
    assert "tcp://far:2376" in found.text
    other = await PortsFree().check(of(tmp_path, plan, {port: "somebody-db"}, port))
    assert (other.holds, other.insufficient) == (False, False)
    assert "container somebody-db" in other.text
    told = PortPlan(here=False, engine="ssh://far", listening=frozenset({1}))
    assert (await PortsFree().check(of(tmp_path, told, {}, port))).holds


async def test_the_ports_of_the_new_stack_itself_are_free_elsewhere_too(tmp_path: Path) -> None:
    name = context(tmp_path)[0].settings.stack.workspace.containers[0]
    plan = PortPlan(here=False, engine="tcp://far:2376")
    found = await PortsFree().check(of(tmp_path, plan, {5433: name}, 5433))
    assert found.holds
    assert f"5433 by {name}" in found.text
