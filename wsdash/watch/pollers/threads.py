"""Blocking reads of the machine, off the event loop, in a way that a hanging file system cannot exhaust."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from wsdash.errors import UnreachableError

T = TypeVar("T")


class Blocking(Generic[T]):
    """Runs one blocking function in a daemon thread, one call at a time.

    A call that never comes back (a dead mount) costs one thread, not one a poll, and does not keep the
    process from ending.
    """

    def __init__(self, name: str, function: Callable[[], T]) -> None:
        self._name = name
        self._function = function
        self._busy = False

    async def __call__(self) -> T:
        """Its result, or its exception. Raises UnreachableError while an earlier call has not come back."""
        if self._busy:
            raise UnreachableError(f"the last reading of {self._name} has not come back yet")
        self._busy = True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def work() -> None:
            result, failure = None, None
            try:
                result = self._function()
            except Exception as error:
                failure = error
            self._busy = False
            try:
                loop.call_soon_threadsafe(deliver, result, failure)
            except RuntimeError:
                return  # the loop has ended meanwhile

        threading.Thread(target=work, name=f"wsdash-{self._name}", daemon=True).start()
        return await future
