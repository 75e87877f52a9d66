"""The embedded world's files: what is remembered of it, its secrets, its configuration."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wsdash.config import read_yaml, shipped
from wsdash.demo.standins.branches import branch_database
from wsdash.demo.standins.shared import TENANT_ID, TIMELINE_ID
from wsdash.demo.world.services import HOST, RELAY, DemoWorld, services_file
from wsdash.errors import InputError
from wsdash.model import Mode
from wsdash.outside import DocumentError, read_file, read_json

RECORD, SERVICES, CONFIG, LOCK = "world.json", "services.json", "config", "world.lock"
OURS = (
    RECORD,
    SERVICES,
    CONFIG,
    LOCK,
    "secrets",
    "source",
    "target",
    "pageserver",
    "safekeeper",
    "backups",
    "traffic",
)
"""What the world puts into its directory, beside what the supervisor keeps there."""


class Record(msgspec.Struct):
    """What the world was asked to be, and which stages are complete. chunks_until: newest month, YYYY-MM."""

    items: int = 10_000
    seed: int = 1
    writes_per_second: float = 0.0
    offset: int = 0
    done: list[str] = []
    chunks_until: str = ""
    api: str = "real-shape"
    online: bool = False


def read_record(directory: Path) -> Record | None:
    """The record of the world in `directory`; None when there is none. Raises InputError when broken."""
    path = directory / RECORD
    try:
        return read_json(read_file(path), Record)
    except FileNotFoundError:
        return None
    except DocumentError as error:
        raise InputError(
            f"the embedded world's record is broken: {error}",
            where=str(path),
            remedy="remove this directory and run wsdash demo again",
        ) from error


def write_record(directory: Path, record: Record) -> None:
    """On disk when this returns."""
    write_durably(directory / RECORD, msgspec.json.encode(record))


def write_durably(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file at once, flushed to disk; nobody ever sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(mode)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def ensure_secret(path: Path) -> str:
    """The password in `path`, made up and kept (mode 0600) when there is none yet."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        write_durably(path, (secrets.token_urlsafe(18) + "\n").encode(), 0o600)
    return path.read_text(encoding="utf-8").rstrip("\n")


def write_services(world: DemoWorld) -> None:
    """services.json, mode 0600."""
    content = json.dumps(services_file(world), indent=2).encode()
    write_durably(world.directory / SERVICES, content, 0o600)


def write_config(world: DemoWorld) -> Path:
    """The configuration directory of this world: the shipped files, pointed at its ports and passwords."""
    directory = world.directory / CONFIG
    directory.mkdir(exist_ok=True)
    settings = read_yaml(shipped("config", "wsdash.yaml"))
    _point(settings, world)
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    write_durably(directory / "wsdash.yaml", text.encode())
    write_durably(directory / "plan.yaml", shipped("config", "plan.yaml").read_bytes())
    return directory


@contextmanager
def building(directory: Path) -> Iterator[None]:
    """Nobody else builds this world meanwhile. Raises InputError when somebody does."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                "another wsdash is building this world right now",
                where=str(directory),
                remedy="wait for it, or use another --state directory",
            ) from error
        yield
    finally:
        os.close(descriptor)


def _point(settings: dict[str, Any], world: DemoWorld) -> None:
    ports = world.ports
    settings["world"] = "demo"
    settings["mode"] = Mode.ONLINE.value if world.online else Mode.OFFLINE.value
    settings["stack"] |= {"engine": "local", "supervisor": str(world.directory)}
    if world.online:
        settings["stack"]["workspace"]["relay"] = RELAY
    for side, port, password in (
        ("source", ports.source, world.source_password),
        ("target", ports.target, world.target_password),
    ):
        settings[side].pop("password_env", None)
        settings[side] |= {"host": HOST, "port": port, "password_file": str(password), "sslmode": "disable"}
    settings["api"] = {
        "old": f"http://{HOST}:{ports.api_old}",
        "new": f"http://{HOST}:{ports.api_new}",
        "dashboard": f"http://{HOST}:{ports.dashboard}/#/workspace",
    }
    settings["endpoints"] = {
        "pageserver_pg": f"{HOST}:{ports.pageserver_pg}",
        "pageserver_http": f"http://{HOST}:{ports.pageserver_http}",
        "safekeeper_pg": f"{HOST}:{ports.safekeeper_pg}",
        "safekeeper_http": f"http://{HOST}:{ports.safekeeper_http}",
    }
    settings["ports"] = [
        ports.target,
        ports.pageserver_pg,
        ports.pageserver_http,
        ports.safekeeper_pg,
        ports.safekeeper_http,
        ports.api_new,
    ]
    settings["load_test"] |= {
        "confirmed": [f"{HOST}:{ports.api_old}", f"{HOST}:{ports.api_new}"],
        "rung_seconds": 0.3,
        "warm_up_seconds": 0.1,
    }
    settings["branching"] = {
        "open": "database",
        "database": branch_database("{timeline}"),
        "tenant": TENANT_ID,
        "timeline": TIMELINE_ID,
    }
    settings["paths"] |= {
        "backups": str(world.directory / "backups"),
        "adr": str(Path(__file__).with_name("adr-007-workspace-neon-migration.md")),
    }
