"""Index builds fit into the memory that the target's container has."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.steps.support import NoContainers, context
from wsdash.data.copy.indexes import within_limit
from wsdash.errors import UnreachableError
from wsdash.model import ContainerReading, Notice
from wsdash.steps.database.migrate import _build_memory

MIB = 2**20


class Limited(NoContainers):
    """The target's container with a memory limit; None: the engine does not answer."""

    def __init__(self, limit: int | None, port: int) -> None:
        self._limit, self._port = limit, port

    async def readings(self) -> list[ContainerReading]:
        if self._limit is None:
            raise UnreachableError("the Docker engine does not answer", where="Docker")
        return [
            ContainerReading("other", "running", "none", memory_limit_bytes=MIB),
            ContainerReading(
                "db", "running", "none", ports=(self._port,), memory_limit_bytes=self._limit or None
            ),
        ]


@pytest.mark.parametrize(
    ("wanted", "limit", "builders", "given"),
    [
        ("256MB", 672 * MIB, 2, "168MB"),
        ("256MB", 672 * MIB, 4, "84MB"),
        ("256MB", 8 * 2**30, 4, "256MB"),
        ("1GB", 1024 * MIB, 1, "512MB"),
        ("262144", 672 * MIB, 2, "168MB"),
        ("64MB", 64 * MIB, 8, "16MB"),
        ("much", 64 * MIB, 8, "much"),
    ],
)
def test_the_builders_together_take_half_the_limit(
    wanted: str, limit: int, builders: int, given: str
) -> None:
    assert within_limit(wanted, limit, builders) == given


@pytest.mark.parametrize(("limit", "given"), [(672 * MIB, "168MB"), (0, "256MB"), (None, "256MB")])
async def test_the_limit_is_the_targets_containers(
    tmp_path: Path, limit: int | None, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx, events = context(tmp_path)
    ctx = dataclasses.replace(ctx, stack=Limited(limit, ctx.settings.target.port))
    monkeypatch.setattr("wsdash.steps.database.migrate.builders_on", lambda target, sessions: 2)
    found = await _build_memory(ctx)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert found == given
    assert bool(told) is (found != "256MB")
