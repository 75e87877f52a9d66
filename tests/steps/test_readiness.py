"""Health that needed the tables is required once they exist: test-api waits for it, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.steps.support import NoContainers, context
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading
from wsdash.model.facts import API_TESTED
from wsdash.steps.base import StepContext
from wsdash.steps.services.readiness import require_healthy, unhealthy
from wsdash.steps.trials.api import TestApi

API = "workspace-api"
ILL = ContainerReading(API, "running", "unhealthy", detail="the pool is exhausted")
WELL = ContainerReading(API, "running", "healthy")


class StandinReadings(NoContainers):
    """A container with these readings, one after the other; compared with DockerStack.readings."""

    def __init__(self, *readings: ContainerReading) -> None:
        self.left = list(readings)

    async def readings(self) -> list[ContainerReading]:
        return [self.left.pop(0) if len(self.left) > 1 else self.left[0]]


def with_readings(state: Path, *readings: ContainerReading) -> StepContext:
    ctx, _ = context(state)
    object.__setattr__(ctx, "stack", StandinReadings(*readings))
    return ctx


async def test_one_that_gets_well_after_the_tables_is_waited_for(tmp_path: Path) -> None:
    starting = ContainerReading(API, "running", "starting")
    ctx = with_readings(tmp_path, ILL, starting, WELL)
    await require_healthy(ctx)
    assert await unhealthy(ctx) == ""


async def test_one_that_never_is_healthy_is_described_with_its_checks_words(tmp_path: Path) -> None:
    with pytest.raises(WsdashError) as failure:
        await require_healthy(with_readings(tmp_path, ILL), 0)
    assert failure.value.what == (
        "workspace-api is not healthy (unhealthy); its health check says: the pool is exhausted"
    )


async def test_the_new_service_is_not_opened_for_writes_before_it_is_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.steps.trials.api.API_READY_SECONDS", 0.0)
    ctx = with_readings(tmp_path, ILL)
    with pytest.raises(WsdashError, match="the pool is exhausted"):
        await TestApi().act(ctx)
    assert ctx.facts.get(API_TESTED) is None


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (ContainerReading(API, "running", "none"), ""),
        (ContainerReading(API, "unknown", "unknown"), ""),
        (ContainerReading("workspace-db-compute", "running", "unhealthy"), ""),
        (ContainerReading(API, "running", "unknown"), "workspace-api is not healthy (unknown)"),
    ],
)
async def test_what_has_no_health_check_is_not_asked_for_one_and_no_answer_is_not_health(
    reading: ContainerReading, said: str, tmp_path: Path
) -> None:
    assert await unhealthy(with_readings(tmp_path, reading)) == said
