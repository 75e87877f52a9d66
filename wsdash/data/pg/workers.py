"""Jobs that need each other, done by a few workers: the most urgent of those that are ready goes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

W = TypeVar("W")


@dataclass(frozen=True)
class Job(Generic[W]):
    """One piece of work. rank: smaller goes first. needs: numbers of the jobs that must be done before."""

    number: int
    run: Callable[[W], Awaitable[None]]
    rank: tuple[float, ...]
    needs: frozenset[int]


class Schedule(Generic[W]):
    """A set of jobs. Add them all, then let any number of workers work on it until nothing is left."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job[W]] = {}
        self._added = 0
        self._done: set[int] = set()
        self._changed = asyncio.Condition()

    def add(
        self, run: Callable[[W], Awaitable[None]], rank: tuple[float, ...], needs: Iterable[int] = ()
    ) -> int:
        """Add a job that comes after `needs` (jobs added before); returns its number."""
        number = self._added
        self._added += 1
        self._jobs[number] = Job(number, run, rank, frozenset(needs))
        return number

    def __len__(self) -> int:
        return self._added

    @property
    def waiting(self) -> int:
        """How many jobs could begin now and have no worker."""
        return sum(1 for job in self._jobs.values() if job.needs <= self._done)

    async def work(self, worker: W) -> None:
        """Do jobs until all are done, here or by others. Raises what a job raises."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._jobs or self._ready() is not None)
                job = self._ready()
                if job is None:
                    return
                del self._jobs[job.number]
            await job.run(worker)
            async with self._changed:
                self._done.add(job.number)
                self._changed.notify_all()

    def _ready(self) -> Job[W] | None:
        ready = [job for job in self._jobs.values() if job.needs <= self._done]
        return min(ready, key=lambda job: (job.rank, job.number), default=None)
