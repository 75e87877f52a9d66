"""One rehearsal from its beginning to its end; what was found is in the journal then.

A round goes from the start of the stack to the API's tests, and back. Where the target cannot be started or
lent, its schema at least is tried, on a scratch server of its version.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from dataclasses import dataclass

import msgspec

from wsdash.data.copy.manifest import empty_tables, inspect_target, tables_with_rows
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transfer import server_words
from wsdash.data.rehearsal.ddl import rehearse_ddl
from wsdash.data.rehearsal.trial_database import begin_trial
from wsdash.data.schema.apply import ensure_schema
from wsdash.data.schema.ddl import post_data, pre_data
from wsdash.data.snapshot.chunk_states import MovedError, read_anew
from wsdash.data.snapshot.hold import open_snapshot
from wsdash.data.tables.shape import Table, source_tables
from wsdash.data.verify.checksum import checksum_table
from wsdash.engine.outlook import forecast
from wsdash.engine.rehearsal.stage import (
    MemoryFacts,
    RehearsalFinds,
    RehearsalStage,
    ResourceMeter,
    StoppedError,
)
from wsdash.engine.rehearsal.tidy import Before, Tidy
from wsdash.engine.run.perform import check_act_check
from wsdash.errors import WsdashError
from wsdash.model import REHEARSAL, Notice, RehearsalOutcome, RehearsalProgress, Rehearsed, StepId
from wsdash.steps.base import StepContext, endpoint
from wsdash.steps.database.scope import read_scope, read_side, written_tables
from wsdash.steps.services.readiness import needs_schema
from wsdash.tasks import finished_though_cancelled, task_group

AGAIN = "then rehearse again"


@dataclass
class Round:
    """number: which round, of how many. api: the container that uses the target's database, once known."""

    stage: RehearsalStage
    tidy: Tidy
    found: RehearsalFinds
    before: Before
    meter: ResourceMeter
    number: tuple[int, int]
    api: str = ""

    async def run(self) -> None:
        """Raises StoppedError when an item could not be done; all is given back first."""
        await self.tidy.note(self.before)
        try:
            await self._forth()
        finally:
            await self._show("cleaning-up")
            self.found.left = await finished_though_cancelled(self.tidy.give_back(self.before, self.api))

    async def _show(self, doing: str) -> None:
        await self.stage.recorder.record(RehearsalProgress(self.found.id, doing, *self.number))

    async def _forth(self) -> None:
        found, stage = self.found, self.stage
        found.facts = MemoryFacts()
        await self._item(StepId.START_STACK, stage.context(found), measured=not self.before.running)
        await self._set_aside()
        await self._item(StepId.INIT_NEON, stage.context(found))
        tables = (await read_scope(stage.settings)).tables
        await read_anew(lambda: self._copied_and_compared(tables), found.notes.append)
        await self.meter.weigh_database()
        await self._see_movement(tables)
        await self._item(StepId.TEST_API, stage.context(found))

    async def _copied_and_compared(self, tables: tuple[Table, ...]) -> None:
        """Both in one snapshot of the source. Raises MovedError when its chunks were rewritten meanwhile."""
        source = endpoint(self.stage.settings.source)
        async with open_snapshot(source, source_tables(tables)) as snapshot:
            context = self.stage.context(self.found, snapshot)
            await self._item(StepId.MIGRATE_DATA, context)
            await self._item(StepId.VERIFY_DATA, context)

    async def _item(self, name: str, context: StepContext, *, measured: bool = True) -> None:
        found = self.found
        await self._show(name)
        started = time.monotonic()

        async def unnoted(action: str) -> None:
            return

        try:
            evidence = await check_act_check(self.stage.step(name), context, unnoted)
            fault = "" if evidence.holds else evidence.text
            found.texts[name] = evidence.text
        except MovedError:
            raise
        except Exception as error:
            fault = found.texts[name] = await self.stage.words(error)
        if measured:
            found.took(name, time.monotonic() - started)
        if not fault:
            return
        found.failed.add(name)
        if name == StepId.VERIFY_DATA:
            found.differed += found.differences() or [f"{name}: {fault}"]
        elif name == StepId.TEST_API:
            found.differed.append(f"{name}: {fault}")
        else:
            found.blocked.append(f"{name}: {fault}")
        raise StoppedError

    async def _set_aside(self) -> None:
        """Give the rehearsal a database of its own under the target's name."""
        stage, settings = self.stage, self.stage.settings
        target = endpoint(settings.target)
        tables = await written_tables(settings)
        async with connection(target, read_only=True) as conn:
            with server_words(target, "reading what the target holds", AGAIN):
                foreign = await inspect_target(conn, tables, stage.recorder.view.run)
        if foreign:
            rows = "; ".join(map(str, foreign))
            self.found.blocked.append(f"the target holds rows that the migration would not overwrite: {rows}")
            raise StoppedError
        catalog = await read_side(endpoint(settings.source), settings.source.schema)
        made = [*pre_data(catalog), *post_data(catalog)]
        roles = [statement.name for statement in made if statement.kind == "role"]
        self.api = await self.tidy.api_container()
        if self.api:
            started = time.monotonic()
            await stage.stack.stop([self.api], stage.output)
            self.found.took(StepId.STOP_OLD, time.monotonic() - started)
            self.found.texts[StepId.STOP_OLD] = f"as long as {self.api} took to stop"
        self.before = msgspec.structs.replace(self.before, trial=True)
        await self.tidy.note(self.before)
        await begin_trial(target, self.found.id, roles)
        async with connection(target, read_only=False) as conn:
            with server_words(target, "emptying the copy", AGAIN):
                own = await tables_with_rows(conn, tables)  # of a migration that was taken back
                if own:
                    await empty_tables(conn, own)
        if self.api:
            await stage.stack.start([self.api], stage.output, unready=needs_schema(settings))

    async def _see_movement(self, tables: tuple[Table, ...]) -> None:
        """What changed in the source since the snapshot: reported, because it is no fault."""
        source = endpoint(self.stage.settings.source)
        async with connection(source, read_only=True) as conn:
            for table in tables:
                then = self.found.verified.get(table.qualified)
                with server_words(source, f"reading {table.qualified} again", AGAIN):
                    now = await checksum_table(conn, table)
                if then is None or now.checksum == then.source_checksum:
                    continue
                self.found.moved[table.qualified] = (
                    f"{table.qualified}: {then.source_rows:,} rows when it was copied, {now.rows:,} now; "
                    "the copy equals what was there then"
                )


