"""`wsdash verify` compares anew whenever it is asked, and tells rows that moved from rows that are wrong."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from wsdash.config import Settings, load_settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.errors import InputError
from wsdash.model import TableVerified
from wsdash.model.run import DIFFERS, EQUAL, MOVING
from wsdash.steps.database.verify import judge, verify_now

TABLE = (
    "create schema s; create table s.t (id int primary key, v text);insert into s.t values (1, 'a'), (2, 'b')"
)


def _settings(source: Endpoint, target: Endpoint) -> Settings:
    settings = load_settings()
    sides = {
        name: msgspec.structs.replace(
            getattr(settings, name),
            host=place.host,
            port=place.port,
            database=place.database,
            user=place.user,
            password_env=place.password_env,
            schema="s",
        )
        for name, place in (("source", source), ("target", target))
    }
    return msgspec.structs.replace(settings, **sides)


async def _run(place: Endpoint, sql: str) -> None:
    async with connection(place, read_only=False) as conn:
        await conn.execute(sql)


def _seen(source: str, target: str, *differences: str) -> TableVerified:
    return TableVerified("s.t", 2, 2, source, target, source == target, differences)


def test_a_difference_on_sides_at_rest_stands() -> None:
    verdict = judge(_seen("a", "b", "id=1"), _seen("a", "b", "id=1"))
    assert (verdict.how, verdict.written, verdict.differences) == (DIFFERS, (), ("id=1",))


def test_a_difference_that_is_gone_had_moved() -> None:
    verdict = judge(_seen("a", "b", "id=1"), _seen("c", "c"))
    assert (verdict.how, verdict.written, verdict.moved) == (EQUAL, ("source", "target"), 1)


def test_of_a_moving_table_only_what_was_seen_twice_stands() -> None:
    verdict = judge(_seen("a", "b", "id=1", "id=2"), _seen("c", "b", "id=1", "id=3"))
    assert (verdict.how, verdict.differences, verdict.moved) == (DIFFERS, ("id=1",), 2)
    assert judge(_seen("a", "b", "id=1"), _seen("c", "b", "id=2")).how == MOVING


async def test_each_time_it_is_asked_the_rows_are_read(source: Endpoint, target: Endpoint) -> None:
    settings = _settings(source, target)
    with pytest.raises(InputError, match="has no table to compare"):
        await verify_now(settings)
    for place in (source, target):
        await _run(place, TABLE)
    assert [one.how for one in await verify_now(settings, pause=0)] == [EQUAL]
    await _run(target, "update s.t set v = 'x' where id = 2")
    (verdict,) = await verify_now(settings, pause=0)
    assert verdict.how == DIFFERS
    assert "id='2'" in verdict.differences[0]


async def test_a_row_that_is_carried_over_meanwhile_is_no_fault(source: Endpoint, target: Endpoint) -> None:
    for place in (source, target):
        await _run(place, TABLE)
    await _run(source, "insert into s.t values (3, 'late')")
    first = asyncio.Event()

    async def follow() -> None:
        await first.wait()
        await _run(target, "insert into s.t values (3, 'late')")

    task = asyncio.create_task(follow())
    (verdict,) = await verify_now(_settings(source, target), lambda _: first.set(), pause=2.0)
    await task
    assert (verdict.how, verdict.written, verdict.moved) == (EQUAL, ("target",), 1)
