"""After the switch: the testing checklist, the load test, a branch, and Prometheus, on a migrated world."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.program import Program
from tests.support.prometheus import firing, health, hurry, numbers, prometheus, until
from tests.support.prometheus import program as prometheus_program
from tests.support.servers import free_port
from tests.support.world import World
from wsdash.config import MetricsSettings, shipped
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.operator.launch import engine_alive
from wsdash.model.facts import VERIFIED
from wsdash.stack.factory import open_stack
from wsdash.steps.items import PREFIX
from wsdash.steps.serving import ServingSides, look_at_services, look_at_source
from wsdash.watch.monitoring import render_monitoring

pytestmark = pytest.mark.xdist_group("after-migration")


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A migrated world that goes on, shared by the tests of this module."""
    directory = tmp_path_factory.mktemp("after")
    directory.chmod(0o755)
    program = Program(directory / "state")
    done = program.demo("--keep", items=300)
    assert done.returncode == 0, done.stdout + done.stderr
    yield World(program)
    program.sweep()


def _json(world: World, *words: str, code: int) -> Any:
    done = world.program.run(*words, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def read_facts(state: Path) -> dict[str, Any]:
    reader = JournalReader(state)
    try:
        return reader.facts()
    finally:
        reader.close()


def _left(world: World) -> int:
    marked = f"select count(*) from workspace.workspace_items t where t::text like '%{PREFIX}%'"
    return int(world.target(marked))


def test_all_tests_hold_but_the_one_that_wants_a_watched_hour(migrated: World) -> None:
    tests = {row["id"]: row for row in _json(migrated, "test", code=1)["tests"]}
    states = {name: row["state"] for name, row in tests.items()}
    waiting = {"test-kanban": "pending", "test-shutdown": "pending", "test-no-errors": "insufficient"}
    assert states == dict.fromkeys(states, "done") | waiting
    assert "insufficient data" in tests["test-no-errors"]["evidence"]
    assert _left(migrated) == 0
    assert migrated.target("select count(*) from pg_database where datname like 'branch%'") == 0


def test_the_shutdown_is_tried_by_name_and_the_rows_are_there_afterwards(migrated: World) -> None:
    tests = _json(migrated, "test", "--only", "test-shutdown", code=0)["tests"]
    shutdown = next(row for row in tests if row["id"] == "test-shutdown")
    assert "300 items before, 300 after, 300 served" in shutdown["evidence"]
    assert migrated.containers()["workspace-api"].health == "healthy"


def test_tests_are_tried_beside_a_recording_watch_by_its_engine(migrated: World) -> None:
    watching = migrated.program.start("watch")
    try:
        deadline = time.monotonic() + 120
        while engine_alive(migrated.program.state) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        done = migrated.program.run("test", "--only", "test-list", "--only", "test-memory")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "test-list" in done.stdout
        assert watching.poll() is None
        refused = migrated.program.run("decide", "--day", "14", "--go", "--who", "Ana", "--why", "now")
        assert (refused.returncode, "Day 14 has not come yet" in refused.stderr) == (2, True)
        assert watching.poll() is None
    finally:
        watching.send_signal(signal.SIGTERM)
        watching.wait(30)


def test_a_container_is_restarted_by_name_and_the_journal_says_for_whom(migrated: World) -> None:
    def words(action: str, name: str) -> tuple[int, str]:
        done = migrated.program.run("container", action, name, "--who", "Ana")
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    began = migrated.containers()["workspace-api"].started_at
    code, told = words("restart", "workspace-api")
    assert (code, "restart asked for by Ana" in told, "running, healthy (for Ana)" in told) == (0, True, True)
    assert (migrated.containers()["workspace-api"].started_at or 0) > (began or 0)
    code, told = words("restart", "postgres")
    assert (code, "use one of data-timescale" in told) == (2, True)
    code, told = words("start", "apps-workspace")
    assert (code, "wsdash rollback" in told) == (1, True)
    assert migrated.containers()["apps-workspace"].state == "exited"


def test_the_world_itself_says_which_side_serves_and_whether_the_other_was_written_to(
    migrated: World,
) -> None:
    compared = read_facts(migrated.program.state)[VERIFIED]

    def asked() -> list[tuple[bool | None, str]]:
        async def ask() -> list[ServingSides]:
            stack = open_stack(migrated.settings, read_only=True)
            try:
                services = await look_at_services(migrated.settings, stack)
                return [*services, await look_at_source(migrated.settings, compared)]
            finally:
                await stack.close()

        return [(look.holds, look.text) for look in asyncio.run(ask())]

    assert [holds for holds, _ in asked()] == [True, True], asked()
    migrated.source("insert into workspace.workspace_categories (name, display_name) values ('late', 'Late')")
    assert asked()[1] == (False, "changed since then: workspace.workspace_categories")
    migrated.source("delete from workspace.workspace_categories where name = 'late'")
    migrated.start("apps-workspace")
    holds, text = asked()[0]
    assert (holds, "apps-workspace is running" in text) == (False, True)
    migrated.stop("apps-workspace")
    assert [holds for holds, _ in asked()] == [True, True]


def test_the_load_test_compares_with_the_baseline_and_cleans_up(migrated: World) -> None:
    told = _json(migrated, "load-test", code=0)
    kinds = {(one["api"], one["load"]) for one in told["load_test"]}
    assert kinds == {("baseline", "read"), ("new", "read"), ("new", "mixed")}
    assert "the baseline before the migration's p95" in told["evidence"]
    assert (
        "one client only" in told["evidence"]
    )  # the API's limit; tests/steps/test_load.py climbs the ladder
    for one in told["load_test"]:
        assert [rung["clients"] for rung in one["rungs"]] == [1]
        assert all(rung["errors"] == 0 for rung in one["rungs"])
    assert _left(migrated) == 0


def test_a_load_on_another_host_than_was_said_is_refused(migrated: World) -> None:
    done = migrated.program.run("load-test", "--yes-load", "api.example:3200")
    assert done.returncode == 2
    assert "api.example:3200" in done.stderr


def test_an_unknown_test_is_refused_with_the_known_ones(migrated: World) -> None:
    done = migrated.program.run("test", "--only", "test-everything")
    assert done.returncode == 2
    assert "test-branching" in done.stderr


def test_the_report_tells_tests_and_loads(migrated: World) -> None:
    report = _json(migrated, "report", code=0)
    assert {row["group"] for row in report["tests"]} == {"functional", "performance", "neon"}
    assert report["load_test"]
    assert [item["id"] for item in report["items"]][-1] == "go-no-go"


def _expressions_about_wsdash(rendered: Path) -> list[str]:
    panels = json.loads((rendered / "grafana-dashboard.json").read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [expression for expression in found if "wsdash_" in expression or 'job="wsdash"' in expression]


async def test_a_real_prometheus_sees_all_of_wsdash_and_says_when_it_is_gone(
    migrated: World, tmp_path: Path
) -> None:
    prometheus_program()
    port, out = free_port(), tmp_path / "monitoring"
    metrics = MetricsSettings(f"http://127.0.0.1:{port}")
    settings = msgspec.structs.replace(migrated.settings, metrics=metrics)
    await asyncio.to_thread(render_monitoring, settings, shipped("config", "monitoring"), out)
    hurry(out)
    # any disk is fuller than 1 %: an alert is raised, and the panel of raised alerts has something to show
    migrated.program.environment["WSDASH__THRESHOLDS__ALERT_DISK_PERCENT"] = "1"
    watching = await asyncio.to_thread(migrated.program.start, "watch", "--metrics-port", str(port))
    try:
        async with prometheus(out / "prometheus-scrape.yml", tmp_path / "tsdb") as base:
            missing = set(_expressions_about_wsdash(out))
            assert len(missing) > 15

            async def all_up() -> bool:
                seen = await health(base)
                return len(seen) == 4 and set(seen.values()) == {"up"}

            async def all_told() -> bool:
                missing.difference_update([one for one in missing if await numbers(base, one)])
                return not missing

            async def told_gone() -> bool:
                return "WorkspaceWsdashDown" in await firing(base)

            async with asyncio.timeout(90):
                await until(all_up)
            try:
                async with asyncio.timeout(90):
                    await until(all_told)
            except TimeoutError:
                raise AssertionError(f"nothing to see of: {sorted(missing)}") from None
            assert await numbers(base, 'wsdash_run_outcome{outcome="migrated"}') == [1]
            assert not await told_gone()
            watching.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(watching.wait, 30) == 0
            async with asyncio.timeout(90):
                await until(told_gone)
            assert await numbers(base, "wsdash_probe_up") == []
    finally:
        del migrated.program.environment["WSDASH__THRESHOLDS__ALERT_DISK_PERCENT"]
        watching.kill()
        await asyncio.to_thread(watching.wait, 10)
