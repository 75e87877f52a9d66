"""Names in a live catalog and answers of a live API that would act on a terminal: shown, and harmless."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cli.test_hostile_text import ATTACKS, HOSTILE, ON_THE_WIRE
from tests.support.terminal import Terminal
from tests.support.world import World
from wsdash.data.pg.sql import ident, literal
from wsdash.outside import HARMFUL

NAMES = {kind: f"MARK {text}"[:40] for kind, text in ATTACKS.items()}
"""PostgreSQL takes any character but NUL; names end at 63 bytes."""
LISTED = """
select string_agg(name, ' ' order by name collate "C") from (
  select relname::text as name from pg_class where relnamespace = 'workspace'::regnamespace
  union select conname from pg_constraint
    where connamespace = 'workspace'::regnamespace and contype <> 'n'
  union select attname from pg_attribute join pg_class on pg_class.oid = attrelid
    where relnamespace = 'workspace'::regnamespace and attnum > 0
) one where name like '%MARK%'
""".strip()
"""Version 18 keeps NOT NULL ('n') among the constraints, under names of its own."""
ROLE = f"MARK {ATTACKS['clipboard']}"


def hostile_objects() -> str:
    """A table for each attack, and each attack once more as a column, constraint, index, label, comment."""
    made = [f"create role {ident(ROLE)} nologin"]
    for kind, name in NAMES.items():
        table = f"workspace.{ident(name)}"
        made += [
            f"create type workspace.{ident('e ' + name)} as enum ({literal(name)}, 'x')",
            f"create table {table} (id int primary key, {ident(name)} text, "
            f"e workspace.{ident('e ' + name)}, constraint {ident('c ' + name)} check (id > 0))",
            f"create index {ident('i ' + name)} on {table} ({ident(name)})",
            f"comment on table {table} is {literal(HOSTILE)}",
            f"grant select on {table} to {ident(ROLE)}",
            f"insert into {table} values (1, {literal(HOSTILE)}, {literal(name)})",
        ]
        assert kind
    return ";\n".join(made)


def assert_harmless(text: str) -> None:
    found = HARMFUL.search(text)
    assert found is None, text[max(0, found.start() - 200) : found.end() + 50]
    assert "Traceback" not in text
    assert "bug of wsdash" not in text


class _Hostile(BaseHTTPRequestHandler):
    """Answers every request with attacks: in the reason, the headers, the fields and the values."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps(
            {
                "status": "unhealthy" + HOSTILE,
                "message": HOSTILE + "MARK",
                "checks": {HOSTILE + "MARK": {"status": HOSTILE, "message": HOSTILE + "MARK"}},
                HOSTILE: [HOSTILE],
            }
        ).encode()
        self.wfile.write(b"HTTP/1.1 503 \x1b]52;c;aGk=\x07\r\n")
        self.wfile.write(
            b"RateLimit-Policy: 120;w=60;" + HOSTILE.encode("utf-8", "ignore").replace(b"\r", b"")
        )
        self.wfile.write(b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def hostile_api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_hostile_names_in_the_catalog_are_carried_as_they_are_and_shown_harmless(world: World) -> None:
    world.source(hostile_objects())
    program = world.program
    for words in (["schema"], ["migrate", "--dry-run"], ["migrate", "--yes", "--until", "verify-data"]):
        done = program.run(*words)
        assert_harmless(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.source(LISTED) == world.target(LISTED)
    for words in (["status"], ["report"], ["doctor"], ["verify"], ["schema"]):
        done = program.run(*words)
        assert_harmless(done.stdout + done.stderr)
        assert words in (["status"], ["doctor"]) or "MARK" in done.stdout, words
    terminal = Terminal(program.argv("run"), program.env(), 160, 48)
    try:
        terminal.wait_for("OPERATOR")
        terminal.wait_for("MARK")
        for key in ("s", "\x1b", "d", "\x1b", "e", "\x1b", "\t", "\t", "z", "\x1b"):
            terminal.press(key)
            terminal.settle(terminal.received())
        raw = terminal.received()
    finally:
        terminal.end()
    assert [attack for attack in ON_THE_WIRE if attack in raw] == []
    assert b"Traceback" not in raw


def test_a_hostile_api_is_told_in_its_words_without_their_effect(world: World, hostile_api: str) -> None:
    program = world.program
    program.environment |= {"WSDASH__API__NEW": hostile_api}
    for words in (["doctor"], ["migrate", "--yes", "--until", "start-stack"], ["status"], ["report"]):
        done = program.run(*words)
        assert_harmless(done.stdout + done.stderr)
        assert words != ["doctor"] or "MARK" in done.stdout, done.stdout
    terminal = Terminal(program.argv("run"), program.env(), 160, 48)
    try:
        terminal.wait_for("OPERATOR")
        terminal.wait_for("api-new")
        for key in ("e", "\x1b", "A", "\x1b", "t", "\x1b"):
            terminal.press(key)
            terminal.settle(terminal.received())
        raw = terminal.received()
    finally:
        terminal.end()
    assert [attack for attack in ON_THE_WIRE if attack in raw] == []
    assert b"Traceback" not in raw
