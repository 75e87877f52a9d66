"""A rehearsal's own copy of the target database, under the target's own name.

The new service connects to the database by its name, so a rehearsal needs that name. The real database is
renamed aside and refuses connections; a copy takes its place. At the end the real one gets its name back and
the copy is dropped: whatever the rehearsal made is gone with it, and nothing wrote to the real database.
Each change of names is one message, and so one transaction. The copy says in its comment who made it, so that
what a killed rehearsal left is known for what it is, whoever finds it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import msgspec

from wsdash.data.limits import TIMEOUT, TRIAL_PAUSE_SECONDS
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import described
from wsdash.data.pg.sql import ident, literal
from wsdash.data.scratch import Owner, server_errors
from wsdash.errors import RefusedError, WsdashError
from wsdash.outside import DocumentError, read_json

ATTEMPTS = 8
MAINTENANCE = ("postgres", "template1")
"""Databases from which another one can be renamed, the first that takes a session."""
_MARK = "wsdash rehearsal "


class TrialMark(msgspec.Struct, frozen=True):
    """The comment of a trial database. run: the rehearsal. roles: those that it makes."""

    run: str
    owner: Owner
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leftover:
    """What a rehearsal left on the server. mark: None where only the real database, set aside, was found."""

    mark: TrialMark | None
    swapped: bool
    """The copy has the database's name now."""

    @property
    def run(self) -> str:
        """The rehearsal that made it, as far as it says so."""
        return self.mark.run if self.mark is not None else "unknown"

    @property
    def alive(self) -> bool:
        """Whether the process that made it may still be at work."""
        return self.mark is not None and self.mark.owner.may_live()


async def begin_trial(target: Endpoint, run: str, roles: Sequence[str] = ()) -> None:
    """Set the target's database aside and put a copy in its place; sessions of others there are ended.

    roles: those that the rehearsal is going to make; which of them are new is noted, for end_trial.

    Raises RefusedError when the target's user may not do that or another rehearsal's copy is there,
    UnreachableError, WsdashError with the server's words (nothing is changed then).
    """
    trial, kept = _names(target.database)
    async with _maintenance(target, "setting the target's database aside") as conn:
        if await _leftover(conn, target.database) is not None:
            raise RefusedError(
                "another rehearsal's copy of the target's database is there",
                where=target.address,
                remedy="wait for that rehearsal; if its process is gone, `wsdash rehearse` clears it first",
            )
        new = await conn.fetch(
            "SELECT r FROM unnest($1::text[]) r WHERE r NOT IN (SELECT rolname FROM pg_roles)",
            list(roles),
            timeout=TIMEOUT,
        )
        mark = TrialMark(run, Owner.ourselves(), tuple(row["r"] for row in new))
        name = target.database
        await _alone(conn, name, lambda: _run(conn, f"CREATE DATABASE {ident(trial)} TEMPLATE {ident(name)}"))
        comment = literal(_MARK + msgspec.json.encode(mark).decode())
        await _run(conn, f"COMMENT ON DATABASE {ident(trial)} IS {comment}")
        for statement in await _like(conn, name, trial):
            await _run(conn, statement)
        swap = (
            f"ALTER DATABASE {ident(name)} RENAME TO {ident(kept)}; "
            f"ALTER DATABASE {ident(kept)} ALLOW_CONNECTIONS false; "
            f"ALTER DATABASE {ident(trial)} RENAME TO {ident(name)}"
        )
        await _alone(conn, name, lambda: _run(conn, swap))


async def end_trial(target: Endpoint) -> TrialMark | None:
    """Give the real database its name back and drop the copy; safe to call again, and after a crash.

    The mark of what was dropped, None when there was nothing. Roles that the rehearsal made and nobody
    else uses are dropped too. Raises RefusedError when a database without a rehearsal's mark has the name,
    UnreachableError, WsdashError.
    """
    trial, kept = _names(target.database)
    name = target.database
    async with _maintenance(target, "putting the target's database back") as conn:
        found = await _leftover(conn, name)
        if found is None:
            return None
        if found.swapped:
            if found.mark is None:
                raise RefusedError(
                    f"the real database was set aside as {kept}, and {name} is no rehearsal's copy",
                    where=target.address,
                    remedy=f"look at both; the real one is had back by renaming {kept} to {name}",
                )
            swap = (
                f"ALTER DATABASE {ident(name)} RENAME TO {ident(trial)}; "
                f"ALTER DATABASE {ident(kept)} RENAME TO {ident(name)}; "
                f"ALTER DATABASE {ident(name)} ALLOW_CONNECTIONS true"
            )
            await _alone(conn, name, lambda: _run(conn, swap))
        await _alone(conn, trial, lambda: _run(conn, f"DROP DATABASE IF EXISTS {ident(trial)}"))
        if found.mark is not None:
            await _drop_roles(conn, found.mark)
        return found.mark


async def find_trial(target: Endpoint) -> Leftover | None:
    """What a rehearsal, a living or a dead one, has on the target's server. Raises UnreachableError."""
    async with _maintenance(target, "looking for what a rehearsal left") as conn:
        return await _leftover(conn, target.database)


@described("reading the database's mark")
async def read_mark(conn: asyncpg.Connection) -> TrialMark | None:
    """The mark of the session's own database; None: it is no rehearsal's copy."""
    comment = await conn.fetchval(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
        timeout=TIMEOUT,
    )
    return _mark(comment)


