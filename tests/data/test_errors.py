"""The one translator: each kind of failure has one answer, in the server's words."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.data.database_faults import FAULTS
from tests.support.servers import running_server
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import (
    UNREACHABLE,
    Fault,
    ServerErrors,
    describe,
    describe_connecting,
    fault_of,
    session_lives,
    words_of,
)
from wsdash.data.pg.transfer import Pipe, Stream, transfer
from wsdash.errors import DefectError, UnreachableError, WsdashError

SERVER = Endpoint("pg18", "db.example", 5433, "workspace", "u")


@pytest.mark.parametrize("name", FAULTS)
def test_each_error_has_its_kind_and_its_class(name: str) -> None:
    make, fault = FAULTS[name]
    error = make()
    assert fault_of(error) is fault
    told = describe(error, SERVER, "reading s.t")
    assert isinstance(told, UnreachableError) == (fault in UNREACHABLE)
    assert isinstance(told, DefectError) == (fault is Fault.DEFECT)
    assert told.what.startswith("reading s.t: ")
    assert told.where == SERVER.address
    assert told.remedy
    assert "state 11" not in str(told)
    assert "protocol state" not in str(told)


@pytest.mark.parametrize("name", FAULTS)
def test_what_keeps_a_session_from_opening_is_unreachable_unless_it_is_our_bug(name: str) -> None:
    make, fault = FAULTS[name]
    told = describe_connecting(make(), SERVER, SERVER.address)
    assert isinstance(told, DefectError if fault is Fault.DEFECT else UnreachableError)


def test_a_bug_of_ours_asks_for_a_report_and_never_to_look_after_the_server() -> None:
    told = describe(FAULTS["misuse"][0](), SERVER, "reading s.t")
    assert "bug of wsdash" in told.remedy
    assert "server runs" not in str(told)


def test_a_server_that_starts_is_waited_for_and_its_address_not_doubted() -> None:
    told = describe_connecting(FAULTS["starting"][0](), SERVER, SERVER.address)
    assert "wait" in told.remedy
    assert "correct" not in told.remedy
    assert "starting up" in told.what


def _raised(error: Exception, while_handling: Exception, *, cause: bool) -> Exception:
    try:
        try:
            raise while_handling
        except Exception as first:
            raise error from (first if cause else None)
    except Exception as second:
        return second


def test_the_servers_reason_is_found_behind_the_drivers() -> None:
    shutdown, state = FAULTS["shutdown"][0](), FAULTS["driver's state"][0]()
    assert words_of(_raised(state, shutdown, cause=False)) == "the server ended the session"
    assert "administrator command" in words_of(_raised(state, shutdown, cause=True))


def test_misuse_while_another_error_is_handled_stays_our_bug() -> None:
    error = _raised(FAULTS["misuse"][0](), FAULTS["denied"][0](), cause=True)
    assert fault_of(error) is Fault.DEFECT
    assert not session_lives(error)


def test_what_is_described_already_and_what_is_no_ones_error_pass_through() -> None:
    for error in (WsdashError("known"), KeyError("x")):
        with pytest.raises(type(error)) as caught, ServerErrors(SERVER, "reading"):
            raise error
        assert caught.value is error


async def test_a_real_misuse_of_a_real_session_is_our_bug(source: Endpoint) -> None:
    async with connection(source, read_only=True) as conn:
        await conn.execute("BEGIN")
        with pytest.raises(DefectError), ServerErrors(conn, "reading"):
            async with conn.transaction():
                pytest.fail("a transaction object on a session that a literal BEGIN began")
        with pytest.raises(DefectError) as told, ServerErrors(conn, "reading"):
            await conn.fetch("SELECT $1::int", 1, 2)
    assert source.address == told.value.where


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGKILL])
async def test_a_real_server_killed_in_mid_copy_is_described_in_plain_words(
    source: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    many = "SELECT n AS id, repeat('x', 3000) AS x FROM generate_series(1, 20000) n"
    real = Pipe.put
    with running_server(18, tmp_path) as server:
        target = await server.fresh_database()
        async with connection(source, read_only=True) as old, connection(target, read_only=False) as new:
            await new.execute("CREATE TABLE public.t (id int, x text)")
            backend = new.get_server_pid()

            async def deadly(self: Pipe, data: bytes) -> None:
                await real(self, data)
                if how is signal.SIGQUIT and server.process is not None:
                    await asyncio.to_thread(server.stop, how)
                elif how is signal.SIGKILL:
                    with suppress(ProcessLookupError):
                        os.kill(backend, how)

            monkeypatch.setattr(Pipe, "put", deadly)
            stream = Stream("t", many, "public", "t", ("id", "x"), "text")
            with pytest.raises(UnreachableError) as told:
                await transfer((source, old), (target, new), stream, lambda _: None)
            with pytest.raises(UnreachableError) as again, ServerErrors(new, "ending the copy"):
                await new.fetchval("SELECT 1")
    for one in (told.value, again.value):
        assert "the connection to pg18 was lost" in one.what
        assert "state" not in one.what
        assert one.where == target.address
