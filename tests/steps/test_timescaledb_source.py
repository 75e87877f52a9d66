"""The steps from a real TimescaleDB to PostgreSQL 18: saved, made, carried, compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.data.backup_world import program, run_sql, value
from tests.steps.support import context
from tests.support.timescaledb import make_field_schema
from wsdash.config import load_settings
from wsdash.data.pg.connect import Endpoint
from wsdash.model import AnyEvent, Notice
from wsdash.model.facts import MANIFEST
from wsdash.steps.base import StepContext
from wsdash.steps.database.backup import Backup
from wsdash.steps.database.migrate import MigrateData
from wsdash.steps.database.schema import InitNeon
from wsdash.steps.database.verify import VerifyData

pytestmark = pytest.mark.timescaledb

MD5 = """
SELECT md5(string_agg(line, '' ORDER BY line COLLATE "C")) FROM (
  SELECT 'item ' || md5(row(id, title, description, category, priority, status, tags, created_at, updated_at,
                            created_by, updated_by, metadata)::text) FROM workspace.workspace_items
  UNION ALL
  SELECT 'audit ' || md5(row(id, changed_at, item_id, action, old_values, new_values, changed_by)::text)
  FROM workspace.workspace_audit_log
  UNION ALL
  SELECT 'day ' || md5(row(day, category, items, latest)::text) FROM workspace.items_per_day) lines (line)
"""
"""Made by the servers, and by nothing of ours."""


def settings_of(side: Any, endpoint: Endpoint, **changes: Any) -> Any:
    """One side's settings with that address."""
    address = {name: getattr(endpoint, name) for name in ("host", "port", "database", "user", "password_env")}
    return msgspec.structs.replace(side, **address, schema_file="", mapping="", **changes)


@dataclass
class Run:
    """A run's context and what it emitted."""

    ctx: StepContext
    emitted: list[AnyEvent]

    @property
    def notices(self) -> str:
        return "\n".join(event.text for event in self.emitted if isinstance(event, Notice))


def run_of(tmp_path: Path, source: Endpoint, target: Endpoint) -> Run:
    """A run from one server to the other."""
    usual = load_settings()
    ctx, emitted = context(
        tmp_path,
        source=settings_of(usual.source, source),
        target=settings_of(usual.target, target),
        paths=msgspec.structs.replace(usual.paths, backups=str(tmp_path / "backups")),
        api=msgspec.structs.replace(usual.api, old="http://127.0.0.1:9", new="http://127.0.0.1:9"),
    )
    return Run(ctx, emitted)


async def test_the_plan_holds_from_a_real_timescaledb(
    timescale: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_field_schema(timescale, items=1000)
    run = run_of(tmp_path, timescale, target)
    before = await Backup().check(run.ctx)
    assert "retention" in before.text
    assert "next at" in before.text
    for step in (Backup(), InitNeon(), MigrateData()):
        assert not (await step.check(run.ctx)).holds
        await step.act(run.ctx)
        found = await step.check(run.ctx)
        assert found.holds, found.text
        if not isinstance(step, InitNeon):
            assert "locked against maintenance" in found.text
    found = await VerifyData().check(run.ctx)
    assert found.holds, found.text
    assert await value(target, MD5) == await value(timescale, MD5)

    manifest = run.ctx.facts.get(MANIFEST)
    assert manifest is not None
    file = Path(manifest.removesuffix(".manifest.json") + ".sql")
    other = "restored"
    await run_sql(target, f"CREATE DATABASE {other}")
    restored = replace(target, database=other)
    try:
        done = await program(18, "psql", restored, "-X", "-f", str(file))
        assert done.returncode == 0, done.stderr
        assert await value(restored, MD5) == await value(timescale, MD5)
    finally:
        await run_sql(target, f"DROP DATABASE {other}")

    # one microsecond inside a compressed chunk
    await run_sql(
        timescale,
        "SET session_replication_role = replica; UPDATE workspace.workspace_items "
        "SET updated_at = updated_at + interval '1 microsecond' "
        "WHERE id = md5('item7')::uuid AND created_at < '2025-06-01'",
    )
    found = await VerifyData().check(run.ctx)
    assert not found.holds
    assert "workspace.workspace_items" in found.text
    assert "updated_at" in found.text
