"""A backup's manifest: what is in the file, from which snapshot, and the proof that it was read back.

With what a restore hands back, and the comparison without which it is not committed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wsdash.data.backup.partial import open_partial, publish
from wsdash.data.catalog.read import Catalog
from wsdash.data.pg.connect import Endpoint
from wsdash.data.schema.ddl import post_data, pre_data
from wsdash.data.timescaledb.definitions import Definition
from wsdash.errors import InputError, WsdashError
from wsdash.outside import DocumentError, read_file, read_json

FORMAT = 1
SQL_SUFFIX = ".sql"
MANIFEST_SUFFIX = ".manifest.json"
_BLOCK = 1 << 20


class BackupTable(msgspec.Struct, frozen=True):
    """One table in the backup, counted and hashed in the snapshot that was dumped."""

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: int
    checksum: str

    @property
    def qualified(self) -> str:
        """schema.table for people (unquoted)."""
        return f"{self.schema}.{self.name}"


class BackupProof(msgspec.Struct, frozen=True):
    """The backup was restored into a scratch database and came out equal. proven_at: seconds since epoch."""

    proven_at: float
    server: str
    server_version: int
    rows: int
    tables: int
    objects: dict[str, int]
    """How many objects of each kind the scratch database had after the restore."""
    checksums_equal: bool
    seconds: float


class DatabaseIdentity(msgspec.Struct, frozen=True):
    """Which database it is, whatever address it is reached by: the cluster's identifier and its oid there."""

    system: str = ""
    database_oid: int = 0

    def known(self) -> bool:
        """Whether the server said so."""
        return bool(self.system) and self.database_oid > 0


class BackupContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds; written into the SQL file itself. role: 'source', or 'target' for a kept copy.

    rows and checksums belong to the exported `snapshot`, taken at `taken_at` (seconds since the epoch).
    """

    format: int = FORMAT
    tool: str
    run: str = ""
    schema: str
    role: str
    source: str
    server_version: int
    snapshot: str
    taken_at: float
    tables: dict[str, BackupTable]
    objects: dict[str, int]
    """How many schema objects of each kind."""
    not_carried: tuple[str, ...] = ()
    """Objects that are not in the file, each with the reason."""
    identity: DatabaseIdentity = DatabaseIdentity()
    reader: str = ""
    """The user who read it: what is granted to that user is not counted among the objects."""
    definitions: dict[str, Definition] | None = None
    """What made tables hypertables or continuous aggregates, by name; None: taken before this was noted."""

    @property
    def total_rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables.values())


class BackupManifest(BackupContent, frozen=True, kw_only=True):
    """The content, the SQL file it is in, and the proof that it was read back (None until proven)."""

    file: str
    bytes: int
    sha256: str
    proof: BackupProof | None = None
    chunks: str = ""
    """How it is known that no chunk of a hypertable was rewritten meanwhile; '' without hypertables."""
    retakes: tuple[str, ...] = ()
    """Why it was taken anew, once for each time."""
    directory: str = ""
    """Where the manifest was found; never written."""

    @property
    def path(self) -> Path:
        """The SQL file."""
        return Path(self.directory) / self.file

    @property
    def manifest_path(self) -> Path:
        """The manifest itself."""
        return manifest_of(self.path)


LARGEST_MANIFEST = 256 << 20


def manifest_of(path: Path) -> Path:
    """The manifest's path for a backup named by either of its two files."""
    if path.name.endswith(MANIFEST_SUFFIX):
        return path
    return path.with_name(path.name.removesuffix(SQL_SUFFIX) + MANIFEST_SUFFIX)


def sql_of(path: Path) -> Path:
    """The SQL file's path for a backup named by either of its two files."""
    if path.name.endswith(MANIFEST_SUFFIX):
        return path.with_name(path.name.removesuffix(MANIFEST_SUFFIX) + SQL_SUFFIX)
    return path


def load_manifest(path: Path) -> BackupManifest:
    """Read a manifest; `path` is the .sql or the .manifest.json file. Blocking, small.

    Raises InputError when it is missing, broken, or of another format.
    """
    manifest_path = manifest_of(path)
    try:
        raw = read_json(read_file(manifest_path, largest=LARGEST_MANIFEST), largest=LARGEST_MANIFEST)
        if not isinstance(raw, dict):
            raise msgspec.ValidationError("not a JSON object")
        if raw.get("format") != FORMAT:
            raise msgspec.ValidationError(f"format {raw.get('format')!r}, this wsdash reads {FORMAT}")
        manifest = msgspec.convert(raw | {"directory": str(manifest_path.parent)}, BackupManifest)
    except FileNotFoundError as error:
        raise InputError(
            f"{manifest_path.name} does not exist",
            where=str(manifest_path.parent),
            remedy="name a backup that wsdash took: its .sql or .manifest.json file",
        ) from error
    except (OSError, DocumentError, msgspec.DecodeError) as error:
        raise InputError(
            f"{manifest_path.name} is not a backup's manifest: {error}",
            where=str(manifest_path),
            remedy="use another backup, or restore the .sql file with psql knowingly",
        ) from error
    if not manifest.file or Path(manifest.file).name != manifest.file:
        raise InputError(
            f"{manifest_path.name} names {manifest.file!r}, which is not a file beside it",
            where=str(manifest_path),
            remedy="use another backup",
        )
    return manifest


