"""The supervisor's guardian: ends the services when the supervisor died without doing so (kill -9).

The kernel's parent-death signal alone does not do: it is lost when a program changes its user, it reaches
no grandchild, and a program may ignore it. So the supervisor forks this process first of all, and tells it
over a pipe what runs. The pipe's end means that the supervisor is gone. The guardian also keeps the
supervisor's lock file open, so that a new supervisor starts only after the old services are gone.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from typing import Any

from wsdash.demo.supervisor.tree import ProcessId, stop_tree
from wsdash.outside import read_json

GRACE_SECONDS = 5.0
LONGEST_MESSAGE = 64 << 10
"""Bytes; a name and an owner are far shorter."""


class Guardian:
    """The supervisor's end of the pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def track(self, name: str, root: ProcessId, stop_signal: int, grace: float, owner: str) -> None:
        """From now on the service `name` is this process."""
        grace = min(grace, GRACE_SECONDS)
        self._tell({"track": name, "pid": root.pid, "mark": root.mark, "how": [stop_signal, grace, owner]})

    def untrack(self, name: str) -> None:
        """The service `name` is gone."""
        self._tell({"untrack": name})

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):
            os.write(self._pipe, json.dumps(message).encode() + b"\n")


def start_guardian() -> Guardian:
    """Fork the guardian. To be called before any thread or event loop exists."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.close(writing)
            _guard(reading)
        finally:
            os._exit(0)
    os.close(reading)
    return Guardian(writing)


def _guard(pipe: int) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    tracked: dict[str, dict[str, Any]] = {}
    with os.fdopen(pipe, "rb") as messages:
        while line := messages.readline(LONGEST_MESSAGE):
            _take(line, tracked)
    enders = [threading.Thread(target=_end, args=(message,)) for message in tracked.values()]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()


def _take(line: bytes, tracked: dict[str, dict[str, Any]]) -> None:
    """Note one message; what is none is passed over: the services of all the others must still be ended."""
    try:
        message = read_json(line, largest=LONGEST_MESSAGE)
        if "track" in message:
            ProcessId(int(message["pid"]), message["mark"])
            _signal, _grace, _owner = message["how"]
            tracked[str(message["track"])] = message
        else:
            tracked.pop(str(message["untrack"]), None)
    except (ValueError, TypeError, LookupError):
        return


def _end(message: dict[str, Any]) -> None:
    stop_signal, grace, owner = message["how"]
    stop_tree(ProcessId(message["pid"], message["mark"]), stop_signal, grace, owner)
