"""The count of connections works when no connection is left, and a refusal is told as exhaustion."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import msgspec
import pytest

from tests.support.processes import until
from wsdash.config import Settings, load_settings
from wsdash.data.pg.connect import Endpoint, connection, open_connection
from wsdash.data.pg.sql import literal
from wsdash.engine.counting.connections import Client, ConnectionCounter, Limit, nearest
from wsdash.errors import UnreachableError

ROLE = "wsdash_pool_test"


SERVER, DATABASE, ROLE_10 = Limit("server", "", 97), Limit("database", "ws", 20), Limit("role", "app", 10)


def clients(count: int, role: str = "app", database: str = "ws", ours: bool = False) -> Client:
    return Client("idle", role, database, ours, count)


@pytest.mark.parametrize(
    ("sessions", "limits", "wanted"),
    [
        ([clients(3)], [SERVER], (3, 97, "server")),
        ([clients(3)], [SERVER, DATABASE], (3, 20, "database ws")),
        ([clients(3)], [SERVER, DATABASE, ROLE_10], (3, 10, "role app")),
        ([clients(3), clients(17, "other")], [SERVER, DATABASE, ROLE_10], (20, 20, "database ws")),
        ([clients(3), clients(90, "x", "y")], [SERVER, DATABASE, ROLE_10], (93, 97, "server")),
        ([clients(3), clients(6, "app", "y")], [SERVER, ROLE_10], (9, 10, "role app")),
        ([clients(9, "app", "y")], [SERVER, ROLE_10], (9, 97, "server")),
        ([clients(9, ours=True)], [SERVER, ROLE_10], (9, 97, "server")),
        ([clients(9, ours=True), clients(1)], [SERVER, ROLE_10], (10, 10, "role app")),
        ([clients(1)], [SERVER, Limit("role", "app", 0)], (1, 1, "role app")),
        ([], [SERVER], (0, 97, "server")),
    ],
)
def test_the_nearest_limit_is_told(
    sessions: list[Client], limits: list[Limit], wanted: tuple[int, int, str]
) -> None:
    found = nearest(sessions, limits, "ws")
    assert (found.used, found.limit, found.bound) == wanted
    assert sum(found.states.values()) == sum(one.number for one in sessions)


def settings_of(target: Endpoint, user: str) -> Settings:
    settings = load_settings()
    side = msgspec.structs.replace(
        settings.target,
        host=target.host,
        port=target.port,
        database=target.database,
        user=user,
        password_env=target.password_env,
        password_file=target.password_file,
    )
    return msgspec.structs.replace(settings, target=side)


async def _comes_to(counter: ConnectionCounter, used: int) -> None:
    async def holds() -> bool:
        return (await counter()).used == used

    await until(holds)


async def test_at_the_limit_the_kept_session_counts_and_a_new_one_is_told_as_refused(
    target: Endpoint,
) -> None:
    async with connection(target, read_only=False) as admin:
        await admin.execute(f"drop role if exists {ROLE}")
        await admin.execute(
            f"create role {ROLE} login connection limit 2 password {literal(target.password() or '')}"
        )
        try:
            counter = ConnectionCounter(settings_of(target, ROLE))
            before = await counter()
            other = await open_connection(replace(target, user=ROLE), read_only=True)
            late = ConnectionCounter(settings_of(target, ROLE))
            refused = await late()
            assert (refused.used, refused.limit, refused.states) == (1, 1, {"refused": 1})
            await _comes_to(counter, before.used + 1)
            await other.close()
            await late.close()
            await _comes_to(counter, before.used)
            await _comes_to(late, before.used + 1)  # once there is room, the same counter counts
            await late.close()
            await counter.close()
        finally:
            await admin.execute(f"drop role {ROLE}")


async def test_the_limits_of_a_role_and_of_the_database_are_read(target: Endpoint) -> None:
    async with connection(target, read_only=False) as admin:
        database = await admin.fetchval("select quote_ident(current_database())")
        await admin.execute(f"drop role if exists {ROLE}")
        await admin.execute(
            f"create role {ROLE} login connection limit 5 password {literal(target.password() or '')}"
        )
        counter, other = ConnectionCounter(settings_of(target, target.user)), replace(target, user=ROLE)
        try:
            session = await open_connection(other, read_only=True)
            assert (await counter()).bound == "server", "wsdash's own session is not the service's"
            await session.execute("set application_name = 'an API'")
            found = await counter()
            assert (found.used, found.limit, found.bound) == (1, 5, f"role {ROLE}")
            await admin.execute(f"alter database {database} connection limit 3")
            found = await counter()
            assert (found.limit, found.bound.partition(" ")[0]) == (3, "database")
            assert found.used >= 3
            await session.close()
        finally:
            await counter.close()
            await admin.execute(f"alter database {database} connection limit -1")
            await admin.execute(f"drop role {ROLE}")


async def test_the_limit_leaves_out_what_is_reserved(target: Endpoint) -> None:
    counter = ConnectionCounter(settings_of(target, target.user))
    found = await counter()
    await counter.close()
    async with connection(target, read_only=True) as session:
        most = int(await session.fetchval("select current_setting('max_connections')"))
        kept = int(await session.fetchval("select current_setting('superuser_reserved_connections')"))
    assert (found.limit, found.bound) == (most - kept, "server")
    assert found.used <= found.limit


async def test_a_session_that_was_ended_is_opened_anew(target: Endpoint) -> None:
    counter = ConnectionCounter(settings_of(target, target.user))
    first = await counter()
    async with connection(target, read_only=False) as admin:
        end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'wsdash'"
        await admin.fetch(f"{end} and pid <> pg_backend_pid() and backend_type = 'client backend'")
    with contextlib.suppress(UnreachableError):  # unless the driver has seen its end already
        await counter()
    assert (await counter()).limit == first.limit
    await counter.close()
