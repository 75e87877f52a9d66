"""Things going wrong in mid-run: each is told as what, where and what to do, and nothing is lost."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from tests.support.program import Program
from tests.support.world import World

THEIRS = (
    "insert into workspace.workspace_items (title, category, created_by) "
    "values ('theirs', 'dashboard', 'them')"
)


def test_sigterm_leaves_no_process_and_the_run_goes_on_later(program: Program) -> None:
    process = program.start(*program.demo_words(items=5_000))
    program.wait_for_output("✓ stop-old")
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 130, program.output()
    assert program.world_processes() == []
    assert "Traceback" not in program.output()
    again = program.demo(items=5_000)
    assert again.returncode == 0, again.stdout + again.stderr


def test_ctrl_c_leaves_no_process(program: Program) -> None:
    process = program.start(*program.demo_words(items=300))
    program.wait_for_output("✓ backup")
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 130, program.output()
    assert program.world_processes() == []
    assert "Traceback" not in program.output()


def test_a_second_engine_on_the_same_state_exits_3_and_names_the_holder(program: Program) -> None:
    process = program.start(*program.demo_words(items=5_000))
    program.wait_for_output("world: ")
    second = program.demo(items=5_000)
    assert second.returncode == 3
    assert str(process.pid) in second.stderr
    assert "wsdash monitor" in second.stderr
    process.send_signal(signal.SIGTERM)
    process.wait(40)


def test_a_target_with_foreign_rows_stops_the_run_and_keeps_them(world: World) -> None:
    done = world.program.run("migrate", "--yes", "--until", "init-neon")
    assert done.returncode == 0, done.stdout + done.stderr
    world.target(THEIRS)
    stopped = world.program.run("migrate", "--yes")
    assert stopped.returncode == 1
    assert "workspace.workspace_items" in stopped.stdout
    assert "--force" in stopped.stdout
    assert world.target("select count(*) from workspace.workspace_items") == 1


def test_force_writes_over_foreign_rows_and_keeps_a_copy(world: World) -> None:
    world.program.run("migrate", "--yes", "--until", "init-neon")
    world.target(THEIRS)
    done = world.program.run("migrate", "--yes", "--force")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.target("select count(*) from workspace.workspace_items") == 300
    kept = list(Path(world.settings.paths.backups).glob("*target-before-overwrite*.sql"))
    assert len(kept) == 1
    assert "theirs" in kept[0].read_text()


def test_a_stopped_source_is_told_with_its_address(world: World) -> None:
    world.stop("data-timescale")
    done = world.program.run("migrate", "--yes", "--until", "backup")
    assert done.returncode == 1
    assert "✗ backup" in done.stdout
    assert str(world.settings.source.port) in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    world.start("data-timescale")
    again = world.program.run("migrate", "--yes", "--until", "backup")
    assert again.returncode == 0, again.stdout


def test_a_port_in_use_is_told_with_its_holder(world: World) -> None:
    port = world.settings.ports[0]
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        done = world.program.run("migrate", "--yes", "--until", "ports-free")
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("✗ ports-free"))
    assert str(port) in line
    assert "pid" in line


def test_a_difference_found_by_verify_is_listed_by_key_and_fails_the_run(world: World) -> None:
    assert world.program.run("migrate", "--yes", "--until", "migrate-data").returncode == 0
    key = world.target("select id::text from workspace.workspace_items order by id limit 1")
    world.target(f"update workspace.workspace_items set title = 'tampered' where id = '{key}'")
    done = world.program.run("migrate", "--yes")
    assert done.returncode == 1
    assert "✗ verify-data" in done.stdout
    assert key in done.stdout
    assert "tampered" in done.stdout


def test_a_dry_run_changes_nothing(world: World) -> None:
    before = world.source("select count(*) from workspace.workspace_audit_log")
    done = world.program.run("migrate", "--dry-run", "--yes")
    assert "Traceback" not in done.stdout + done.stderr
    assert world.containers()["apps-workspace"].state == "running"
    assert world.containers()["workspace-db-compute"].state != "running"
    assert not list(Path(world.settings.paths.backups).glob("*.sql"))
    assert world.source("select count(*) from workspace.workspace_audit_log") == before


def test_a_backup_directory_that_cannot_be_written_is_told(world: World) -> None:
    world.program.environment["WSDASH__PATHS__BACKUPS"] = "/proc/nowhere"
    done = world.program.run("migrate", "--yes", "--until", "backup")
    assert done.returncode == 1
    assert "(/proc)" in done.stdout
    assert "nowhere" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_source_is_left_as_it_was(world: World) -> None:
    tables = (
        "select string_agg(oid::regclass::text, ',' order by oid) from pg_class where relkind in ('r', 'p')"
    )
    content = "select md5(string_agg(t::text, '' order by t::text)) from workspace.workspace_items t"
    before = world.source(tables), world.source(content)
    assert world.program.run("migrate", "--yes").returncode == 0
    assert (world.source(tables), world.source(content)) == before
    assert world.source("select count(*) from pg_database where datname like 'wsdash%'") == 0
    assert world.source("select count(*) from pg_namespace where nspname like 'wsdash%'") == 0
