"""Grants and roles are carried as they are; what a version does not know is left out."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from tests.data.edges import carry, load, read
from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.compare import compare

OBJECTS = """
CREATE SCHEMA s; CREATE TABLE s.t (a serial, b text); CREATE VIEW s.v AS SELECT a FROM s.t;
CREATE TYPE s.mood AS ENUM ('x'); CREATE FUNCTION s.f(n integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""


@pytest.fixture
async def role(pg16: Server, pg18: Server) -> AsyncIterator[str]:
    """A role of this test's own, on the source's server; made by carrying on the target's."""
    name = f"Röle {uuid.uuid4().hex[:8]}"
    await pg16.execute(f'CREATE ROLE "{name}"')
    yield name
    await pg16.execute(f'DROP ROLE IF EXISTS "{name}"')
    await pg18.execute(f'DROP ROLE IF EXISTS "{name}"')


async def drop_rights(name: str, *sides: Endpoint) -> None:
    for side in sides:
        async with connection(side, read_only=False) as conn:
            if await conn.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name):
                await conn.execute(f'DROP OWNED BY "{name}"')


async def test_every_kind_of_grant_arrives(source: Endpoint, target: Endpoint, role: str) -> None:
    await load(
        source,
        OBJECTS
        + f"""GRANT USAGE ON SCHEMA s TO "{role}"; GRANT SELECT, INSERT ON s.t TO "{role}" WITH GRANT OPTION;
        GRANT UPDATE (b)
        ON s.t TO "{role}"; GRANT SELECT ON s.v TO PUBLIC; GRANT USAGE ON TYPE s.mood TO "{role}";
        GRANT USAGE, SELECT ON SEQUENCE s.t_a_seq TO "{role}"; REVOKE ALL ON FUNCTION s.f FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION s.f TO "{role}";""",
    )
    catalog = await read(source, "s")
    try:
        await carry(catalog, target)
        async with connection(target, read_only=True) as conn:
            row = await conn.fetchrow(
                """SELECT has_schema_privilege($1, 's', 'USAGE'),
                has_table_privilege($1, 's.t', 'INSERT WITH GRANT OPTION'),
                has_column_privilege($1, 's.t', 'b', 'UPDATE'), has_sequence_privilege($1, 's.t_a_seq',
                'SELECT'),
                has_function_privilege($1, 's.f(integer)', 'EXECUTE'), has_type_privilege($1, 's.mood',
                'USAGE'),
                NOT has_column_privilege($1, 's.t', 'a', 'UPDATE'),
                NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = $1)""",
                role,
            )
            public = "SELECT proacl::text FROM pg_proc WHERE oid = 's.f(integer)'::regprocedure"
            rights = await conn.fetchval(public)
        assert row is not None
        assert all(row), dict(row)
        assert "{=X" not in rights
        assert ",=X" not in rights
        assert {line.fate for line in compare(catalog, await read(target, "s"))} == {"same", "not-carried"}
        assert await carry(catalog, target) == []
    finally:
        await drop_rights(role, source, target)


async def test_a_privilege_that_the_target_does_not_know_is_left_out(
    source: Endpoint, target: Endpoint, role: str
) -> None:
    newer, older = target, source
    await load(newer, f'{OBJECTS} CREATE ROLE "{role}"; GRANT MAINTAIN ON s.t TO "{role}"')
    try:
        catalog = await read(newer, "s")
        await carry(catalog, older)
        lines = {(line.kind, line.fate): line.detail for line in compare(catalog, await read(older, "s"))}
        assert "does not know MAINTAIN" in lines["grant", "not-carried"]
        assert await carry(catalog, older) == []
    finally:
        await drop_rights(role, source, target)
