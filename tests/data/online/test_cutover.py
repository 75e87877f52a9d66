"""The switch, there and back: one side closes before the other opens, and nothing is written in between."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.data.copying import run_sql
from tests.data.online.world import WRITES, carry, refused, rows, same, until, value
from wsdash.data.online.capture.objects import REFUSAL
from wsdash.data.online.switch.cutover import STAGES, AbortedError, resume, switch_over
from wsdash.data.online.switch.fence import Fence
from wsdash.data.online.switch.move_state import read_move_state
from wsdash.data.online.switch.window import look
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.errors import RefusedError

PATIENT = 30.0
"""A limit that no loaded machine reaches."""
INSERT = "INSERT INTO s.items VALUES (7001, '2025-02-03 00:00+00', 'later', 1, DEFAULT, 1)"
NO_ROW = "UPDATE s.items SET title = 'x' WHERE id = -1"
STATEMENTS = (
    INSERT,
    NO_ROW,
    "DELETE FROM s.items WHERE id = -1",
    "TRUNCATE s.notes",
    "COPY s.notes FROM PROGRAM 'echo x'",
    "SET session_replication_role = replica; UPDATE s.items SET title = 'x'",
    "MERGE INTO s.owners o USING (VALUES (1)) v(id) ON o.id = v.id WHEN MATCHED THEN DELETE",
)
"""What a closed side refuses, also what finds no row."""
BEHIND_THE_ROOT = ("UPDATE chunks.items_2 SET title = 'behind the root'", "TRUNCATE chunks.items_2")


async def test_there_and_back_and_there_again(move: Move) -> None:
    await run_sql(move.source, WRITES)
    there = await switch_over(move, move.source, limit=PATIENT)
    assert (there.opened, there.turn) == (move.target, 1)
    assert await same(move)
    await run_sql(
        move.target, INSERT, "UPDATE s.items SET size = 5 WHERE id < 9", "DELETE FROM s.owners WHERE id = 4"
    )
    back = await switch_over(move, move.target, limit=PATIENT)
    assert (back.opened, back.turn) == (move.source, 2)
    assert await same(move)
    await run_sql(move.source, "UPDATE s.items SET title = 'third' WHERE id < 20")
    again = await switch_over(move, move.source, limit=PATIENT)
    assert (again.opened, again.turn) == (move.target, 3)
    assert await same(move)


async def _answers(side: Endpoint, statements: tuple[str, ...]) -> dict[str, str]:
    return {statement: await refused(side, statement) for statement in statements}


async def test_a_side_that_was_never_open_refuses_every_writer(move: Move) -> None:
    assert await _answers(move.target, STATEMENTS) == dict.fromkeys(STATEMENTS, REFUSAL)


async def test_a_side_that_was_closed_refuses_every_writer(move: Move) -> None:
    statements = STATEMENTS + BEHIND_THE_ROOT
    await switch_over(move, move.source, limit=PATIENT)
    assert await _answers(move.source, statements) == dict.fromkeys(statements, REFUSAL)


async def test_an_open_side_takes_every_write(move: Move) -> None:
    statements = STATEMENTS + BEHIND_THE_ROOT
    assert await _answers(move.source, statements) == dict.fromkeys(statements, "")
    await carry(move)
    assert await same(move)


async def test_readers_are_never_refused(move: Move) -> None:
    read: list[int] = []

    async def look(_: str) -> None:
        read.append(len(await rows(move.source)))

    await switch_over(move, move.source, limit=PATIENT, on_stage=look)
    assert read == [300] * len(STAGES)


async def test_sequences_go_on_where_they_stood(move: Move) -> None:
    await run_sql(move.source, "SELECT nextval('s.audit_id_seq') FROM generate_series(1, 500)")
    await switch_over(move, move.source, limit=PATIENT)
    assert await value(move.target, "SELECT last_value FROM s.audit_id_seq") == 800
    await run_sql(move.target, "SELECT nextval('s.audit_id_seq') FROM generate_series(1, 50)")
    await switch_over(move, move.target, limit=PATIENT)
    assert await value(move.source, "SELECT last_value FROM s.audit_id_seq") == 850


async def test_a_sequence_that_is_further_on_the_other_side_stays(move: Move) -> None:
    await run_sql(move.target, "SELECT setval('s.audit_id_seq', 90000)")
    await switch_over(move, move.source, limit=PATIENT)
    assert await value(move.target, "SELECT last_value FROM s.audit_id_seq") == 90000


async def test_while_fenced_new_writers_are_refused_at_once_and_open_ones_may_end(move: Move) -> None:
    seen: list[str] = []
    async with connection(move.source, read_only=False) as writer:

        async def during(stage: str) -> None:
            if stage == "fence":
                await writer.execute("BEGIN; UPDATE s.items SET title = 'under way' WHERE id = 1")
            if stage == "drain":
                await until(lambda: value(move.source, WAITING))
                seen.append(await refused(move.source, NO_ROW))
                await writer.execute("UPDATE s.items SET title = 'and on' WHERE id = 2; COMMIT")

        await switch_over(move, move.source, limit=PATIENT, on_stage=during)
    assert seen == [REFUSAL]
    assert await same(move)
    assert (
        await value(move.target, "SELECT count(*) FROM s.items WHERE title IN ('under way', 'and on')") == 2
    )


WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
WAITING_FOR_A_TABLE = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND NOT granted"


async def test_a_writer_that_does_not_end_makes_the_switch_be_taken_back(move: Move) -> None:
    async with connection(move.source, read_only=False) as writer:

        async def during(stage: str) -> None:
            if stage == "fence":
                await writer.execute("BEGIN; UPDATE s.items SET title = 'for ever' WHERE id = 1")

        with pytest.raises(AbortedError):
            await switch_over(move, move.source, limit=1, on_stage=during)
        assert await refused(move.source, INSERT) == "", "the source goes on"
        await writer.execute("COMMIT")
    assert await refused(move.target, NO_ROW) == REFUSAL
    await switch_over(move, move.source, limit=PATIENT)
    assert await same(move)


async def test_an_old_writer_is_told_with_its_pid_and_nobody_is_fenced(move: Move) -> None:
    stages: list[str] = []

    async def hear(stage: str) -> None:
        stages.append(stage)

    async with connection(move.source, read_only=False) as writer:
        await writer.execute("BEGIN; UPDATE s.items SET title = 'for ever' WHERE id = 1")
        await asyncio.sleep(1.1)
        with pytest.raises(RefusedError) as refused:
            await switch_over(move, move.source, limit=PATIENT, on_stage=hear)
    assert str(refused.value).count(f"pid {writer.get_server_pid()} ") == 1
    assert stages == ["warm"]


async def test_a_manual_vacuum_is_told(move: Move) -> None:
    psql = {"application_name": "psql"}
    async with connection(move.source, read_only=False, settings=psql) as maintainer:
        # a VACUUM's lock without the length of one
        await maintainer.execute("BEGIN; LOCK TABLE s.owners IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(RefusedError, match=rf"maintenance: pid {maintainer.get_server_pid()} "):
            await switch_over(move, move.source, limit=PATIENT)


async def test_what_carries_changes_is_no_maintenance(move: Move) -> None:
    """It holds the chunks of a real hypertable still while it reads them."""
    async with (
        connection(move.source, read_only=False) as follower,
        open_link(move, move.source) as link,
    ):
        await follower.execute("BEGIN; LOCK TABLE s.owners IN SHARE UPDATE EXCLUSIVE MODE")
        assert [line.text for line in await look(link.steward, link) if not line.ok] == []


async def test_who_passes_no_gate_is_carried_too(move: Move) -> None:
    """A writer into a chunk that is newer than capture, which has no gate: the table's lock waits for it."""
    await run_sql(
        move.source,
        "CREATE TABLE chunks.items_9 PARTITION OF s.items FOR VALUES FROM ('2025-09-01Z') TO ('2025-10-01Z')",
        "INSERT INTO s.items VALUES (1, '2025-09-03Z', 'in it', 1, DEFAULT, 1)",
        "ALTER TABLE chunks.items_9 DISABLE TRIGGER audit",  # it would lead the writer to a gate
    )
    async with connection(move.source, read_only=False) as writer:

        async def during(stage: str) -> None:
            if stage == "sequences":
                await writer.execute("BEGIN; UPDATE chunks.items_9 SET title = 'late'")
            if stage == "close":
                ending.append(asyncio.ensure_future(end()))

        async def end() -> None:
            await until(lambda: value(move.source, WAITING_FOR_A_TABLE))
            await writer.execute("COMMIT")

        ending: list[asyncio.Task[None]] = []
        await switch_over(move, move.source, limit=PATIENT, on_stage=during)
        await ending[0]
    assert await value(move.target, "SELECT count(*) FROM s.items WHERE title = 'late'") > 0
    assert await same(move)


