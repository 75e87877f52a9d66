"""Doing something to containers in the order of their dependencies, side by side where that is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from wsdash.tasks import task_group

_T = TypeVar("_T")


def with_needs(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The names and all that they need, directly or not."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting.extend(needs.get(name, ()))
    return list(found)


async def in_order(
    names: Sequence[str], after: Mapping[str, Sequence[str]], act: Callable[[str], Awaitable[None]]
) -> None:
    """act(name) for each, once it is done for the names that come before it in `after`.

    The first failure cancels the rest and is raised. `after` must hold no circle among the names.
    """
    done = {name: asyncio.Event() for name in names}

    async def one(name: str) -> None:
        for needed in after.get(name, ()):
            if needed in done:
                await done[needed].wait()
        await act(name)
        done[name].set()

    async with task_group() as tasks:
        for name in done:
            tasks.create_task(one(name))


async def together(works: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results, side by side; the first failure cancels the rest and is raised."""
    async with task_group() as tasks:
        running = [tasks.create_task(work) for work in works]
    return [task.result() for task in running]
