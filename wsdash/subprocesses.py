"""A program run for its answer: within a time limit, in bounded memory, and nothing of it left when late.

asyncio's own `Process` is not used, because its `wait()` ends only when the last holder of the pipes is gone
(Python 3.11): a grandchild that kept them would hold up whoever killed the program.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

KEEP_BYTES = 65_536

_DRAIN_SECONDS = 0.25
"""How long the pipes of a program that has ended are still read: a child in the background may hold them."""

_REAP_SECONDS = 5.0
"""How long a killed program is awaited: the kernel may hold it (a dead disk), or it is another user's."""


class ProgramError(Exception):
    """A program gave no answer. Its text is one clause that begins with the program's name."""

    def __init__(self, program: str, why: str) -> None:
        super().__init__(f"{program} {why}")
        self.program = program


class CannotStartError(ProgramError):
    """It is missing, may not be run, or its words cannot be passed; `reason` is the system's."""

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(program, f"cannot be started: {reason}")
        self.reason = reason


class OverdueError(ProgramError):
    """It had not ended after `seconds` and was killed."""

    def __init__(self, program: str, seconds: float) -> None:
        super().__init__(program, f"took over {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Finished:
    """How a program ended: its exit code (minus the signal's number when one ended it) and its last words."""

    code: int
    stdout: bytes
    stderr: bytes


_NEEDED = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+|SSL_CERT_(FILE|DIR)"
    "|SSH_AUTH_SOCK|DBUS_SESSION_BUS_ADDRESS|DOCKER_(HOST|CONTEXT|CONFIG|CERT_PATH|TLS_VERIFY|BUILDKIT)"
    "|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY"
)
"""Variables that programs need to find themselves, their files and the way out; none is a password."""


def limited_environment(names: Iterable[str] = ()) -> dict[str, str]:
    """The environment for a program that is none of our business: what every program needs, and `names`."""
    wanted = set(names)
    return {name: value for name, value in os.environ.items() if name in wanted or _NEEDED.fullmatch(name)}


async def run_program(
    argv: Sequence[str],
    *,
    seconds: float,
    data: bytes = b"",
    keep: int = KEEP_BYTES,
    env: Mapping[str, str] | None = None,
    merged: bool = False,
) -> Finished:
    """Run a program to its end; any exit code is an answer.

    seconds: its time limit. data: what it reads on its standard input, which then ends. keep: the last so
    many bytes of each output are returned, the rest is read and dropped. env: its environment, ours when left
    out. merged: its standard error goes where its standard output goes, in the order written.

    It leads a session and a process group of its own, without our terminal. When its time is over or the
    caller is cancelled, the whole group is killed and the program awaited. A program that ended by itself has
    answered: what it left in the background goes on, without its pipes.

    Raises CannotStartError and OverdueError.
    """
    output = _Output(keep)
    pipe, quiet = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        starting = asyncio.get_running_loop().subprocess_exec(
            lambda: output,
            *argv,
            stdin=pipe if data else quiet,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT if merged else pipe,
            env=env,
            start_new_session=True,
        )
        transport = await _started(starting, output)
    except OSError as error:
        raise CannotStartError(argv[0], error.strerror or type(error).__name__) from error
    except ValueError as error:  # a NUL byte, or a letter that the file system's encoding lacks
        raise CannotStartError(argv[0], str(error)) from error
    stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0)) if data else None
    try:
        if stdin is not None:
            stdin.write(data)
            stdin.write_eof()
        async with asyncio.timeout(seconds):
            await output.exited.wait()
        await _within(_DRAIN_SECONDS, output.ended)
    except TimeoutError:
        raise OverdueError(argv[0], seconds) from None
    finally:
        await _put_away(transport, stdin, output)
    return Finished(cast(int, transport.get_returncode()), output.of(1), output.of(2))


async def _started(
    starting: Coroutine[Any, Any, tuple[asyncio.SubprocessTransport, asyncio.SubprocessProtocol]],
    output: _Output,
) -> asyncio.SubprocessTransport:
    """The program, once its pipes are connected.

    Cancelled meanwhile, it is put away with its children: asyncio would kill the program alone.
    """
    task = asyncio.ensure_future(starting)
    try:
        transport, _ = await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(OSError, ValueError):
            transport, _ = await task
            await _put_away(transport, None, output)
        raise
    return transport


async def _put_away(
    transport: asyncio.SubprocessTransport, stdin: asyncio.WriteTransport | None, output: _Output
) -> None:
    """Kill what did not end, wait for it, and close the pipes whoever holds their other ends."""
    try:
        if transport.get_returncode() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
            await _within(_REAP_SECONDS, output.exited)
    finally:
        if stdin is not None and stdin.get_write_buffer_size():
            stdin.abort()  # close() alone would wait for a reader
        with suppress(PermissionError):  # it kills once more, after the pipes are closed
            transport.close()


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event, but no longer than that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class _Output(asyncio.SubprocessProtocol):
    """What a program says: the last bytes of each of its outputs, and what of it has ended."""

    def __init__(self, keep: int) -> None:
        self.exited = asyncio.Event()
        self.ended = asyncio.Event()
        self._keep = keep
        self._open: set[int] = set()
        self._said = {1: bytearray(), 2: bytearray()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        process = cast(asyncio.SubprocessTransport, transport)
        self._open = {fd for fd in self._said if process.get_pipe_transport(fd) is not None}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        said = self._said[fd]
        said += data
        del said[: max(0, len(said) - self._keep)]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open:
            self.ended.set()

    def process_exited(self) -> None:
        self.exited.set()

    def of(self, fd: int) -> bytes:
        """The last bytes of an output."""
        return bytes(self._said[fd])
