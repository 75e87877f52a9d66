"""Which side serves now, and whether the other one is still used: the world is asked, not the journal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wsdash.api.client import ApiClient, Pong
from wsdash.config import Settings
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.pg.connect import connection
from wsdash.data.pg.transfer import server_words
from wsdash.data.verify.checksum import checksum_table
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading
from wsdash.model.facts import ComparedSides
from wsdash.stack.base import Stack
from wsdash.steps.base import endpoint
from wsdash.steps.database.scope import read_scope
from wsdash.steps.limits import ASK_SECONDS, COMPARE_SECONDS

OTHERS = """
select count(distinct l.pid) from pg_locks l join pg_class c on c.oid = l.relation
join pg_namespace n on n.oid = c.relnamespace join pg_stat_activity a on a.pid = l.pid
where n.nspname = $1 and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
"""
"""Sessions of others that hold something of the schema at this moment."""


@dataclass(frozen=True)
class ServingSides:
    """One answer of the world. holds None: it could not be read, and nothing follows from it."""

    title: str
    holds: bool | None
    text: str


async def look_at_services(
    settings: Settings, stack: Stack, answered: str | None = None
) -> list[ServingSides]:
    """The new stack serves, and the old service neither runs nor answers.

    answered: the address at which the old API answered before it was stopped; silence of another proves
    nothing, unless the connection is refused.
    """
    title = "The new stack serves, the old service is stopped"
    try:
        async with asyncio.timeout(ASK_SECONDS):
            found = {reading.name: reading for reading in await stack.readings()}
            old_pong = await _ping(settings, settings.api.old)
            new_pong = await _ping(settings, settings.api.new)
    except (WsdashError, TimeoutError, OSError) as error:
        return [ServingSides(title, None, f"it could not be asked: {_words(error)}")]
    old = found.get(settings.stack.apps.old_service)
    runs = old is not None and old.state in ("running", "restarting", "paused")
    state = old.state if old is not None else "missing"
    unwell = [_state(name, found.get(name)) for name in settings.stack.workspace.containers]
    unwell = [text for text in unwell if text]
    wrong = []
    if runs:
        wrong.append(f"{settings.stack.apps.old_service} is {state}")
    relay = found.get(settings.stack.workspace.relay)
    relayed = relay is not None and relay.state == "running"
    if old_pong.status and not relayed:
        wrong.append(f"{settings.api.old} answers")
    if not new_pong.status:
        wrong.append(f"{settings.api.new} does not answer")
    wrong += unwell
    if wrong:
        return [ServingSides(title, False, "; ".join(wrong))]
    if old is None or state == "missing":
        lost = f"{settings.stack.apps.old_service} was not found, so nothing shows that it does not run"
        return [ServingSides(title, None, lost)]
    if not (old_pong.refused or relayed) and answered != settings.api.old:
        return [
            ServingSides(title, None, f"whether {settings.api.old} is the old service's address is not known")
        ]
    gone = "its address is the relay's" if relayed else "does not answer"
    sentence = f"{settings.api.new} answers; {settings.stack.apps.old_service} is {state} and {gone}"
    return [ServingSides(title, True, sentence)]


async def look_at_source(settings: Settings, compared: ComparedSides | None) -> ServingSides:
    """The source holds what it held when both sides were found equal, and nobody has it open.

    compared: the fact of the last comparison (VERIFIED), None where there is none.
    """
    title = "Nothing was written to the source since both sides were equal"
    if compared is None or not compared.get("holds") or not compared.get("source"):
        return ServingSides(title, None, "no comparison that found both sides equal is stored")
    side = endpoint(settings.source)
    try:
        async with asyncio.timeout(COMPARE_SECONDS):
            state = await read_side_state(side)
            if state is not None and not state.open:
                sentence = "closed since the online switch: its gates refuse every writer"
                return ServingSides(title, True, sentence)
            scope = await read_scope(settings)
            changed, rows = [], 0
            async with connection(side, read_only=True) as session:
                with server_words(side, "looking whether it is still used", "then ask again"):
                    others = await session.fetchval(OTHERS, settings.source.schema)
                    for table in scope.tables:
                        now = await checksum_table(session, table)
                        rows += now.rows
                        if now.checksum != compared["source"].get(table.qualified):
                            changed.append(table.qualified)
    except (WsdashError, TimeoutError, OSError) as error:
        return ServingSides(title, None, f"the source could not be read: {_words(error)}")
    if changed:
        return ServingSides(title, False, f"changed since then: {', '.join(changed)}")
    if others:
        return ServingSides(
            title, False, f"{others} sessions of others have tables of {settings.source.schema} open"
        )
    return ServingSides(title, True, f"{rows:,} rows read again, each table as it was; nobody has them open")


async def _ping(settings: Settings, base: str) -> Pong:
    async with ApiClient(base, settings.api) as api:
        return await api.ping()


def _state(name: str, reading: ContainerReading | None) -> str:
    """Why a container is not well, '' when it is."""
    if reading is None:
        return f"{name} is missing"
    if reading.state != "running" or reading.health not in ("healthy", "none"):
        return f"{name} is {reading.state}, {reading.health}"
    return ""


def _words(error: BaseException) -> str:
    if isinstance(error, WsdashError):
        return str(error)
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