_VERSION = re.compile(r"(?:compute-node-v|postgres:)(\d+)")
"""The PostgreSQL version in the names of Neon's compute images, and of PostgreSQL's own."""


async def rehearse_schema(stage: RehearsalStage, found: RehearsalFinds) -> None:
    """Make the schema and what follows the rows on a scratch server. Faults are found, not raised."""
    if stage.scratch_server is None:
        return
    await stage.recorder.record(RehearsalProgress(found.id, "schema on a scratch server", 1, 1))
    settings = stage.settings
    try:
        wanted = await _target_version(stage)
        async with stage.scratch_server(wanted, settings.target.schema) as (version, database):
            found.scratch = version
            target = msgspec.structs.replace(
                database, schema_file=settings.target.schema_file, mapping=settings.target.mapping
            )
            settings = msgspec.structs.replace(settings, target=target)
            same = "the target's version" if wanted == version else "the target's version is not known"
            if not target.schema_file and not target.mapping:
                await _statement_by_statement(stage, found, endpoint(target), same)
                return
            found.facts = MemoryFacts()
            context = stage.context(found, settings=settings)
            evidence = await check_act_check(stage.step(StepId.INIT_NEON), context, _unheard)
            if not evidence.holds:
                found.blocked.append(f"init-neon on {database.label}: {evidence.text}")
                return
            scope = await read_scope(settings)
            async with connection(endpoint(target), read_only=False) as conn:
                made = await ensure_schema(conn, scope.post)
            found.notes.append(
                f"the schema and {len(made)} objects that follow the rows were made on {database.label}; "
                + same
            )
    except WsdashError as error:
        found.blocked.append(f"the schema on a scratch server: {error}")


