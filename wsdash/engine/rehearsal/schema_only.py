"""Where the target cannot be started or lent: its schema at least, on a scratch server of its version."""

from __future__ import annotations

import re

import msgspec

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.rehearsal.ddl import rehearse_ddl
from wsdash.data.schema.apply import ensure_schema
from wsdash.engine.rehearsal.found import MemoryFacts, RehearsalFinds
from wsdash.engine.rehearsal.stage import RehearsalStage
from wsdash.engine.run.perform import check_act_check
from wsdash.errors import WsdashError
from wsdash.model import RehearsalProgress, StepId
from wsdash.steps.base import endpoint
from wsdash.steps.scope import read_carried

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
            carried = await read_carried(settings)
            async with connection(endpoint(target), read_only=False) as conn:
                made = await ensure_schema(conn, carried.post)
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
