"""What a restore hands back, and the comparison without which it is not committed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from wsdash.data.backup.manifest import BackupManifest, BackupTable
from wsdash.data.catalog.read import Catalog
from wsdash.data.pg.connect import Endpoint
from wsdash.data.schema.ddl import post_data, pre_data
from wsdash.errors import WsdashError

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
