"""What an online move refuses before anything is changed: each with its reason and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.data.copying import catalog_of, run_sql
from tests.data.online.world import RUN, SCHEMA, value
from tests.support.servers import PASSWORD, Server
from wsdash.data.online.switch import refusals
from wsdash.data.online.switch.refusals import find_refusals, refuse_impossible
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint
from wsdash.data.tables.shape import Mapped, Reading
from wsdash.errors import RefusedError

LARGE = "INSERT INTO s.notes SELECT repeat('x', 1000) FROM generate_series(1, 3000)"
ODD = (
    "CREATE TYPE s.odd; "
    "CREATE FUNCTION s.odd_in(cstring) RETURNS s.odd LANGUAGE internal IMMUTABLE STRICT AS 'int4in'; "
    "CREATE FUNCTION s.odd_out(s.odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'; "
    "CREATE TYPE s.odd (INPUT = s.odd_in, OUTPUT = s.odd_out, LIKE = integer); "
    + "".join(
        f"CREATE FUNCTION s.odd_{name}(s.odd, s.odd) RETURNS boolean LANGUAGE internal IMMUTABLE "
        f"AS 'int4{name}'; "
        f"CREATE OPERATOR s.{sign} (LEFTARG = s.odd, RIGHTARG = s.odd, FUNCTION = s.odd_{name}); "
        for name, sign in (("lt", "<"), ("le", "<="), ("eq", "="), ("ge", ">="), ("gt", ">"))
    )
    + "CREATE FUNCTION s.odd_cmp(s.odd, s.odd) RETURNS integer LANGUAGE internal IMMUTABLE AS 'btint4cmp'; "
    "CREATE OPERATOR CLASS s.odd_ops DEFAULT FOR TYPE s.odd USING btree AS OPERATOR 1 s.<, OPERATOR 2 s.<=, "
    "OPERATOR 3 s.=, OPERATOR 4 s.>=, OPERATOR 5 s.>, FUNCTION 1 s.odd_cmp(s.odd, s.odd); "
)
"""A type that has an order, but no operator = where a fixed search_path finds one."""
CASES = {
    "a large table without a key": (LARGE, "no primary key"),
    "a unique key that may be null": (
        "CREATE TABLE s.loose (id integer UNIQUE); "
        + "INSERT INTO s.loose SELECT g FROM generate_series(1, 60000) g",
        "no primary key",
    ),
    "disabled triggers": ("ALTER TABLE s.items DISABLE TRIGGER audit", "triggers are disabled on it (audit)"),
    "a foreign table": (
        "CREATE FOREIGN DATA WRAPPER none; CREATE SERVER far FOREIGN DATA WRAPPER none; "
        "CREATE FOREIGN TABLE s.far (id integer) SERVER far",
        "a foreign table",
    ),
    "a key whose type has no equality in pg_catalog": (
        ODD + "CREATE TABLE s.odds (odd s.odd PRIMARY KEY)",
        "no = in pg_catalog",
    ),
}


async def _move(source: Endpoint, target: Endpoint, *commands: str) -> Move:
    await run_sql(source, SCHEMA, *commands)
    return Move(RUN, source, target, (await catalog_of(source)).tables)


async def test_an_ordinary_schema_is_not_refused(source: Endpoint, target: Endpoint) -> None:
    assert await find_refusals(await _move(source, target)) == []


@pytest.mark.parametrize("case", CASES)
async def test_what_cannot_be_carried_is_refused(source: Endpoint, target: Endpoint, case: str) -> None:
    sql, reason = CASES[case]
    move = await _move(source, target, sql)
    with pytest.raises(RefusedError) as raised:
        await refuse_impossible(move)
    assert reason in raised.value.what
    assert "offline" in raised.value.remedy
    assert await value(source, "SELECT to_regnamespace('wsdash') IS NULL"), "nothing was changed"


async def test_a_small_table_without_a_key_is_taken_whole(source: Endpoint, target: Endpoint) -> None:
    move = await _move(source, target)
    assert any(one.keyless for one in move.tracked)
    assert await find_refusals(move) == []
    assert refusals.KEYLESS_BYTES == 1 << 20


async def test_sessions_in_replica_role_are_refused(source: Endpoint, target: Endpoint) -> None:
    move = await _move(source, target)
    await run_sql(source, f'ALTER DATABASE "{source.database}" SET session_replication_role = replica')
    with pytest.raises(RefusedError, match="replica role"):
        await refuse_impossible(move)


async def test_a_mapping_that_nobody_looked_at_is_refused(source: Endpoint, target: Endpoint) -> None:
    move = await _move(source, target)
    (owners,) = [table for table in move.tables if table.name == "owners"]
    mapped = Mapped(Reading((("id", "id"),), "s.owners"), origin=owners, locked=(owners,))
    tables = tuple(
        replace(table, mapped=mapped) if table.name == "owners" else table for table in move.tables
    )
    with pytest.raises(RefusedError, match=r"s\.owners: changes cannot be applied through its mapping"):
        await refuse_impossible(replace(move, tables=tables))


async def test_a_role_without_the_rights_is_told_which(
    source: Endpoint, target: Endpoint, pg16: Server
) -> None:
    move = await _move(source, target)
    await pg16.execute(
        f"DO $$ BEGIN CREATE ROLE online_reader LOGIN PASSWORD '{PASSWORD}'; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    await run_sql(
        source, "GRANT USAGE ON SCHEMA s TO online_reader; GRANT SELECT ON s.owners TO online_reader"
    )
    reader = replace(move, source=replace(source, user="online_reader"))
    with pytest.raises(RefusedError) as raised:
        await refuse_impossible(reader)
    for reason in ("may not create a schema", "put triggers on", "session_replication_role"):
        assert reason in raised.value.what
    for remedy in ("GRANT CREATE ON DATABASE", "TRIGGER on these tables", "GRANT SET ON PARAMETER"):
        assert remedy in raised.value.remedy
