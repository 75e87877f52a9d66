"""One round of a rehearsal: from the start of the stack to the API's tests, and back."""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec

from wsdash.data.copy.manifest import empty_tables, inspect_target, tables_with_rows
from wsdash.data.pg.connect import connection
from wsdash.data.pg.transfer import server_words
from wsdash.data.rehearsal.trial_database import begin_trial
from wsdash.data.schema.ddl import post_data, pre_data
from wsdash.data.snapshot.chunk_states import MovedError, read_anew
from wsdash.data.snapshot.hold import open_snapshot
from wsdash.data.tables.shape import Table, source_tables
from wsdash.data.verify.checksum import checksum_table
from wsdash.engine.rehearsal.found import MemoryFacts, RehearsalFinds, StoppedError
from wsdash.engine.rehearsal.measure import ResourceMeter
from wsdash.engine.rehearsal.stage import RehearsalStage
from wsdash.engine.rehearsal.tidy import Before, Tidy
from wsdash.engine.run.perform import check_act_check
from wsdash.model import RehearsalProgress, StepId
from wsdash.steps.base import StepContext, endpoint
from wsdash.steps.readiness import needs_schema
from wsdash.steps.scope import read_carried, read_side, written_tables
from wsdash.tasks import finished_though_cancelled

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
        tables = (await read_carried(stage.settings)).tables
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
