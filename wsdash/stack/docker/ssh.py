"""An engine behind ssh: a unix socket of ours, each connection carried by `ssh ... docker system dial-stdio`.

The docker command's own way (docker/cli, cli/connhelper): whoever may log in there and use docker there needs
nothing else. ssh's own configuration applies; it never asks for a password, since nobody could answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wsdash.errors import InputError, UnreachableError
from wsdash.stack.limits import SSH_CONNECT_SECONDS
from wsdash.stack.text import clean
from wsdash.subprocesses import ProgramError, run_program

_PIECE = 65_536
_LAST_WORDS = 4_096
_MOST_SOCKETS = 4 * 2**20


def ssh_command(url: str) -> list[str]:
    """argv that reaches the engine of an ssh:// address. Raises InputError."""
    argv, path = _login(url)
    docker = ["docker"] + (["--host", f"unix://{path}"] if path.strip("/") else [])
    return [*argv, *docker, "system", "dial-stdio"]


async def listening_ports(url: str) -> frozenset[int] | None:
    """TCP ports that programs of an ssh:// engine's machine listen on; None when it does not tell."""
    argv = [*_login(url)[0], "cat", "/proc/net/tcp", "/proc/net/tcp6"]
    try:
        done = await run_program(argv, seconds=2 * SSH_CONNECT_SECONDS, keep=_MOST_SOCKETS)
    except ProgramError:
        return None
    rows = [line.split() for line in done.stdout.decode("ascii", "replace").splitlines()]
    # proc(5): local_address is the second field, hexadecimal, the state the fourth; 0A is LISTEN
    listening = [row[1] for row in rows if len(row) > 3 and row[3] == "0A" and ":" in row[1]]
    return frozenset(int(address.rpartition(":")[2], 16) for address in listening) if rows else None


def _login(url: str) -> tuple[list[str], str]:
    """argv that logs in at an ssh:// address and runs what follows it, and the address' path."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit("ssh:"), None
    host = parts.hostname or ""
    # a name that begins with a dash would be read as an option
    if not host or host.startswith("-") or (parts.username or "").startswith("-") or parts.password:
        raise InputError(
            "the address of the Docker engine behind ssh is none",
            where="DOCKER_HOST or the Docker context",
            remedy="use ssh://user@host or ssh://user@host:port, without a password",
        )
    argv = ["ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={SSH_CONNECT_SECONDS}"]
    argv += ["-l", unquote(parts.username)] if parts.username else []
    argv += ["-p", str(port)] if port else []
    return [*argv, "--", host], parts.path


class SshBridge:
    """A unix socket whose connections end at an engine behind ssh. `close` ends every ssh it started."""

    def __init__(self, url: str) -> None:
        self._argv = ssh_command(url)
        self._directory = ""
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self.last_words = ""
        """The last line that an ssh which failed wrote."""

    async def open(self) -> Path:
        """Listen; the socket's path, usable by this user only.

        Raises UnreachableError when there is no ssh program.
        """
        if shutil.which(self._argv[0]) is None:
            raise UnreachableError(
                "there is no ssh program, which the Docker engine's address needs",
                where="DOCKER_HOST or the Docker context",
                remedy="install the OpenSSH client",
            )
        # mkdtemp makes it accessible to its owner alone
        self._directory = await asyncio.to_thread(tempfile.mkdtemp, prefix="wsdash-ssh-")
        path = Path(self._directory) / "engine.sock"
        self._server = await asyncio.start_unix_server(self._accept, str(path))
        return path

    async def close(self) -> None:
        """End the connections and their programs, and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        if self._directory:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*self._argv, stdin=pipe, stdout=pipe, stderr=pipe)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        up = asyncio.create_task(_pump(reader, process.stdin))
        down = asyncio.create_task(_pump(process.stdout, writer))
        said = asyncio.create_task(_last_words(process.stderr))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            hung_up = up.done() and up.result() and not down.done()
            if not hung_up and await process.wait() != 0 and (words := await said):
                self.last_words = words
        finally:
            for task in (up, down, said):
                task.cancel()
            await asyncio.gather(up, down, said, return_exceptions=True)
            writer.close()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> bool:
    """Carry bytes until the source ends (True) or the sink takes no more (False)."""
    try:
        while piece := await source.read(_PIECE):
            sink.write(piece)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except OSError:
        return False
    return True


async def _last_words(stream: asyncio.StreamReader) -> str:
    kept = b""
    while piece := await stream.read(_PIECE):
        kept = (kept + piece)[-_LAST_WORDS:]
    lines = [line for raw in kept.splitlines() if (line := clean(raw).strip())]
    return lines[-1] if lines else ""
