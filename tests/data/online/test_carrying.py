"""Every kind of change arrives on the other side, once and as it is."""

from __future__ import annotations

import pytest

from tests.data.copying import run_sql
from tests.data.online.world import WRITES, carry, make_move, rows, same
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection

CHANGES = {
    "insert": "INSERT INTO s.items VALUES (1001, '2025-02-03 00:00+00', 'new', 1, DEFAULT, 1)",
    "update": "UPDATE s.items SET title = 'changed' WHERE id < 50",
    "update of nothing": "UPDATE s.items SET title = 'changed' WHERE id < 0",
    "delete": "DELETE FROM s.items WHERE id % 3 = 0",
    "key change": "UPDATE s.items SET id = id + 5000 WHERE id < 20",
    "key change to another chunk": "UPDATE s.items SET at = at + interval '40 days' WHERE id < 20",
    "key change and back": "UPDATE s.owners SET id = 99 WHERE id = 1; "
    "UPDATE s.owners SET id = 1 WHERE id = 99",
    "insert and delete": "INSERT INTO s.owners VALUES (77, 'x', 77); DELETE FROM s.owners WHERE id = 77",
    "delete and insert": "DELETE FROM s.items WHERE id = 3; "
    "INSERT INTO s.items VALUES (3, '2025-01-04 12:00+00', 'again', 1, DEFAULT, 1)",
    "upsert": "INSERT INTO s.owners VALUES (1, 'first', 1), (20, 'twentieth', 20) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    "upsert that does nothing": "INSERT INTO s.owners VALUES (1, 'first', 1) ON CONFLICT DO NOTHING",
    "merge": "MERGE INTO s.owners o USING (VALUES (1, 'merged'), (30, 'new')) v(id, name) ON o.id = v.id "
    "WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.name, v.id)",
    "cascade of a delete": "DELETE FROM s.owners WHERE id = 2",
    "cascade of a key change": "UPDATE s.owners SET id = 200 WHERE id = 2",
    "swapped unique values": "UPDATE s.owners SET place = CASE id WHEN 1 THEN -1 ELSE place END; "
    "UPDATE s.owners SET place = 1 WHERE id = 2; UPDATE s.owners SET place = 2 WHERE id = 1",
    "a chunk written to directly": "UPDATE chunks.items_2 SET title = 'behind the root'",
    "a row without a key": "DELETE FROM s.notes WHERE note = 'one'; INSERT INTO s.notes VALUES ('four')",
    "truncate": "TRUNCATE s.items",
    "truncate and insert": "TRUNCATE s.items; "
    "INSERT INTO s.items VALUES (1, '2025-02-03Z', 'x', 1, DEFAULT, 1)",
    "truncate of a chunk": "TRUNCATE chunks.items_3",
    "a savepoint rolled back": "BEGIN; UPDATE s.items SET size = 0 WHERE id = 1; SAVEPOINT a; "
    "UPDATE s.items SET size = 0 WHERE id = 2; ROLLBACK TO a; COMMIT",
    "a subtransaction committed": "DO $$ BEGIN BEGIN UPDATE s.items SET size = 9 WHERE id = 2; "
    "EXCEPTION WHEN others THEN NULL; END; END $$",
    "everything rolled back": "BEGIN; DELETE FROM s.items; ROLLBACK",
    "odd values": r"UPDATE s.items SET title = E'tab\t, \\., NULL, \\N and\nline' WHERE id = 5; "
    "UPDATE s.items SET title = '' WHERE id = 6; UPDATE s.items SET title = NULL WHERE id = 8",
    "a new chunk": "CREATE TABLE chunks.items_9 PARTITION OF s.items "
    "FOR VALUES FROM ('2025-09-01Z') TO ('2025-10-01Z'); "
    "INSERT INTO s.items VALUES (1, '2025-09-03Z', 'in it', 1, DEFAULT, 1)",
    "a writer in replica role": "SET session_replication_role = replica; DELETE FROM s.items WHERE id < 30",
    "some of everything": WRITES,
}


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_change_arrives_as_it_is(move: Move, kind: str) -> None:
    before = await rows(move.source)
    await run_sql(move.source, CHANGES[kind])
    await carry(move)
    assert await same(move)
    assert await carry(move) == 0, "what was carried is not new any more"
    if kind in ("insert", "update", "delete", "truncate of a chunk", "a writer in replica role"):
        assert await rows(move.source) != before, "nothing changed: this proves nothing"


async def test_copy_is_captured(move: Move) -> None:
    async with connection(move.source, read_only=False) as conn:
        await conn.copy_records_to_table("owners", schema_name="s", records=[(90, "ninety", 90)])
    assert await carry(move) == 1
    assert await same(move)


async def test_what_is_written_before_the_copy_is_there_once(source: Endpoint, target: Endpoint) -> None:
    move = await make_move(source, target, WRITES)
    await carry(move)
    assert await same(move)


async def test_the_other_sides_own_triggers_invent_nothing(move: Move) -> None:
    await run_sql(move.source, "UPDATE s.items SET title = 'audited' WHERE id = 1")
    before = len(await rows(move.target, "s.audit"))
    await carry(move)
    assert len(await rows(move.target, "s.audit")) == before + 1
    assert await same(move)
