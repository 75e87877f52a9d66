"""`wsdash schema` and the steps on a real case: the same objects everywhere, exit codes, nothing left."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.data.copying import fetch, run_sql
from tests.data.mapping_world import MAPPING, SOURCE, TARGET
from tests.steps.support import context
from tests.support.servers import PASSWORD_ENV, free_port
from wsdash.cli import main
from wsdash.config import load_settings, shipped
from wsdash.data.copy.manifest import finish_range
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import InputError
from wsdash.model import SchemaCompared, TableVerified
from wsdash.steps.base import DRY_RUN
from wsdash.steps.database.migrate import MigrateData
from wsdash.steps.database.schema import InitNeon
from wsdash.steps.database.scope import panel_objects, preflight
from wsdash.steps.database.verify import VerifyData

TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('workspace')"


@pytest.fixture
def config(tmp_path: Path, source: Endpoint, target: Endpoint) -> Path:
    """A configuration of the two databases, with the example's schema file and mapping beside it."""
    directory = tmp_path / "config"
    directory.mkdir()
    settings = yaml.safe_load(shipped("config", "wsdash.yaml").read_text())
    for key, side in (("source", source), ("target", target)):
        settings[key] |= {
            "host": side.host, "port": side.port, "database": side.database, "user": side.user,
            "password_env": PASSWORD_ENV,
        }  # fmt: skip
    settings["target"] |= {"schema_file": TARGET.name, "mapping": MAPPING.name}
    settings["paths"]["backups"] = str(tmp_path / "backups")
    write(directory, settings)
    for file in (TARGET, MAPPING, shipped("config", "plan.yaml")):
        shutil.copy(file, directory / file.name)
    return directory


def write(directory: Path, settings: dict[str, Any]) -> None:
    (directory / "wsdash.yaml").write_text(yaml.safe_dump(settings))


def change(directory: Path, **changes: Any) -> None:
    """Change keys of the target's section."""
    settings = yaml.safe_load((directory / "wsdash.yaml").read_text())
    settings["target"] |= changes
    write(directory, settings)


async def wsdash(config: Path, *words: str) -> int:
    """A command, run as its users do."""
    state = config.parent / "state"
    state.mkdir(exist_ok=True)
    return await asyncio.to_thread(main, [*words, "--config", str(config), "--state", str(state)])


