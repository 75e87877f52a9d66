"""Item update-dashboards: done when what the files name answers; wsdash's own page may be served later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.steps.support import context
from tests.support.servers import free_port
from tests.watch.support import answer, http_server
from wsdash.config import ApiSettings, EndpointSettings, MetricsSettings
from wsdash.errors import WsdashError
from wsdash.steps.base import StepContext
from wsdash.steps.publishing import UpdateDashboards

STEP = UpdateDashboards()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StepContext]:
    """The stack answers, wsdash itself does not."""
    async with AsyncExitStack() as stack:
        routes = {"/metrics": answer(), "/": answer()}
        servers = [http_server(free_port(), routes) for _ in range(3)]
        api, pages, safes = [await stack.enter_async_context(server) for server in servers]
        sections: dict[str, Any] = {
            "api": ApiSettings("http://localhost:1", api, api + "/"),
            "endpoints": EndpointSettings("localhost:1", pages, "localhost:1", safes),
            "metrics": MetricsSettings(f"http://127.0.0.1:{free_port()}"),
        }
        yield context(tmp_path, **sections)[0]


async def test_the_files_name_wsdash_itself_whether_or_not_it_is_scraped_yet(world: StepContext) -> None:
    await STEP.act(world)
    config = yaml.safe_load((world.state / "monitoring" / "prometheus-scrape.yml").read_text())
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    assert jobs == ["workspace-api", "pageserver", "safekeeper", "wsdash"]
    later = await STEP.check(world)
    assert later.holds
    assert f"wsdash itself is not scraped yet: {world.settings.metrics.url}/metrics" in later.text
    assert "`wsdash watch --metrics-port` serves it" in later.text
    port = int(world.settings.metrics.url.rpartition(":")[2])
    async with http_server(port, {"/metrics": answer()}):
        now = await STEP.check(world)
    assert now.holds
    assert now.text.endswith(f"; wsdash itself answers: {world.settings.metrics.url}/metrics")


async def test_a_service_of_the_stack_that_does_not_answer_is_named(world: StepContext) -> None:
    nodes = msgspec.structs.replace(
        world.settings.endpoints, pageserver_http=f"http://127.0.0.1:{free_port()}"
    )
    object.__setattr__(world, "settings", msgspec.structs.replace(world.settings, endpoints=nodes))
    with pytest.raises(WsdashError, match="does not answer") as told:
        await STEP.act(world)
    assert nodes.pageserver_http in told.value.what
    seen = await STEP.check(world)
    assert not seen.holds
    assert world.settings.metrics.url not in seen.text