def find_backups(directory: Path) -> list[BackupManifest]:
    """The complete backups in `directory`, newest first; broken manifests are left out. Blocking, small."""
    found: list[BackupManifest] = []
    for path in directory.glob(f"*{MANIFEST_SUFFIX}"):
        if path.name.startswith("."):
            continue
        try:
            manifest = load_manifest(path)
        except InputError:
            continue
        if manifest.path.is_file():
            found.append(manifest)
    return sorted(found, key=lambda manifest: (manifest.taken_at, manifest.file), reverse=True)


def write_manifest(manifest: BackupManifest) -> None:
    """Write or replace the manifest atomically: complete and on disk, or as it was. Blocking, small."""
    fields: dict[str, Any] = msgspec.to_builtins(manifest)
    del fields["directory"]
    data = msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"
    path = manifest.manifest_path
    descriptor, hidden = open_partial(path)
    with os.fdopen(descriptor, "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            publish(hidden, path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise


def digest(path: Path, stopped: Callable[[], bool] = lambda: False) -> tuple[int, str]:
    """Size and sha256 of a file, in one pass. Blocking: run it in a thread; `stopped` ends it early."""
    total, sha = 0, hashlib.sha256()
    with path.open("rb") as file:
        while not stopped() and (block := file.read(_BLOCK)):
            total += len(block)
            sha.update(block)
    return total, sha.hexdigest()


async def check_file(manifest: BackupManifest) -> None:
    """Return when the SQL file has the manifest's size and sha256.

    Raises WsdashError when it is missing or differs in any byte.
    """
    stop = False
    try:
        size, sha = await asyncio.to_thread(digest, manifest.path, lambda: stop)
    except OSError as error:
        raise WsdashError(
            f"the backup file cannot be read: {error.strerror or error}",
            where=str(manifest.path),
            remedy="bring the file back, or take a new backup",
        ) from error
    finally:
        stop = True
    if size == manifest.bytes and sha == manifest.sha256:
        return
    differs = f"{size:,} bytes instead of {manifest.bytes:,}" if size != manifest.bytes else "another sha256"
    raise WsdashError(
        f"the backup file is not the one that was taken: it has {differs}",
        where=str(manifest.path),
        remedy="don't restore it; use another backup or take a new one",
    )


SESSION = {"lock_timeout": "30s", "maintenance_work_mem": "256MB"}
"""Settings of a session that restores: it waits for nobody's lock for long, and builds indexes in memory."""


@dataclass(frozen=True)
class RestoreResult:
    """What a restore did. tables: what was restored, as it was read back; seconds: how long it took."""

    path: Path
    schema: str
    tables: dict[str, BackupTable]
    objects: dict[str, int]
    server_version: int
    seconds: float
    kept_copy: BackupManifest | None = None
    """The backup of what was there before, when it was replaced."""
    left_alone: tuple[str, ...] = ()
    """Tables that held the backup's content already."""
    notes: tuple[str, ...] = ()
    """What became of lost tables that were more than plain ones."""

    @property
    def rows(self) -> dict[str, int]:
        """Rows restored, by table."""
        return {name: table.rows for name, table in self.tables.items()}


def owners_of(catalog: Catalog, reader: str) -> frozenset[str]:
    """Whose grants a restored catalog is counted without.

    reader: who read the backup; '' where that was not noted yet: there every grant was counted.
    """
    return frozenset({catalog.user, reader}) if reader else frozenset()


def object_counts(catalog: Catalog, owners: frozenset[str]) -> dict[str, int]:
    """How many schema objects of each kind a catalog describes, without what is granted to `owners`.

    Whoever restores a backup owns what it makes: what was granted to that user is no grant any more.
    """
    counts = Counter(one.kind for one in pre_data(catalog) + post_data(catalog))
    counts -= Counter(
        one.kind for one in catalog.items if one.kind in ("grant", "role") and one.role in owners
    )
    return dict(sorted(counts.items()))


def refuse_differences(lines: list[str], path: Path, target: Endpoint) -> None:
    """Raise WsdashError listing the tables when there are any differences."""
    if lines:
        raise WsdashError(
            f"what was restored does not equal {path.name}: " + "; ".join(lines),
            where=target.address,
            remedy="nothing was kept; use another backup or take a new one",
        )