async def test_before_anything_is_made_every_object_is_told_and_the_target_stays_empty(
    config: Path, source: Endpoint, target: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_sql(source, SOURCE)
    assert await wsdash(config, "schema", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mapping"] == str(config / MAPPING.name)
    assert told["blocks"] == 0
    assert told["target"]["reached"]
    assert told["target"]["schema_file_rehearsed"]
    objects = {(one["kind"], one["name"]): one for one in told["objects"]}
    assert told["counts"]["adapted"] == sum(1 for one in told["objects"] if one["fate"] == "adapted")
    items = objects["table", "workspace.workspace_items"]
    assert (items["fate"], "tables.workspace_items" in items["detail"]) == ("adapted", True)
    new_id = objects["column", "workspace.workspace_items.id"]
    assert new_id["detail"] == "integer: a new integer for each id"
    assert "coalesce" in objects["column", "workspace.workspace_items.description"]["detail"]
    assert objects["table", "workspace.schema_version"]["fate"] == "not-carried"
    assert "a count of its own" in objects["table", "workspace.schema_version"]["detail"]
    assert objects["trigger", "workspace.workspace_items.items_touch"]["fate"] == "not-carried"
    assert objects["key map", "wsdash.key_map_workspace_items"]["fate"] == "created"
    assert (await fetch(target, TABLES))[0][0] in (None, 0)
    assert await wsdash(config, "schema") == 0
    assert "nothing blocks" in capsys.readouterr().out


async def test_what_blocks_is_exit_code_1(
    config: Path, source: Endpoint, target: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_sql(source, SOURCE)
    await run_sql(target, "CREATE SCHEMA workspace", "CREATE TABLE workspace.schema_version (version text)")
    change(config, mapping="", schema_file="")
    assert await wsdash(config, "schema") == 1
    out = capsys.readouterr().out
    assert "✗ blocks" in out
    assert "alter its type in the target to integer" in out


async def test_a_mapping_that_does_not_fit_is_exit_code_2_and_leaves_nothing(
    config: Path, source: Endpoint, target: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_sql(source, SOURCE)
    mapping = config / MAPPING.name
    mapping.write_text(mapping.read_text().replace("coalesce(description, '')", "description"))
    for command in (("schema",), ("schema", "--json"), ("migrate", "--yes"), ("migrate", "--dry-run")):
        assert await wsdash(config, *command) == 2
        told = capsys.readouterr().err
        assert "134 rows give null for description" in told
        assert f"{mapping}, key tables.workspace_items.columns.description" in told
        assert "coalesce" in told
    assert (await fetch(target, "SELECT to_regnamespace('workspace')"))[0][0] is None
    ctx, _ = context(config, **sections(config))
    with pytest.raises(InputError):
        await InitNeon().act(ctx)
    assert (await fetch(target, "SELECT to_regnamespace('workspace')"))[0][0] is None


async def test_a_side_that_cannot_be_reached_is_exit_code_2(
    config: Path, source: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_sql(source, SOURCE)
    change(config, port=free_port())
    assert await wsdash(config, "schema", "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert not told["target"]["reached"]
    assert {one["name"] for one in told["objects"] if (one["kind"], one["fate"]) == ("table", "created")} == {
        "workspace.workspace_items", "workspace.workspace_categories", "workspace.workspace_audit_log",
    }  # fmt: skip
    await preflight(load_settings(config))
    mapping = config / MAPPING.name
    mapping.write_text(mapping.read_text().replace("coalesce(description", "coalesce(descripion"))
    with pytest.raises(InputError, match="descripion"):
        await preflight(load_settings(config))
    line = (await panel_objects(load_settings(config)))[0]
    assert (line.kind, line.fate) == ("mapping", "blocks")
    assert "descripion" in line.detail


def sections(config: Path) -> dict[str, Any]:
    """The settings' sections that a step reads."""
    settings = msgspec.structs.asdict(load_settings(config))
    return {name: settings[name] for name in ("source", "target", "paths", "copy", "directory")}


class Killed(Exception):
    """The end of the process that copied."""


@contextmanager
def killed_at_range(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The copy ends with its n-th range, before that range is written down."""
    written = itertools.count(1)

    async def broken(*arguments: Any) -> None:
        if next(written) == number:
            raise Killed
        await finish_range(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("wsdash.data.copy.load.finish_range", broken)
        with pytest.raises(Killed):
            yield


async def test_the_steps_carry_the_real_case_killed_in_the_middle_and_resumed(
    config: Path, source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, SOURCE)
    ctx, emitted = context(config, **sections(config))
    init, migrate, verify = InitNeon(), MigrateData(), VerifyData()
    assert not (await init.check(ctx)).holds
    await init.act(ctx)
    assert (await init.check(ctx)).holds
    compared = [event for event in emitted if isinstance(event, SchemaCompared)][-1]
    assert not [one for one in compared.objects if one.fate == "blocks"]
    assert not (await migrate.check(ctx)).holds

    with killed_at_range(3, monkeypatch):
        await migrate.act(ctx)
    assert not (await migrate.check(ctx)).holds
    pairs = "SELECT old_id, new_id FROM wsdash.key_map_workspace_items ORDER BY new_id"
    before = [tuple(row) for row in await fetch(target, pairs)]
    assert [new for _, new in before] == list(range(1, 401))
    # an older item arrives between the runs: it gets the next key, and nobody else's changes
    await run_sql(
        source,
        "INSERT INTO workspace.workspace_items (title, category, created_at) "
        "VALUES ('late', 'dashboard', '2025-01-01')",
    )
    await migrate.act(ctx)
    after = [tuple(row) for row in await fetch(target, pairs)]
    assert after[:400] == before
    assert [new for _, new in after[400:]] == [401]
    state = await migrate.check(ctx)
    assert state.holds, state.text
    proof = await verify.check(ctx)
    assert proof.holds, proof.text
    tables = {event.name for event in emitted if isinstance(event, TableVerified)}
    assert tables == {f"workspace.workspace_{name}" for name in ("items", "categories", "audit_log")}
    stamps = "SELECT max(updated_at) FROM workspace.workspace_items WHERE title <> 'late'"
    assert (await fetch(target, stamps))[0][0] == (await fetch(source, stamps))[0][0]
    await run_sql(target, "UPDATE workspace.workspace_items SET title = 'changed' WHERE id = 400")
    undone = await migrate.undo(ctx)
    assert undone is not None
    assert "kept in" in undone.text


async def test_what_the_targets_server_refuses_blocks_before_anything_is_stopped(
    config: Path, source: Endpoint, target: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    change(config, schema_file="", mapping="")
    # PostgreSQL 17 took this column out of pg_stat_bgwriter
    sql = "CREATE SCHEMA workspace; CREATE TABLE workspace.t (id integer PRIMARY KEY);"
    sql += "CREATE VIEW workspace.v AS SELECT checkpoints_timed FROM pg_stat_bgwriter"
    await run_sql(source, sql)
    assert await wsdash(config, "schema", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    (blocking,) = [one for one in found["objects"] if one["fate"] == "blocks"]
    assert (blocking["kind"], blocking["name"]) == ("view", "workspace.v")
    assert "checkpoints_timed" in blocking["detail"]
    assert (await fetch(target, TABLES))[0][0] == 0
    ctx, _ = context(config, **sections(config))
    dry = await InitNeon().check(replace(ctx, run=DRY_RUN))
    assert not dry.holds
    assert "blocked by view workspace.v" in dry.text


SEEDED = """
CREATE TABLE workspace.settings (name text PRIMARY KEY);
INSERT INTO workspace.settings VALUES ('theme'), ('language');
INSERT INTO workspace.workspace_categories (name, description) VALUES
  ('dashboard', 'from the file'), ('banco-dados', 'from the file');
"""
DESCRIPTIONS = "SELECT count(*) FROM workspace.workspace_categories WHERE description = 'from the file'"


@pytest.mark.parametrize("number", [1, 2])
async def test_seed_rows_of_the_schema_file_are_described_replaced_and_verified(
    config: Path, source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    await run_sql(source, SOURCE)
    with (config / TARGET.name).open("a") as file:
        file.write(SEEDED)

    async def described() -> dict[str, tuple[str, str]]:
        objects = await panel_objects(load_settings(config))
        return {one.name: (one.fate, one.detail) for one in objects if one.kind == "seed rows"}

    ctx, _ = context(config, **sections(config))
    init, migrate, verify = InitNeon(), MigrateData(), VerifyData()
    assert await described() == {}
    await init.act(ctx)
    kept = ("same", "2 rows from the schema file stay: the source has no rows for this table")
    replaced = ("adapted", "2 rows from the schema file are replaced by the source's")
    assert await described() == {
        "workspace.settings": kept,
        "workspace.workspace_categories": replaced,
    }
    with killed_at_range(number, monkeypatch):
        await migrate.act(ctx)
    await migrate.act(ctx)
    assert (await fetch(target, DESCRIPTIONS))[0][0] == 0
    proof = await verify.check(ctx)
    assert proof.holds, proof.text
    assert await described() == {"workspace.settings": kept}
    undone = await migrate.undo(ctx)
    assert undone is not None
    assert "nothing would be lost" in undone.text
    await run_sql(target, "UPDATE workspace.settings SET name = 'colour' WHERE name = 'theme'")
    proof = await verify.check(ctx)
    assert not proof.holds
    assert "workspace.settings: 1 of the 2 rows of the schema file" in proof.text
