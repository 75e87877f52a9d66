"""The control socket: one reply an intent, several screens at a time, nothing malformed gets in."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsdash.engine.operator import control
from wsdash.engine.operator.control import ControlClient, ControlServer
from wsdash.errors import RefusedError, UnreachableError
from wsdash.model import Intent, Reply
from wsdash.runtime import socket_path


class Seen:
    """What reached the engine."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []

    async def handle(self, intent: Intent) -> Reply:
        self.intents.append(intent)
        if intent.do == "rollback":
            raise RefusedError("no", where="here", remedy="do this")
        if intent.do == "pause":
            await asyncio.sleep(3600)
        return Reply(True, intent.item)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def server(tmp_path: Path, seen: Seen) -> AsyncIterator[ControlServer]:
    async with ControlServer(tmp_path, seen.handle) as running:
        yield running


async def raw(path: Path, data: bytes) -> list[Reply]:
    """Every reply to these bytes, until the server closes or falls silent."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(data)
    writer.write_eof()
    text = await asyncio.wait_for(reader.read(), 90)
    writer.close()
    return [Reply(**json.loads(line)) for line in text.splitlines()]


@pytest.mark.usefixtures("server")
async def test_an_intent_arrives_whole_and_is_answered(tmp_path: Path, seen: Seen) -> None:
    intent = Intent("confirm", "review", who="Änne", note='said "yes"\n', options={"a": [1]})
    assert await ControlClient(tmp_path).send(intent) == Reply(True, "review")
    assert seen.intents == [intent]


@pytest.mark.usefixtures("server")
async def test_many_screens_are_answered_at_once(tmp_path: Path, seen: Seen) -> None:
    stuck = asyncio.create_task(ControlClient(tmp_path).send(Intent("pause"), timeout=5))
    items = [f"item-{number}" for number in range(20)]
    replies = await asyncio.gather(*(ControlClient(tmp_path).send(Intent("skip", name)) for name in items))
    assert [reply.text for reply in replies] == items
    stuck.cancel()


@pytest.mark.usefixtures("server")
async def test_a_refusal_is_told_with_its_remedy(tmp_path: Path) -> None:
    reply = await ControlClient(tmp_path).send(Intent("rollback"))
    assert reply == Reply(False, "no | here | do this")


@pytest.mark.parametrize("line", [b"hello", b"[]", b'{"item": "x"}', b'{"do": 5}', b"\xff\xfe", b""])
async def test_malformed_input_is_refused_and_the_next_line_still_heard(
    server: ControlServer, seen: Seen, line: bytes
) -> None:
    replies = await raw(server.path, line + b'\n{"do": "ping", "item": "after"}\n')
    assert [reply.ok for reply in replies] == [False, True]
    assert [intent.item for intent in seen.intents] == ["after"]


async def test_an_endless_line_is_refused(server: ControlServer, seen: Seen) -> None:
    replies = await raw(server.path, b"x" * (control.LONGEST_LINE + 10) + b"\n")
    assert [reply.ok for reply in replies] == [False]
    assert seen.intents == []


async def test_a_line_that_drips_in_is_given_up(
    server: ControlServer, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LINE_SECONDS", 0.2)
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(b'{"do": "pause')
    reply = await asyncio.wait_for(reader.readline(), 90)
    assert json.loads(reply)["ok"] is False
    writer.close()
    assert seen.intents == []


async def test_a_client_that_says_nothing_yet_stays(
    server: ControlServer, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LINE_SECONDS", 0.1)
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    await asyncio.sleep(0.3)
    writer.write(b'{"do": "skip", "item": "a"}\n')
    assert json.loads(await asyncio.wait_for(reader.readline(), 90))["ok"] is True
    writer.close()
    assert len(seen.intents) == 1


@pytest.mark.parametrize(
    "line", [b"[" * 5000, b'{"do":"skip","options":' + b'{"a":' * 3000 + b"1" + b"}" * 3001, b'{"do":1e999}']
)
async def test_a_deep_or_impossible_intent_is_refused(server: ControlServer, seen: Seen, line: bytes) -> None:
    [reply] = await raw(server.path, line + b"\n")
    assert reply.ok is False
    assert seen.intents == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_answered_or_refused(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    async def talk() -> None:
        seen = Seen()
        async with ControlServer(tmp_path_factory.mktemp("fuzz"), seen.handle) as running:
            replies = await raw(running.path, b"\n".join(lines) + b'\n{"do": "skip", "item": "last"}\n')
            assert replies[-1].ok or replies[-1].text
            assert [intent.item for intent in seen.intents][-1:] == ["last"]

    asyncio.run(talk())


async def test_the_socket_is_for_its_owner_alone(server: ControlServer) -> None:
    assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(server.path.parent).st_mode) == 0o700


async def test_another_user_is_sent_away_unheard(
    server: ControlServer, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*_: object) -> bytes:
        return struct.pack("3i", 1, os.getuid() + 4711, 1)

    monkeypatch.setattr(control, "peer_credentials", other)
    replies = await raw(server.path, b'{"do": "ping"}\n')
    assert [reply.ok for reply in replies] == [False]
    assert seen.intents == []


async def test_without_an_engine_the_client_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="--state"):
        await ControlClient(tmp_path).send(Intent("ping"))


@pytest.mark.usefixtures("server")
async def test_an_engine_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        await ControlClient(tmp_path).send(Intent("pause"), timeout=0.2)


async def test_a_socket_left_by_a_dead_engine_is_replaced(tmp_path: Path, seen: Seen) -> None:
    path = socket_path(tmp_path, "control")
    path.write_text("left behind")
    async with ControlServer(tmp_path, seen.handle):
        assert (await ControlClient(tmp_path).send(Intent("ping"))).ok
    assert not path.exists()
