"""The two database clusters of the embedded world: made whole or not at all, roles and databases included."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from wsdash.data.pg.quoting import ident, literal
from wsdash.demo.world import postgres
from wsdash.errors import WsdashError

SOURCE_DATABASE, SOURCE_USER = "APPS-WORKSPACE", "timescale"
TARGET_DATABASE, TARGET_USER, TARGET_ADMIN = "workspace", "workspace", "cloud_admin"
SINGLE_SECONDS = 60


@dataclass(frozen=True)
class ClusterPlan:
    """What a cluster is made of. statements: one SQL command each, on one line, run once as superuser."""

    version: int
    data: Path
    superuser: str
    password: str
    statements: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    """Texts that must not be repeated in an error."""


def source_plan(data: Path, password: str) -> ClusterPlan:
    """data-timescale: PostgreSQL 16, superuser timescale, database APPS-WORKSPACE."""
    return ClusterPlan(
        16, data, SOURCE_USER, password, (f"CREATE DATABASE {ident(SOURCE_DATABASE)}",), (password,)
    )


def target_plan(data: Path, password: str, admin_password: str) -> ClusterPlan:
    """workspace-db-compute: PostgreSQL 18, superuser cloud_admin; role and empty database workspace.

    The role has what Neon's compute_ctl gives the roles of its spec, and may set session_replication_role.
    """
    statements = (
        "CREATE ROLE neon_superuser NOLOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS "
        "IN ROLE pg_read_all_data, pg_write_all_data, pg_create_subscription",
        "GRANT pg_monitor, pg_signal_backend TO neon_superuser WITH ADMIN OPTION",
        f"CREATE ROLE {TARGET_USER} LOGIN INHERIT CREATEDB CREATEROLE REPLICATION BYPASSRLS "
        f"IN ROLE neon_superuser PASSWORD {literal(password)}",
        f"GRANT SET ON PARAMETER session_replication_role TO {TARGET_USER}",
        f"CREATE DATABASE {TARGET_DATABASE} OWNER {TARGET_USER}",
    )
    return ClusterPlan(18, data, TARGET_ADMIN, admin_password, statements, (password, admin_password))


def ensure_cluster(plan: ClusterPlan, port: int) -> bool:
    """Make the cluster unless it is there; True when it was made. Blocking: call it in a thread.

    It is built aside and renamed when complete and on disk, so what has the final name is always whole.
    `port` is only its default; the server is started with the port it is to have.
    Raises WsdashError with the program's own words, passwords removed.
    """
    if plan.data.exists():
        return False
    parent = plan.data.parent
    parent.mkdir(parents=True, exist_ok=True)
    for left_over in parent.glob(f".{plan.data.name}.*"):
        shutil.rmtree(left_over, ignore_errors=True)
    building = parent / f".{plan.data.name}.{os.getpid()}"
    try:
        postgres.make_cluster(
            plan.version, building, superuser=plan.superuser, password=plan.password, port=port
        )
        _run_statements(plan, building)
        _flush(plan, building)
        building.rename(plan.data)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        text = str(error)
        for secret in plan.secrets:
            text = text.replace(secret, "***")
        raise WsdashError(
            f"the PostgreSQL {plan.version} cluster could not be made: {text}",
            where=str(plan.data),
            remedy="check free disk space and permissions of this directory, then run the command again",
        ) from None
    return True


def _run_statements(plan: ClusterPlan, data: Path) -> None:
    """Through the single-user server: no port is needed, nobody else can connect meanwhile."""
    program = postgres.programs(plan.version) / "postgres"
    argv = [*postgres.unprivileged(program, data), str(program), "--single"]
    argv += ["-D", str(data), "-c", "exit_on_error=on", "-c", "log_min_error_statement=panic", "postgres"]
    done = subprocess.run(
        argv,
        input="\n".join(plan.statements) + "\n",
        capture_output=True,
        text=True,
        timeout=SINGLE_SECONDS,
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-2000:])


def _flush(plan: ClusterPlan, data: Path) -> None:
    program = postgres.programs(plan.version) / "initdb"
    subprocess.run(
        [*postgres.unprivileged(program, data), str(program), "--sync-only", "-D", str(data)],
        capture_output=True,
        timeout=SINGLE_SECONDS,
        cwd="/",
        check=True,
    )
