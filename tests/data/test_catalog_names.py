"""Names of any characters that a server takes are read and made again exactly; shown, they are clean."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.test_hostile_text import ATTACKS
from tests.support.servers import Server
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.sql import ident, literal
from wsdash.data.schema.compare import compare
from wsdash.data.schema.ddl import post_data, pre_data
from wsdash.outside import HARMFUL, clean

LONGEST = 40
"""Bytes: what PostgreSQL derives of a name (a key's, a check's) still fits into its 63."""
NAMES = st.one_of(
    st.sampled_from([text[:12] for text in ATTACKS.values()]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
).filter(lambda name: len(name.encode()) <= LONGEST)


async def carried(server: Server, table: str, column: str, label: str) -> None:
    """Make the names in one database, read them, make them again in another from what was read."""
    one, other = await server.fresh_database(), await server.fresh_database()
    kind = ident("s", "k" + label)
    try:
        first = await server.connect(one.database)
        second = await server.connect(other.database)
        try:
            await first.execute(
                f"create schema s; create type {kind} as enum ({literal(label)});"
                f"create table {ident('s', table)} ({ident(column)} int primary key, e {kind},"
                f" constraint {ident('c' + column)} check ({ident(column)} > 0));"
                f"comment on table {ident('s', table)} is {literal(label)}"
            )
            read = await read_catalog(first, "s")
            assert [(one.schema, one.name) for one in read.tables] == [("s", table)]
            assert read.tables[0].columns[0].name == column
            for statement in (*pre_data(read), *post_data(read)):
                await second.execute(statement.sql)
            lines = compare(read, await read_catalog(second, "s"))
            # not carried is what lies around the schema, on any server
            assert [line for line in lines if line.fate not in ("same", "not-carried")] == []
            assert ("table", f"s.{table}", "same") in {(line.kind, line.name, line.fate) for line in lines}
            shown: Any = clean(" ".join(f"{line.name} {line.detail}" for line in lines))
            assert HARMFUL.search(shown) is None
        finally:
            await first.close()
            await second.close()
    finally:
        await server.drop_database(one.database)
        await server.drop_database(other.database)


@settings(
    max_examples=int(os.environ.get("WSDASH_TEST_NAMES", "8")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(table=NAMES, column=NAMES, label=NAMES)
def test_a_catalogs_names_are_carried_as_they_are(pg18: Server, table: str, column: str, label: str) -> None:
    asyncio.run(carried(pg18, table, column, label))
