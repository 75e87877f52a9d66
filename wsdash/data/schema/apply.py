"""Making a schema in the target: statement by statement, idempotent; or from an SQL file, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg

from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.limits import FILE_TIMEOUT, STATEMENT_TIMEOUT
from wsdash.data.pg.connect import fix_settings
from wsdash.data.pg.errors import DATABASE_ERRORS, ServerErrors, describe, server_of, session_lives, words_of
from wsdash.data.pg.sql import Command, split_script
from wsdash.data.pg.transactions import transaction
from wsdash.data.schema.compare import ObjectJudge
from wsdash.data.schema.compare_tables import canonical
from wsdash.data.schema.ddl import Statement, is_bare, search_path
from wsdash.errors import InputError, RefusedError

LOCK_TIMEOUT = "30s"
TOGETHER = 50
"""How many quick statements are sent to the server in one message, which it does all or none of."""


def _local(statement: Statement) -> str:
    """Settings that go in one message with a statement: the server makes one transaction of it."""
    return (
        "SET LOCAL check_function_bodies = off; "
        f"SET LOCAL search_path = {search_path(statement.schema)}; "
        f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
    )


async def ensure_schema(
    conn: asyncpg.Connection,
    statements: list[Statement],
    on_statement: Callable[[Statement], None] | None = None,
) -> list[str]:
    """Create what is missing, in order, and return the names created; what exists and fits is left alone.

    An interruption keeps what was made before, and running it again makes the rest. on_statement is called
    before each statement, and then each is a transaction of its own. Raises RefusedError before
    anything is changed when an existing object differs, WsdashError with the server's words when one fails.
    """
    missing = await missing_statements(conn, statements)
    if on_statement is None:
        await run_together(conn, missing)
    else:
        for statement in missing:
            on_statement(statement)
            await run_statement(conn, statement)
    return [statement.name for statement in missing]


async def missing_statements(conn: asyncpg.Connection, statements: list[Statement]) -> list[Statement]:
    """The statements whose object is not there yet, in order; a sequence's value is always set again.

    Raises RefusedError that names every object that exists and differs, with what to do.
    """
    missing: list[Statement] = []
    blocking: list[str] = []
    for statement, fate, detail in await judge_statements(conn, statements):
        if fate == "created":
            missing.append(statement)
        elif fate == "blocks":
            blocking.append(f"{statement.kind} {statement.name}: {detail}")
    if blocking:
        shown = "; ".join(blocking[:5]) + (f" (and {len(blocking) - 5} more)" if len(blocking) > 5 else "")
        raise RefusedError(
            f"the target's schema does not fit: {shown}",
            where="the target's schema",
            remedy="alter, rename or drop these objects in the target, then retry",
        )
    return missing


async def judge_statements(
    conn: asyncpg.Connection, statements: Sequence[Statement]
) -> list[tuple[Statement, str, str]]:
    """Each statement with the fate of its object in `conn`'s database, as compare gives it, and the
    detail."""
    catalogs: dict[str, Catalog] = {}
    judges: dict[tuple[str, int], ObjectJudge] = {}
    judged = []
    for statement in statements:
        schema = statement.schema or (statement.table or statement.name).split(".", 1)[0]
        if schema not in catalogs:
            bare = await is_bare(conn, schema, statements)
            catalogs[schema] = await read_catalog(conn, schema, part="server" if bare else "everything")
        # which side prints names in another way follows from the version that a statement comes from
        key = (schema, statement.server_version or catalogs[schema].server_version)
        if key not in judges:
            judges[key] = ObjectJudge(key[1], catalogs[schema])
        judged.append((statement, *_fate(statement, judges[key], catalogs[schema])))
    return judged


def _fate(statement: Statement, judge: ObjectJudge, catalog: Catalog) -> tuple[str, str]:
    if statement.kind == "sequence value":
        return "created", ""
    if statement.kind == "extension":
        return ("same" if statement.name in catalog.extensions else "created"), ""
    if statement.item is not None:
        verdict = judge.verdict(statement.item)
        return verdict.fate, verdict.detail
    found = next((i for i in catalog.items if (i.kind, i.name) == (statement.kind, statement.name)), None)
    if found is None:
        return "created", ""
    same = canonical(found.sql) == canonical(statement.sql)
    return ("same", "") if same else ("blocks", f"it differs: alter or drop the target's {statement.kind}")


async def run_together(conn: asyncpg.Connection, statements: Sequence[Statement]) -> None:
    """Run quick statements in order, TOGETHER in one message and one transaction.

    When one fails, its message leaves nothing, and the message's statements are run again one by one: that
    keeps those before the failure and tells which one it was. Raises WsdashError with the server's words.
    """
    for start in range(0, len(statements), TOGETHER):
        some = statements[start : start + TOGETHER]
        if len(some) > 1:
            with suppress(*DATABASE_ERRORS):
                await conn.execute(
                    ";\n".join([_local(some[0]), *(one.sql for one in some)]), timeout=STATEMENT_TIMEOUT
                )
                continue
        for statement in some:
            await run_statement(conn, statement)


async def run_statement(
    conn: asyncpg.Connection, statement: Statement, timeout: float = STATEMENT_TIMEOUT
) -> None:
    """Run one statement in a transaction of its own (a savepoint inside the caller's).

    Function bodies are not checked, because they may name what comes later. Waits at most 30 s for a lock.
    Raises WsdashError with the server's words.
    """
    doing = f"{statement.kind} {statement.name} cannot be made"
    with ServerErrors(conn, doing, "then retry: what was made is kept"):
        if not conn.is_closed() and conn.is_in_transaction():
            async with transaction(conn):
                await conn.execute(_local(statement), timeout=30)
                await conn.execute(statement.sql, timeout=timeout)
        else:
            await conn.execute(f"{_local(statement)};\n{statement.sql}", timeout=timeout)


async def apply_file(conn: asyncpg.Connection, path: Path) -> None:
    """Run a file of SQL in one transaction, all of it or nothing; its own BEGIN and COMMIT are passed over.

    Unqualified names mean what psql would make of them. Raises InputError with the line for psql's own
    commands, COPY ... FROM stdin, unclosed quotes and every error of the server.
    """
    try:
        text = await asyncio.to_thread(path.read_text, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the schema file cannot be read: {error}",
            where=str(path),
            remedy="correct schema_file in wsdash.yaml; it must be UTF-8",
        ) from error
    commands = split_script(text, str(path))
    try:
        async with transaction(conn):
            await conn.execute('SET LOCAL search_path = "$user", public', timeout=30)
            for command in commands:
                await _run_command(conn, command, path)
        await conn.execute("RESET SESSION AUTHORIZATION; RESET ALL", timeout=30)
        await fix_settings(conn, {})
    except DATABASE_ERRORS as error:
        if not session_lives(error):
            raise describe(error, server_of(conn), f"running {path.name}") from error
        raise InputError(
            f"the schema file cannot be run to its end: {error}",
            where=str(path),
            remedy="nothing of it was kept; put right what the server says, then retry",
        ) from error


async def _run_command(conn: asyncpg.Connection, command: Command, path: Path) -> None:
    try:
        await conn.execute(command.sql, timeout=FILE_TIMEOUT)
    except asyncpg.PostgresError as error:
        if not session_lives(error):
            raise
        position = getattr(error, "position", None)
        offset = int(position) - 1 if position else 0
        line = command.line + command.sql.count("\n", 0, offset)
        raise InputError(
            words_of(error),
            where=f"{path}, line {line}",
            remedy="correct the schema file; nothing of it was kept",
        ) from error
