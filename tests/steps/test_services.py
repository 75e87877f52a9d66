"""Absence proves nothing: what a service that was not found, or an address that never answered, is worth."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.steps.support import NoContainers, context
from tests.support.servers import free_port
from wsdash.config import ApiSettings, load_settings
from wsdash.model import ContainerReading
from wsdash.model.facts import ANSWERED
from wsdash.steps.base import StepContext
from wsdash.steps.services.readiness import PortsFree
from wsdash.steps.services.stop_and_start import StartStack, StopOld, stack_evidence

OLD, API = "apps-workspace", "workspace-api"


class StandinStack(NoContainers):
    """Containers as they are said to be; compared with DockerStack.readings, which gives the same shape."""

    def __init__(self, **states: tuple[str, str]) -> None:
        self.states = states

    async def readings(self) -> list[ContainerReading]:
        return [
            ContainerReading(name=name.replace("_", "-"), state=state, health=health)
            for name, (state, health) in self.states.items()
        ]


def _context(state: Path, stack: StandinStack, old: str, new: str = "http://127.0.0.1:9") -> StepContext:
    ctx, _ = context(state, api=ApiSettings(old, new))
    object.__setattr__(ctx, "stack", stack)
    return ctx


@pytest.fixture
def nobody() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
async def somebody() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"status": "unhealthy"}, status=503)

    application = web.Application()
    application.router.add_route("*", "/{any:.*}", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    "states", [{}, {"apps_workspace": ("missing", "unknown")}, {"apps_workspace": ("unknown", "")}]
)
async def test_an_old_service_that_was_not_found_is_not_a_stopped_one(
    states: dict[str, tuple[str, str]], nobody: str, tmp_path: Path
) -> None:
    evidence = await StopOld().check(_context(tmp_path, StandinStack(**states), nobody))
    assert (evidence.holds, evidence.insufficient) == (False, True)
    assert "nothing shows that it does not run" in evidence.text
    assert "stack.apps.old_service" in evidence.remedy


async def test_a_stopped_service_whose_address_refuses_is_stopped(nobody: str, tmp_path: Path) -> None:
    stack = StandinStack(apps_workspace=("exited", "none"))
    assert (await StopOld().check(_context(tmp_path, stack, nobody))).holds


async def test_an_address_that_is_not_known_counts_only_where_it_answered_before(tmp_path: Path) -> None:
    ctx = _context(tmp_path, StandinStack(apps_workspace=("exited", "none")), "http://nowhere.invalid:1")
    evidence = await StopOld().check(ctx)
    assert (evidence.holds, evidence.insufficient) == (False, True)
    assert "api.old" in evidence.remedy
    await ctx.facts.put(ANSWERED, "http://nowhere.invalid:1")
    assert (await StopOld().check(ctx)).holds


async def test_a_stopped_service_whose_address_answers_has_a_writer_left(
    somebody: str, tmp_path: Path
) -> None:
    stack = StandinStack(apps_workspace=("exited", "none"))
    evidence = await StopOld().check(_context(tmp_path, stack, somebody))
    assert (evidence.holds, evidence.insufficient) == (False, False)
    assert evidence.text.endswith("answers")


WELL = {
    "workspace_db_pageserver": ("running", "healthy"),
    "workspace_db_safekeeper": ("running", "healthy"),
    "workspace_db_compute": ("running", "healthy"),
}


async def test_an_api_that_waits_for_its_tables_holds_the_stack_up_no_longer(
    nobody: str, tmp_path: Path
) -> None:
    ctx = _context(tmp_path, StandinStack(**WELL, workspace_api=("running", "unhealthy")), nobody)
    evidence = await StartStack().check(ctx)
    assert evidence.holds
    assert "workspace-api is not ready yet" in evidence.text
    assert "init-neon waits for it" in evidence.text
    assert not (await stack_evidence(ctx)).holds  # the testing checklist still wants it healthy


@pytest.mark.parametrize("lacking", ["workspace_db_compute", "workspace_api"])
async def test_what_was_not_started_is_not_excused(lacking: str, nobody: str, tmp_path: Path) -> None:
    states = WELL | {"workspace_api": ("running", "healthy")} | {lacking: ("missing", "unknown")}
    assert not (await StartStack().check(_context(tmp_path, StandinStack(**states), nobody))).holds


async def test_a_check_of_nothing_is_no_success(tmp_path: Path, nobody: str) -> None:
    settings = load_settings()
    workspace = msgspec.structs.replace(settings.stack.workspace, containers=())
    empty: dict[str, Any] = {
        "stack": msgspec.structs.replace(settings.stack, workspace=workspace),
        "ports": (),
    }
    ctx, _ = context(tmp_path, **empty)
    steps: list[Callable[[StepContext], Any]] = [StartStack().check, PortsFree().check]
    for check in steps:
        evidence = await check(ctx)
        assert (evidence.holds, evidence.insufficient) == (False, True)