@pytest.mark.parametrize(
    "ddl",
    [
        "ALTER TABLE s.items ADD COLUMN extra text",
        "ALTER TABLE s.owners DROP COLUMN name",
        "CREATE TABLE s.further (id integer PRIMARY KEY)",
        "DROP TRIGGER audit ON s.items",
        "ALTER TABLE s.items DISABLE TRIGGER wsdash_log",
        "DROP TRIGGER wsdash_gate ON s.owners",
        "ALTER TABLE s.owners DISABLE TRIGGER USER",
    ],
)
async def test_a_change_of_the_schema_stops_the_switch(move: Move, ddl: str) -> None:
    await run_sql(move.source, ddl)
    with pytest.raises(RefusedError):
        await switch_over(move, move.source, limit=PATIENT)
    assert await refused(move.source, "DELETE FROM s.notes") == ""


async def test_a_lost_answer_to_the_close_is_asked_for(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Fence.commit

    async def lost(fence: Fence) -> None:
        await commit(fence)
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(Fence, "commit", lost)
    assert (await switch_over(move, move.source, limit=PATIENT)).opened == move.target
    assert await same(move)


async def test_a_close_that_never_arrived_is_taken_back(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(fence: Fence) -> None:
        fence.session.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(Fence, "commit", lost)
    with pytest.raises(AbortedError):
        await switch_over(move, move.source, limit=PATIENT)
    assert await refused(move.source, INSERT) == ""
    assert await resume(move) is None


async def test_both_open_is_an_alarm(move: Move) -> None:
    await run_sql(move.target, "UPDATE wsdash.online SET state = 'open'")
    with pytest.raises(RefusedError, match="BOTH"):
        await read_move_state(move.source, move.target)
    with pytest.raises(RefusedError, match="BOTH"):
        await resume(move)
    with pytest.raises(RefusedError):
        await carry(move)


async def test_changes_are_not_carried_out_of_a_side_that_was_left(move: Move) -> None:
    await switch_over(move, move.source, limit=PATIENT)
    with pytest.raises(RefusedError):
        await carry(move, move.source)
