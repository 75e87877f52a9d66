"""Whatever a server or the driver raises, at whatever statement, every function of `data` gives one answer.

The errors are put in at the driver's own methods, before real servers; which functions there are is read from
what the other rooms import.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import wsdash
from tests.data.copying import catalog_of, ignore, prepare, request_of, run_sql
from tests.data.database_faults import FAULTS
from tests.data.mapping_world import MAPPING, SOURCE, TARGET
from tests.data.online.calls import ELSEWHERE as ONLINE_ELSEWHERE
from tests.data.online.calls import LETTING_GO, MOVES
from tests.data.online.world import make_move
from tests.support.servers import Server
from wsdash.data.backup.take import keep_copy, take_backup
from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.copy.manifest import inspect_target, tables_with_rows
from wsdash.data.copy.run import copied_state, copy_tables
from wsdash.data.copy.seed_recognition import unknown_rows
from wsdash.data.mapping.check import fit, understood_by_source
from wsdash.data.mapping.file import load_mapping
from wsdash.data.mapping.keys import serial_values
from wsdash.data.mapping.seed_rows import changed_seed_rows, note_seed_rows, read_seed_rows
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import UNREACHABLE, Fault
from wsdash.data.rehearsal.ddl import rehearse_ddl
from wsdash.data.rehearsal.trial_database import find_trial, read_mark
from wsdash.data.restore.run import prove_backup, restore_backup
from wsdash.data.restore.source import restore_missing_into_source
from wsdash.data.schema.apply import apply_file, ensure_schema
from wsdash.data.schema.ddl import post_data, pre_data, sequence_values
from wsdash.data.tables.read import count_of
from wsdash.data.timescaledb.jobs import read_jobs, scheduled_jobs
from wsdash.data.verify.checksum import checksum_table
from wsdash.data.verify.run import verify_tables
from wsdash.errors import DefectError, UnreachableError, WsdashError

SMALL = (
    "CREATE SCHEMA s; CREATE TABLE s.t (id serial PRIMARY KEY, x text UNIQUE CHECK (x <> ''));"
    "CREATE VIEW s.v AS SELECT x FROM s.t; INSERT INTO s.t (x) SELECT n::text FROM generate_series(1, 50) n"
)
METHODS = (
    "execute",
    "fetch",
    "fetchrow",
    "fetchval",
    "executemany",
    "prepare",
    "copy_from_query",
    "copy_to_table",
)
OF_CONNECTING = "AS pid,"
"""What only opening a session asks (pooler.py): its errors are described as such, see test_errors.py."""


class Injection:
    """Raises an error at the driver's call number `at` (from 0) and all after it; counts the calls."""

    def __init__(self, make: Callable[[], Exception] | None = None, at: int = 0) -> None:
        self.make, self.at, self.calls = make, at, 0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for name in METHODS:
            patch.setattr(asyncpg.Connection, name, self._around(getattr(asyncpg.Connection, name)))

    def _around(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(conn: asyncpg.Connection, *args: Any, **kwargs: Any) -> Any:
            if not (args and OF_CONNECTING in str(args[0])):
                self.calls += 1
                if self.make is not None and self.calls > self.at:
                    raise self.make()
            return await real(conn, *args, **kwargs)

        return call


class World:
    """Two databases and a backup, ready for any of the functions."""

    def __init__(self, source: Endpoint, target: Endpoint, catalog: Catalog, directory: Path) -> None:
        self.source, self.target, self.catalog, self.directory = source, target, catalog, directory
        self.backup: Path = directory
        self.fresh = 0

    def folder(self) -> Path:
        self.fresh += 1
        return self.directory / str(self.fresh)


async def _on(endpoint: Endpoint, work: Callable[[asyncpg.Connection], Awaitable[Any]]) -> None:
    async with connection(endpoint, read_only=False) as conn:
        await work(conn)


async def _restore_source(world: World) -> None:
    await restore_missing_into_source(world.backup, world.source, item="i", on_progress=ignore)


async def _restore(world: World) -> None:
    await restore_backup(world.backup, world.target, replace=True, item="i", on_progress=ignore)


async def _fit(world: World) -> None:
    async with (
        connection(world.source, read_only=True) as old,
        connection(world.target, read_only=True) as new,
    ):
        sides = (old, await read_catalog(old, "workspace")), (new, await read_catalog(new, "workspace"))
        await fit(load_mapping(MAPPING), *sides)


async def _apply_file(world: World) -> None:
    path = world.directory / "schema.sql"
    path.write_text("CREATE SCHEMA IF NOT EXISTS other; CREATE TABLE IF NOT EXISTS other.t (x int);")
    await _on(world.target, lambda conn: apply_file(conn, path))


async def _changed(world: World) -> None:
    async def work(conn: asyncpg.Connection) -> None:
        await note_seed_rows(conn, world.catalog.tables)
        await changed_seed_rows(conn)

    await _on(world.target, work)


async def _understood(world: World) -> None:
    async def work(conn: asyncpg.Connection) -> None:
        await understood_by_source(conn, load_mapping(MAPPING), await read_catalog(conn, "workspace"))

    await _on(world.source, work)


CALLS: dict[Callable[..., Any], Callable[[World], Awaitable[Any]]] = {
    apply_file: _apply_file,
    ensure_schema: lambda w: _on(
        w.target, lambda c: ensure_schema(c, [*pre_data(w.catalog), *post_data(w.catalog)])
    ),
    take_backup: lambda w: take_backup(w.source, "s", w.folder(), item="i", on_progress=ignore),
    keep_copy: lambda w: keep_copy(w.target, "s", w.folder(), item="i", on_progress=ignore),
    prove_backup: lambda w: prove_backup(w.backup, w.target, item="i", on_progress=ignore),
    read_catalog: lambda w: _on(w.source, lambda c: read_catalog(c, "s")),
    count_of: lambda w: count_of(w.source, "s", "t"),
    checksum_table: lambda w: _on(w.source, lambda c: checksum_table(c, w.catalog.tables[0])),
    copied_state: lambda w: _on(
        w.target, lambda c: copied_state(c, w.catalog.tables, "r", post_data(w.catalog))
    ),
    copy_tables: lambda w: copy_tables(
        replace(request_of(w.source, w.target, w.catalog), force=True), ignore
    ),
    sequence_values: lambda w: _on(w.source, lambda c: sequence_values(c, w.catalog)),
    inspect_target: lambda w: _on(w.target, lambda c: inspect_target(c, w.catalog.tables, "r")),
    serial_values: lambda w: _on(w.target, lambda c: serial_values(c, w.catalog.tables)),
    tables_with_rows: lambda w: _on(w.target, lambda c: tables_with_rows(c, w.catalog.tables)),
    rehearse_ddl: lambda w: rehearse_ddl(w.source, "s", w.target),
    find_trial: lambda w: find_trial(w.target),
    read_mark: lambda w: _on(w.target, read_mark),
    read_jobs: lambda w: _on(w.source, lambda c: read_jobs(c, "s")),
    scheduled_jobs: lambda w: scheduled_jobs(w.source, "s"),
    fit: _fit,
    note_seed_rows: lambda w: _on(w.target, lambda c: note_seed_rows(c, w.catalog.tables)),
    unknown_rows: lambda w: _on(w.target, lambda c: unknown_rows(c, w.catalog.tables)),
    read_seed_rows: lambda w: _on(w.target, read_seed_rows),
    changed_seed_rows: _changed,
    understood_by_source: _understood,
    restore_backup: _restore,
    restore_missing_into_source: _restore_source,
    verify_tables: lambda w: verify_tables(
        w.source, w.target, w.catalog.tables, on_table=lambda _: None, workers=2
    ),
}
CLEANING_UP = {prove_backup: 1}
"""Statements after the work is done, whose server may be gone: the scratch database is dropped next time."""
MANY_STATEMENTS = 12
FEW = ("misuse", "driver's state", "reset", "late", "starting", "denied")
"""The errors that functions of many statements are tried with, whose every call costs a second."""
NO_STATEMENT = {"check_backup", "connection", "open_connection", "close_politely", "read_anew"}
"""Reads only files; only opens or closes a session (test_errors.py); only calls what it is handed."""
ELSEWHERE = {
    "transaction": "raises what the driver raises, for the caller to describe (test_transactions.py)",
    "open_snapshot": "test_snapshot.py",
    "begin_trial": "every statement of it is the last one once in test_trial_database.py",
    "end_trial": "the same",
    "pause_jobs": "wants a real TimescaleDB: timescaledb/test_jobs.py",
    "resume_jobs": "the same",
    "recognise_seed_rows": "an error of the file's second run is its answer (test_seed_recognition.py)",
    "examine": "raises what the driver raises, for the caller to describe",
    "rehearse_between": "what rehearse_ddl does over open sessions",
    "empty_tables": "would take the rows away that the others read; its errors are described by decorator",
}


def _imported_elsewhere() -> set[str]:
    """The async functions of `data` that another room imports, as module.name."""
    root = Path(wsdash.__file__).parent
    found = set()
    for file in root.rglob("*.py"):
        if "data" in file.relative_to(root).parts[:1]:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wsdash.data"):
                module = import_module(node.module or "")
                for name in node.names:
                    work = inspect.unwrap(getattr(module, name.name))
                    if inspect.iscoroutinefunction(work) or inspect.isasyncgenfunction(work):
                        found.add(work.__name__)
    return found


def test_every_function_that_another_room_calls_is_in_the_table() -> None:
    known = NO_STATEMENT | ELSEWHERE.keys() | ONLINE_ELSEWHERE.keys()
    assert _imported_elsewhere() - known <= {inspect.unwrap(work).__name__ for work in [*CALLS, *MOVES]}


async def _world(pg16: Server, pg18: Server, directory: Path) -> World:
    source, target = await pg16.fresh_database(), await pg18.fresh_database()
    await run_sql(source, SMALL, SOURCE)
    await run_sql(target, TARGET.read_text())
    catalog = await catalog_of(source)
    await prepare(source, target)
    made = World(source, target, catalog, directory)
    await copy_tables(request_of(source, target, catalog), ignore)
    made.backup = (await take_backup(source, "s", made.folder(), item="i", on_progress=ignore)).path
    return made


@pytest.fixture(scope="module")
def world(pg16: Server, pg18: Server, tmp_path_factory: pytest.TempPathFactory) -> World:
    return asyncio.run(_world(pg16, pg18, tmp_path_factory.mktemp("faults")))


def _is_the_answer(error: WsdashError | None, fault: Fault) -> bool:
    if error is None:
        # a function may do without one statement's answer, never without its session
        return fault not in UNREACHABLE | {Fault.DEFECT}
    if not (error.what and error.remedy):
        return False
    if fault is Fault.DEFECT:
        return isinstance(error, DefectError) and "bug of wsdash" in error.remedy
    return isinstance(error, UnreachableError) if fault in UNREACHABLE else not isinstance(error, DefectError)


async def _outcome(work: Awaitable[Any]) -> WsdashError | None:
    try:
        await work
    except WsdashError as error:
        return error
    return None


async def _try_everything(
    call: Callable[[], Awaitable[Any]], after: int, patches: pytest.MonkeyPatch
) -> None:
    """Every error at the call's first, a middle and its last statement. after: statements of cleaning up."""
    healthy = Injection()
    with patches.context() as patch:
        healthy.install(patch)
        await call()
    assert healthy.calls
    tried = FAULTS if healthy.calls <= MANY_STATEMENTS else {name: FAULTS[name] for name in FEW}
    for number, (name, (make, fault)) in enumerate(tried.items()):
        last = healthy.calls - 1 - after
        at = (0, last // 2, last)[number % 3]
        with patches.context() as patch:
            Injection(make, at).install(patch)
            error = await _outcome(call())
        assert _is_the_answer(error, fault), f"{name} at statement {at}: {type(error)} {error}"


@pytest.mark.parametrize("work", CALLS, ids=lambda work: work.__name__)
async def test_every_error_at_the_first_a_middle_and_the_last_statement_has_its_answer(
    world: World, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await _try_everything(lambda: CALLS[work](world), CLEANING_UP.get(work, 0), monkeypatch)


@pytest.fixture(scope="module")
def move(pg16: Server, pg18: Server) -> Move:
    async def made() -> Move:
        return await make_move(await pg16.fresh_database(), await pg18.fresh_database())

    return asyncio.run(made())


@pytest.mark.parametrize("work", MOVES, ids=lambda work: work.__name__)
async def test_so_has_every_function_of_the_online_move(
    move: Move, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await MOVES[work](move)  # what the others left is carried now, and not by the call that is counted
    await _try_everything(lambda: MOVES[work](move), LETTING_GO.get(work, 0), monkeypatch)
