"""Maintenance that no lock keeps back, at every stage of a backup, a copy and a comparison.

Every call meets a stage and every stage a call; with `WSDASH_THOROUGH=1` every call meets every stage.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.data.backup_world import contents, names, promised, quiet, value
from tests.data.copying import ignore, prepare, request_of
from tests.data.timescaledb.small import SUM, maintain, reader
from wsdash.data.backup import take as backup
from wsdash.data.backup import write as backup_write
from wsdash.data.backup.take import take_backup
from wsdash.data.copy import run as copy
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.restore.run import prove_backup
from wsdash.data.snapshot import chunk_states as states
from wsdash.data.snapshot.hold import Snapshot
from wsdash.data.verify import run as verify
from wsdash.data.verify.run import verify_tables
from wsdash.errors import WsdashError

pytestmark = pytest.mark.timescaledb

HIDES_ROWS = (
    "compress a partial chunk",
    "recompress",
    "recompress by segments",
    "compression policy",
)
WRITES = ("late update", "late insert")


@dataclass(frozen=True)
class Stage:
    """A moment: before or after a function of ours is called for the first time."""

    name: str
    room: Any
    function: str
    after: bool = False


BACKUP = (
    Stage("before the checksums", backup, "_freeze"),
    Stage("between checksums and rows", backup_write, "_write_sections"),
    Stage("after the rows", backup_write, "_write_sections", after=True),
)
COPY = (
    Stage("before the plan", copy, "read_source_side"),
    Stage("before the rows", copy, "_prepare", after=True),
    Stage("after the rows", Snapshot, "require_unmoved"),
)
VERIFY = (
    Stage("before the sums", verify, "_divide"),
    Stage("after the sums", verify, "require_lone_unmoved"),
)


def met(stages: Sequence[Stage], calls: Sequence[str]) -> list[Any]:
    """Which calls are run at which stages, as parameters."""
    pairs = list(product(stages, calls))
    if not os.environ.get("WSDASH_THOROUGH"):
        pairs = [(stages[n % len(stages)], call) for n, call in enumerate(calls)]
    return [pytest.param(stage, call, id=f"{stage.name}-{call}") for stage, call in pairs]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read anew at once."""
    monkeypatch.setattr(states, "RETAKE_SECONDS", 0.0)


def arrange(monkeypatch: pytest.MonkeyPatch, stage: Stage, endpoint: Endpoint, call: str) -> list[bool]:
    """Run the call when the stage is reached for the first time; the list says whether it went through."""
    original: Callable[..., Any] = getattr(stage.room, stage.function)
    seen: list[bool] = []

    async def once() -> None:
        if not seen:
            seen.append(False)
            seen[0] = await maintain(endpoint, call)

    async def wrapped(*arguments: Any, **named: Any) -> Any:
        if not stage.after:
            await once()
        result = await original(*arguments, **named)
        if stage.after:
            await once()
        return result

    monkeypatch.setattr(stage.room, stage.function, wrapped)
    return seen


@pytest.mark.parametrize(("stage", "call"), met(BACKUP, (*HIDES_ROWS, *WRITES)))
async def test_a_backup_is_taken_anew(
    small: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: Stage, call: str
) -> None:
    before = await contents(small, "s")
    seen = arrange(monkeypatch, stage, small, call)
    manifest = await take_backup(reader(small), "s", tmp_path, item="backup", on_progress=quiet)
    assert seen
    # what users write belongs to another snapshot, and is no reason to begin anew
    assert bool(manifest.retakes) == (call in HIDES_ROWS)
    assert promised(manifest) == before
    assert "6 chunks" in manifest.chunks
    proof = await prove_backup(manifest.manifest_path, small, item="backup", on_progress=quiet)
    assert proof.checksums_equal
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize(("stage", "call"), met(COPY, (*HIDES_ROWS, *WRITES)))
async def test_a_copy_is_made_anew(
    small: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch, stage: Stage, call: str
) -> None:
    before = await contents(small, "s")
    catalog = await prepare(small, target)
    heard: list[str] = []
    seen = arrange(monkeypatch, stage, small, call)
    result = await copy_tables(request_of(reader(small), target, catalog), ignore, heard.append)
    assert seen
    assert list(result.retakes) == heard
    assert bool(heard) == (call in HIDES_ROWS)
    assert await contents(target, "s") == before


@pytest.mark.parametrize(("stage", "call"), met(VERIFY, HIDES_ROWS))
async def test_a_comparison_is_made_anew(
    small: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch, stage: Stage, call: str
) -> None:
    catalog = await prepare(small, target)
    await copy_tables(request_of(small, target, catalog), ignore)
    heard: list[str] = []
    seen = arrange(monkeypatch, stage, small, call)
    results = await verify_tables(
        reader(small), target, catalog.tables, on_table=lambda _: None, workers=2, on_retake=heard.append
    )
    assert seen
    assert heard
    assert all(result.match for result in results)


async def test_shared_sessions_compare_anew_too(
    small: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = await prepare(small, target)
    await copy_tables(request_of(small, target, catalog), ignore)
    heard: list[str] = []
    monkeypatch.setattr(verify, "SESSION_BYTES", 1)
    arrange(monkeypatch, VERIFY[0], small, "recompress")
    results = await verify_tables(
        reader(small), target, catalog.tables, on_table=lambda _: None, workers=2, on_retake=heard.append
    )
    assert heard
    assert all(result.match for result in results)


async def test_maintenance_without_end_is_a_refusal_with_the_reason(
    small: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = backup._freeze

    async def freeze(*arguments: Any) -> Any:
        frozen = await original(*arguments)
        assert await maintain(small, "recompress")
        await maintain(small, "late update")
        return frozen

    monkeypatch.setattr(backup, "_freeze", freeze)
    with pytest.raises(states.MovedError, match="recompressed"):
        await take_backup(reader(small), "s", tmp_path, item="backup", on_progress=quiet)
    assert names(tmp_path) == []


async def test_states_that_cannot_be_read_are_no_proof(small: Endpoint, tmp_path: Path) -> None:
    before = await value(small, SUM)
    async with connection(small, read_only=False) as conn:
        await conn.execute("REVOKE SELECT ON _timescaledb_catalog.chunk FROM PUBLIC")
    with pytest.raises(WsdashError, match="states of the chunks cannot be read"):
        await take_backup(reader(small), "s", tmp_path, item="backup", on_progress=quiet)
    # the owner's locks are proof enough
    manifest = await take_backup(small, "s", tmp_path, item="backup", on_progress=quiet)
    assert "locked" in manifest.chunks
    assert await value(small, SUM) == before
