"""What speaks against an online move of this source, before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence

from wsdash.config import Settings
from wsdash.data.mapping.file import Mapping
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.online.switch.refusals import OFFLINE, Refusal, source_refusals, target_refusals
from wsdash.data.online.sync.move import Move
from wsdash.errors import InputError, UnreachableError
from wsdash.steps.base import endpoint
from wsdash.steps.database.scope import foresee_examined, read_mapping, read_side

RELAY_REMEDY = "name one (docs/online.md), or tell its users the new address"


async def online_refusals(settings: Settings) -> list[Refusal]:
    """Every reason that can be seen now; of a target that is not there yet only what its mapping's file says.

    Raises InputError for a mapping that does not fit, UnreachableError for the source, WsdashError.
    """
    tables = await foresee_examined(settings)
    if tables is None:
        mapping, source = await read_mapping(settings), endpoint(settings.source)
        assert mapping is not None
        there = (await read_side(source, settings.source.schema, part="tables")).tables
        tables = tuple(table for table in there if table.name not in mapping.leave_out)
        as_is = Move("", source, endpoint(settings.target), tables)
        return [*_of_file(mapping, settings.target.schema), *await source_refusals(as_is)]
    move = Move("", endpoint(settings.source), endpoint(settings.target), tables)
    found = [*await source_refusals(move), *way_back_refusals(move, settings)]
    try:
        return found + await target_refusals(move)
    except UnreachableError:
        return found


def way_back_refusals(move: Move, settings: Settings) -> list[Refusal]:
    """That a mapping leaves no way back after the switch; agreed where the settings accept it."""
    agreed = settings.cutover.accept_no_way_back
    remedy = "correct the mapping, or agree to it: cutover.accept_no_way_back: true"
    what = "after the switch a rollback cannot bring back what users wrote"
    return [
        Refusal(reason, what, "wsdash rollback --restore goes back without it" if agreed else remedy, agreed)
        for reason in move.one_way
    ]


def _of_file(mapping: Mapping, schema: str) -> list[Refusal]:
    """What a mapping's file alone says."""
    found = []
    for rule in mapping.tables.values():
        name, new = f"{schema}.{rule.name}", [c for c in rule.columns.values() if c.assign or c.lookup]
        if rule.distinct or rule.union:
            found.append(Refusal(name, "a row of it follows from several (distinct, union)", OFFLINE))
        elif new:
            found.append(Refusal(name, "it has new keys (assign, lookup)", OFFLINE))
    return found


def missing_relay(settings: Settings) -> str:
    """What users of the old address meet after the switch where no relay takes its port; '' with a relay."""
    if settings.stack.workspace.relay:
        return ""
    return f"nobody answers at {settings.api.old} after the switch: stack.workspace.relay names no service"


def against(found: Sequence[Refusal]) -> list[Refusal]:
    """Those that nobody agreed to."""
    return [one for one in found if not one.agreed]


async def refuse_at_first(settings: Settings) -> None:
    """Refuse a run of mode online that cannot end well, before it begins; once changes are captured, and of a
    source that cannot be reached, nothing is said here. Raises InputError with every reason.
    """
    try:
        if await read_side_state(endpoint(settings.source)) is not None:
            return
        found = against(await online_refusals(settings))
    except UnreachableError:
        return
    refuse(found)


def refuse(found: Sequence[Refusal]) -> None:
    """Raise InputError with every reason, if there is one."""
    if found:
        raise InputError(
            "this schema cannot be moved online: "
            + "; ".join(f"{one.subject}: {one.reason}" for one in found),
            where="--mode online",
            remedy="; ".join(dict.fromkeys(one.remedy for one in found)) + "; or use --mode offline",
        )
