"""Where the Docker engine is: found as the docker command finds it.

DOCKER_HOST first, then DOCKER_CONTEXT, then the current context of config.json, then the usual sockets. Order
and files: docker/cli, cli/command/cli.go (resolveContextName) and cli/context/store (a directory is named by
the sha256 of the context's name).
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wsdash.errors import InputError, UnreachableError
from wsdash.outside import read_json

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
        return read_json(path.read_bytes())
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
        return str(_mapping(read_json(path.read_bytes())).get("currentContext") or "")
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
