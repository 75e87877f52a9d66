"""Ways to a server: poolers, TLS, settings that give up early; and a source whose shape is changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.copying import carry, catalog_of, checksums, fetch, ignore, prepare, request_of, run_sql
from tests.support.servers import PASSWORD, SUPERUSER, Server, free_port
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.ddl import search_path
from wsdash.data.snapshot import hold as snapshot_module
from wsdash.data.snapshot.hold import BusyError, open_readers, open_snapshot
from wsdash.demo.world.postgres import unprivileged
from wsdash.errors import InputError, UnreachableError, WsdashError

ROWS = (
    "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, filler text); CREATE TABLE s.u (id int)",
    "INSERT INTO s.t SELECT n, repeat('x', 100) FROM generate_series(1, 5000) n; INSERT INTO s.u VALUES (1)",
)


@contextmanager
def pooler(directory: Path, behind: Endpoint, mode: str, extra: str = "") -> Iterator[Endpoint]:
    """A real PgBouncer before a server."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert program, "pgbouncer is not installed (apt-get install pgbouncer)"
    directory.chmod(0o755)
    port, users, settings = free_port(), directory / "users", directory / "pgbouncer.ini"
    users.write_text(f'"{SUPERUSER}" "{PASSWORD}"\n')
    settings.write_text(
        f"[databases]\n* = host={behind.host} port={behind.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n"
        f"pool_mode = {mode}\nlogfile = {directory / 'log'}\n{extra}\n"
    )
    (directory / "log").touch()
    (directory / "log").chmod(0o666)
    process = subprocess.Popen(
        [*unprivileged(Path(program), settings), program, str(settings)], stderr=subprocess.DEVNULL
    )
    try:
        yield replace(behind, label="pooler", port=port)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


async def reached(endpoint: Endpoint) -> None:
    """Wait until something listens there."""
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise AssertionError(f"nothing listens on {endpoint.port}")


IGNORED = (
    "ignore_startup_parameters = extra_float_digits, IntervalStyle, bytea_output, xmlbinary, lc_monetary, "
    "search_path, statement_timeout, lock_timeout, idle_in_transaction_session_timeout, "
    "idle_session_timeout, default_transaction_read_only, synchronous_commit, maintenance_work_mem, "
    "max_parallel_maintenance_workers"
)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("extra", ["", IGNORED], ids=["strict", "settings ignored"])
async def test_a_pooler_that_does_not_keep_sessions_is_refused_before_anything_is_done(
    source: Endpoint, target: Endpoint, tmp_path: Path, mode: str, extra: str
) -> None:
    await run_sql(source, *ROWS)
    catalog = await prepare(source, target)
    with pooler(tmp_path, source, mode, extra) as pooled:
        await reached(pooled)
        with pytest.raises(InputError) as told:
            await copy_tables(request_of(pooled, target, catalog), ignore)
        assert "pooler" in told.value.what
        assert "pool_mode = session" in told.value.remedy
        assert told.value.exit_code == 2
        with pytest.raises(InputError):
            await copy_tables(request_of(source, replace(pooled, label="t"), catalog), ignore)
    assert await fetch(target, "SELECT * FROM s.t") == []


@pytest.mark.parametrize("extra", ["", IGNORED], ids=["strict", "settings ignored"])
async def test_a_pooler_that_keeps_sessions_does(
    source: Endpoint, target: Endpoint, tmp_path: Path, extra: str
) -> None:
    await run_sql(source, *ROWS)
    with pooler(tmp_path, source, "session", extra) as pooled:
        await reached(pooled)
        catalog, result = await carry(pooled, target)
        assert result.rows == 5001
        async with connection(pooled, read_only=True) as conn:
            assert await conn.fetchval("SHOW default_transaction_read_only") == "on"
            assert await conn.fetchval("SHOW search_path") == "pg_catalog"
        path = {"search_path": search_path("s")}
        async with connection(pooled, read_only=True, settings=path) as conn:
            assert await conn.fetchval("SELECT current_schemas(false)::text") == "{pg_catalog,s,public}"
    assert await checksums(source, catalog) == await checksums(target, catalog)


