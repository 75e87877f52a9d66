"""Where the Docker engine is: found as the docker command finds it, or reached through ssh.

Behind ssh it is a unix socket of ours, each connection passed on by `ssh ... docker system dial-stdio`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from wsdash.errors import InputError, UnreachableError
from wsdash.outside import read_file, read_json
from wsdash.stack.limits import SSH_CONNECT_SECONDS
from wsdash.stack.text import clean
from wsdash.subprocesses import ProgramError, run_program

SOCKETS = (Path("/var/run/docker.sock"), Path("/run/docker.sock"))
_SCHEMES = ("unix://", "tcp://", "http://", "https://", "ssh://")


@dataclass(frozen=True)
class Place:
    """An engine's address (unix://, tcp://, https:// or ssh://), and what named it."""

    url: str
    named_by: str
    certificates: Path | None = None
    """Directory of ca.pem, cert.pem and key.pem when the engine is asked over TLS."""
    verify: bool = True

    @property
    def here(self) -> bool:
        """The engine's ports are this machine's."""
        return self.url.startswith("unix://")

    @property
    def loopback(self) -> bool:
        """A network address of this machine itself."""
        host = urlsplit(self.url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    def __str__(self) -> str:
        return f"{self.url} ({self.named_by})"

    def tls(self) -> ssl.SSLContext | None:
        """The context of its TLS connections, None for plain ones. Blocks for I/O. Raises InputError."""
        if self.certificates is None:
            return None
        ca, cert, key = (self.certificates / name for name in ("ca.pem", "cert.pem", "key.pem"))
        try:
            context = ssl.create_default_context(cafile=str(ca) if ca.exists() else None)
            if not self.verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if cert.exists() or key.exists():
                context.load_cert_chain(str(cert), str(key))
        except OSError as error:  # ssl.SSLError is one
            raise InputError(
                f"the certificates for the Docker engine cannot be used: {error}",
                where=f"{self.certificates} (ca.pem, cert.pem, key.pem; {self.named_by})",
                remedy="correct DOCKER_CERT_PATH or the context's certificates",
            ) from error
        return context


def find_engine(environment: Mapping[str, str], home: Path | None = None) -> Place:
    """The engine that `docker` would talk to. Blocks for I/O.

    Raises InputError for an address or a context that is none, UnreachableError when nothing names an engine.
    """
    home = home or Path.home()
    config = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    if host := environment.get("DOCKER_HOST", ""):
        return _with_tls(host, "DOCKER_HOST", environment, config)
    if context := environment.get("DOCKER_CONTEXT", ""):
        name, named_by = context, "DOCKER_CONTEXT"
    else:
        name, named_by = _current_context(config / "config.json"), f"current context in {config}/config.json"
    if name and name != "default":
        return _of_context(name, named_by, config)
    for socket in (*SOCKETS, home / ".docker/run/docker.sock"):
        if socket.is_socket():
            return Place(f"unix://{socket}", "the usual socket")
    raise UnreachableError(
        "there is no Docker engine on this machine",
        where=f"DOCKER_HOST is not set, no Docker context is chosen, and there is no {SOCKETS[0]}",
        remedy="start Docker, or set DOCKER_HOST",
    )


def _with_tls(host: str, named_by: str, environment: Mapping[str, str], config: Path) -> Place:
    url = _checked(host, named_by)
    if not url.startswith(("tcp://", "http://", "https://")):
        return Place(url, named_by)
    if environment.get("DOCKER_TLS_VERIFY", ""):
        directory = Path(environment.get("DOCKER_CERT_PATH") or config)
        return Place(_https(url), f"{named_by}, DOCKER_TLS_VERIFY", directory)
    return Place(url.replace("tcp://", "http://", 1), named_by)


def _of_context(name: str, named_by: str, config: Path) -> Place:
    digest = hashlib.sha256(name.encode()).hexdigest()
    path = config / "contexts/meta" / digest / "meta.json"
    endpoint = _mapping(_mapping(_mapping(_json(path, name, named_by)).get("Endpoints")).get("docker"))
    named_by = f"Docker context {name}"
    url = _checked(str(endpoint.get("Host") or ""), named_by)
    certificates = config / "contexts/tls" / digest / "docker"
    if url.startswith(("unix://", "ssh://")):
        return Place(url, named_by)
    if certificates.is_dir() or url.startswith("https://"):
        return Place(_https(url), named_by, certificates, not endpoint.get("SkipTLSVerify"))
    return Place(url.replace("tcp://", "http://", 1), named_by)


def _json(path: Path, name: str, named_by: str) -> Any:
    try:
        return read_json(read_file(path))
    except FileNotFoundError as error:
        raise InputError(
            f"there is no Docker context {name!r}",
            where=f"{path} ({named_by})",
            remedy="`docker context ls` lists them; correct DOCKER_CONTEXT, or `docker context use default`",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"the Docker context {name!r} cannot be read: {error}",
            where=str(path),
            remedy=f"`docker context inspect {name}` shows more; or set DOCKER_HOST",
        ) from error


def _current_context(path: Path) -> str:
    try:
        return str(_mapping(read_json(read_file(path))).get("currentContext") or "")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise InputError(
            f"Docker's configuration cannot be read: {error}",
            where=str(path),
            remedy="correct the file, or set DOCKER_HOST",
        ) from error


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _https(url: str) -> str:
    return "https://" + url.partition("://")[2]


def _checked(url: str, named_by: str) -> str:
    _, scheme, rest = url.partition("://")
    if not url.startswith(_SCHEMES) or not (scheme and rest):
        raise InputError(
            f"{url!r} is no address of a Docker engine",
            where=named_by,
            remedy="use unix:///path, tcp://host:port or ssh://user@host",
        )
    return url.rstrip("/")


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
