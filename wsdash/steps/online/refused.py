"""What speaks against an online move of this source, before anything is changed."""

from __future__ import annotations

from wsdash.config import Settings
from wsdash.data.online.refusals import Refusal, source_refusals, target_refusals
from wsdash.errors import InputError, RefusedError, UnreachableError
from wsdash.steps.base import endpoint
from wsdash.steps.online.move import read_move, state_of


async def online_refusals(settings: Settings) -> list[Refusal]:
    """Every reason that can be seen now; of a target that is not there yet nothing is said.

    Raises UnreachableError for the source, WsdashError.
    """
    try:
        move = await read_move("", settings)
    except RefusedError as error:
        return [Refusal("the mapping", error.what, error.remedy)]
    found = await source_refusals(move)
    try:
        return found + await target_refusals(move)
    except UnreachableError:
        return found


async def refuse_at_first(settings: Settings) -> None:
    """Refuse a run of mode online that cannot end well, before it begins; once changes are captured, and of a
    source that cannot be reached, nothing is said here. Raises InputError with every reason.
    """
    try:
        if await state_of(endpoint(settings.source)) is not None:
            return
        found = await online_refusals(settings)
    except UnreachableError:
        return
    if found:
        raise InputError(
            "this schema cannot be moved online: "
            + "; ".join(f"{one.subject}: {one.reason}" for one in found),
            where="--mode online",
            remedy="; ".join(dict.fromkeys(one.remedy for one in found)) + "; or use --mode offline",
        )