@pytest.fixture
async def tls_source(source: Endpoint, tmp_path: Path) -> AsyncIterator[Endpoint]:
    """The source behind a real TLS end that takes nothing else, with a certificate of its own making.

    The wheel's servers are built without TLS; PgBouncer is not.
    """
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout {key} -out {certificate}"
    await asyncio.to_thread(subprocess.run, make.split(), check=True, capture_output=True)
    extra = f"client_tls_sslmode = require\nclient_tls_key_file = {key}\nclient_tls_cert_file = {certificate}"
    with pooler(tmp_path, source, "session", extra) as end:
        await reached(end)
        yield replace(end, sslmode="require")


async def test_a_server_that_takes_only_tls_is_read_over_tls(
    source: Endpoint, tls_source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, *ROWS)
    catalog, result = await carry(tls_source, target)
    assert result.rows == 5001
    assert await checksums(source, catalog) == await checksums(target, catalog)
    preferred = await catalog_of(replace(tls_source, sslmode="prefer"))
    # autovacuum may have counted the rows anew meanwhile
    assert [(t.qualified, t.columns) for t in preferred.tables] == [
        (t.qualified, t.columns) for t in catalog.tables
    ]


async def test_tls_required_by_the_server_and_switched_off_here_is_told(tls_source: Endpoint) -> None:
    with pytest.raises(UnreachableError, match="SSL required"):
        await catalog_of(replace(tls_source, sslmode="disable"))


async def test_tls_demanded_here_and_not_had_there_is_told(source: Endpoint) -> None:
    with pytest.raises(UnreachableError, match="SSL"):
        await catalog_of(replace(source, sslmode="require"))


async def test_time_limits_of_the_role_and_the_database_do_not_end_a_copy(
    source: Endpoint, target: Endpoint, pg16: Server, pg18: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, *ROWS)
    for server, side in ((pg16, source), (pg18, target)):
        for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
            await server.execute(f"ALTER DATABASE {side.database} SET {name} = 1")
    await pg18.execute(f"ALTER DATABASE {target.database} SET transaction_timeout = 100")
    catalog, _ = await carry(source, target)
    assert await checksums(source, catalog) == await checksums(target, catalog)


async def test_a_change_of_shape_waits_until_the_rows_are_read(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, *ROWS)
    catalog = await catalog_of(source)
    async with connection(source, read_only=False) as admin:
        async with open_readers(source, catalog.tables, 3) as (_, readers):
            change = asyncio.create_task(admin.execute("ALTER TABLE s.t RENAME filler TO other", timeout=20))
            await waits_for_a_lock(source)
            counts = [await conn.fetchval("SELECT count(filler) FROM s.t", timeout=5) for conn in readers]
            assert counts == [5000] * 3
            assert not change.done()
        await change


async def waits_for_a_lock(source: Endpoint) -> None:
    """Until a session of the source waits for a lock."""
    for _ in range(500):
        waiting = await fetch(
            source,
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        if waiting:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def test_a_change_that_comes_between_the_locks_goes_first_and_nobody_waits_for_ever(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder has its lock, a change waits for it, the readers come after: all let go and begin anew."""
    await run_sql(source, *ROWS)
    catalog = await prepare(source, target)
    real = snapshot_module._join
    changes: list[asyncio.Task[object]] = []
    monkeypatch.setattr(snapshot_module, "BUSY_SECONDS", 0.05)

    async def meddling(*arguments: object) -> None:
        if not changes:
            changes.append(asyncio.create_task(run_sql(source, "ALTER TABLE s.t ADD COLUMN late int")))
            await waits_for_a_lock(source)
        await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot_module, "_join", meddling)
    async with asyncio.timeout(90):
        await copy_tables(request_of(source, target, catalog), ignore)
        await changes[0]
    assert await checksums(source, catalog) == await checksums(target, catalog)


async def test_a_table_that_somebody_changes_again_and_again_is_given_up_with_a_reason(
    source: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, *ROWS)
    catalog = await catalog_of(source)
    real = snapshot_module._join
    changes: list[asyncio.Task[object]] = []
    monkeypatch.setattr(snapshot_module, "BUSY_SECONDS", 0.05)

    async def meddling(*arguments: object) -> None:
        changes.append(asyncio.create_task(run_sql(source, "ALTER TABLE s.t ALTER filler SET NOT NULL")))
        await waits_for_a_lock(source)
        await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot_module, "_join", meddling)
    with pytest.raises(BusyError, match="waits to change") as told:
        async with asyncio.timeout(90), open_snapshot(source, catalog.tables):
            pass
    assert isinstance(told.value, WsdashError)
    assert told.value.remedy
    assert len(changes) == snapshot_module.BUSY_ATTEMPTS
    await asyncio.gather(*changes)