def _names(database: str) -> tuple[str, str]:
    """The names of the copy while it is made or dropped, and of the real database while it is aside."""
    digest = hashlib.sha256(database.encode()).hexdigest()[:12]
    return f"wsdash_trial_{digest}", f"wsdash_kept_{digest}"


@asynccontextmanager
async def _maintenance(target: Endpoint, doing: str) -> AsyncIterator[asyncpg.Connection]:
    async with server_errors(target, doing):
        names = [name for name in MAINTENANCE if name != target.database]
        for name in names[:-1]:
            try:
                conn = connection(target, read_only=False, database=name)
                async with conn as session:
                    yield session
                    return
            except WsdashError as error:
                if not isinstance(error.__cause__, asyncpg.InvalidCatalogNameError):
                    raise
        async with connection(target, read_only=False, database=names[-1]) as session:
            yield session


async def _leftover(conn: asyncpg.Connection, name: str) -> Leftover | None:
    trial, kept = _names(name)
    rows = await conn.fetch(
        "SELECT datname, shobj_description(oid, 'pg_database') AS comment FROM pg_database "
        "WHERE datname = ANY ($1::text[])",
        [name, trial, kept],
        timeout=TIMEOUT,
    )
    there = {row["datname"]: row["comment"] for row in rows}
    if kept in there:
        return Leftover(_mark(there.get(name)), swapped=True)
    return Leftover(_mark(there[trial]), swapped=False) if trial in there else None


def _mark(comment: str | None) -> TrialMark | None:
    if not comment or not comment.startswith(_MARK):
        return None
    try:
        return read_json(comment[len(_MARK) :], TrialMark)
    except DocumentError:
        return None


async def _like(conn: asyncpg.Connection, name: str, trial: str) -> list[str]:
    """What CREATE DATABASE leaves behind: owner, settings and rights, as statements for the copy."""
    statements = []
    owner = await conn.fetchval(
        "SELECT r.rolname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba "
        "WHERE d.datname = $1 AND r.rolname <> current_user",
        name,
        timeout=TIMEOUT,
    )
    settings = await conn.fetch(
        "SELECT r.rolname AS role, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value "
        "FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
        "LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c WHERE d.datname = $1",
        name,
        timeout=TIMEOUT,
    )
    for row in settings:
        whose = f"ROLE {ident(row['role'])} IN DATABASE" if row["role"] else "DATABASE"
        value = row["value"] if row["name"] in LISTS else literal(row["value"])
        statements.append(f"ALTER {whose} {ident(trial)} SET {ident(row['name'])} TO {value}")
    granted = await conn.fetch(
        "SELECT coalesce(quote_ident(r.rolname), 'PUBLIC') AS role, a.privilege_type AS what, a.is_grantable "
        "FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee "
        "WHERE d.datname = $1 AND a.grantee <> d.datdba",
        name,
        timeout=TIMEOUT,
    )
    closed = await conn.fetchval("SELECT datacl IS NOT NULL FROM pg_database WHERE datname = $1", name)
    if closed:
        statements.append(f"REVOKE ALL ON DATABASE {ident(trial)} FROM PUBLIC")
    for row in granted:
        option = " WITH GRANT OPTION" if row["is_grantable"] else ""
        statements.append(f"GRANT {row['what']} ON DATABASE {ident(trial)} TO {row['role']}{option}")
    return statements + ([f"ALTER DATABASE {ident(trial)} OWNER TO {ident(owner)}"] if owner else [])


LISTS = frozenset(
    {
        "DateStyle",
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings whose stored value is a list already quoted as SET wants it (variable_is_guc_list_quote)."""


async def _alone(conn: asyncpg.Connection, database: str, change: Callable[[], Awaitable[None]]) -> None:
    """Make a change that wants no session in the database: end those there, again while new ones come."""
    for attempt in range(1, ATTEMPTS + 1):
        sessions = await conn.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            database,
            timeout=TIMEOUT,
        )
        for row in sessions:
            try:
                await conn.execute(f"SELECT pg_terminate_backend({row['pid']:d})", timeout=TIMEOUT)
            except asyncpg.InsufficientPrivilegeError:
                continue  # a superuser's: it is waited for
        try:
            await change()
            return
        except asyncpg.ObjectInUseError:
            if attempt == ATTEMPTS:
                raise
        await asyncio.sleep(TRIAL_PAUSE_SECONDS)


async def _run(conn: asyncpg.Connection, statement: str) -> None:
    try:
        await conn.execute(statement, timeout=TIMEOUT)
    except asyncpg.InsufficientPrivilegeError as error:
        raise RefusedError(
            f"the target's user may not do what a rehearsal needs: {error}",
            where="the target's server",
            remedy="for the rehearsal, let it own the database and give it CREATEDB",
        ) from error


async def _drop_roles(conn: asyncpg.Connection, mark: TrialMark) -> None:
    for role in mark.roles:
        try:
            await conn.execute(f"DROP ROLE IF EXISTS {ident(role)}", timeout=TIMEOUT)
        except (asyncpg.DependentObjectsStillExistError, asyncpg.InsufficientPrivilegeError):
            continue  # somebody uses it: it is not only ours