async def _statement_by_statement(
    stage: RehearsalStage, found: RehearsalFinds, target: Endpoint, same: str
) -> None:
    """Every object that the server refuses, not only the first."""
    source = stage.settings.source
    tried = await rehearse_ddl(endpoint(source), source.schema, target)
    for one in tried.findings:
        because = f" (because of {one.after})" if one.after else ""
        found.blocked.append(f"{one.kind} {one.name} on {target.label}: {one.problem}{because}; {one.remedy}")
    found.notes.append(
        f"{tried.tried} statements and {tried.rows} sample rows were tried on {target.label}; {same}"
    )


async def _target_version(stage: RehearsalStage) -> int | None:
    """The target's major version by its image's name, or None."""
    try:
        images = await stage.stack.images()
    except WsdashError:
        return None
    found = {int(match[1]) for name in images if (match := _VERSION.search(name))}
    return found.pop() if len(found) == 1 else None


async def _unheard(action: str) -> None:
    return


class Rehearsal:
    """Conducts rehearsals; the caller sees that nothing else runs meanwhile."""

    def __init__(self, stage: RehearsalStage) -> None:
        self._stage = stage
        self._tidy = Tidy(stage)
        self._recorder = stage.recorder

    async def clear_killed(self) -> None:
        """Give back what a killed rehearsal of this run left; does nothing where none was killed.

        Raises WsdashError when it cannot be given back.
        """
        if self._tidy.killed:
            await self._tidy.clear(self._warn)

    async def run(self, rounds: int) -> bool:
        """Rehearse, and clean up whatever happens; whether all was clean.

        Cancelled, it cleans up first. What goes wrong is found, not raised.
        """
        clock = self._recorder.journal.clock
        name = time.strftime("rehearsal-%Y%m%d-%H%M%S-", time.gmtime(clock.time())) + secrets.token_hex(2)
        found = RehearsalFinds(name, clock.time())
        try:
            await self._rounds(found, rounds)
            if found.blocked and not found.verified:
                await rehearse_schema(self._stage, found)
        except asyncio.CancelledError:
            found.interrupted = "it was ended before its last round was over"
            raise
        finally:
            await finished_though_cancelled(self._tell(found))
        return found.outcome is RehearsalOutcome.CLEAN

    async def _rounds(self, found: RehearsalFinds, rounds: int) -> None:
        stage = self._stage
        try:
            await self._tidy.clear(self._warn)
            before = Before(found.id, found.started_at, await self._tidy.running())
            if before.running:
                found.notes.append("the new stack ran already: its start was not measured")
            meter = ResourceMeter(stage.settings, stage.stack, stage.state)
            async with task_group() as group:
                metering = group.create_task(meter.run())
                try:
                    for number in range(1, rounds + 1):
                        await Round(stage, self._tidy, found, before, meter, (number, rounds)).run()
                finally:
                    metering.cancel()
                    found.resources = await meter.uses()
        except StoppedError:
            return
        except Exception as error:
            found.blocked.append(await stage.words(error))
        for use in found.resources:
            if use.exceeded:
                found.differed.append(f"{use.name}: {use.used:,} bytes, the limit is {use.limit:,}")

    def _warn(self, text: str) -> None:
        self._recorder.journal.emit(Notice("warning", text, REHEARSAL))

    async def _tell(self, found: RehearsalFinds) -> None:
        settings = self._stage.settings
        world = f"{endpoint(settings.source).address} → {endpoint(settings.target).address}"
        items = found.items()
        await self._recorder.record(
            Rehearsed(
                id=found.id,
                outcome=found.outcome,
                started_at=found.started_at,
                finished_at=self._recorder.journal.clock.time(),
                where="target" if found.scratch is None else "scratch",
                world=world,
                items=items,
                blocked=tuple(found.blocked),
                differed=tuple(found.differed),
                moved=tuple(found.moved.values()),
                notes=(*found.notes, *([found.interrupted] if found.interrupted else ())),
                downtime=forecast(items, world, self._recorder.view.rehearsals),
                resources=found.resources,
                left=found.left,
            )
        )
