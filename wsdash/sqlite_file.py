"""SQLite files of wsdash's own: known by their marks, opened for writing, told when not usable."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wsdash.errors import InputError

WAIT_SECONDS = 5.0
"""How long a statement waits for another process's lock."""


@dataclass(frozen=True)
class FileKind:
    """One kind of file. Its marks are application_id and version (`pragma user_version`).

    name: what it is called ("journal"). on_version, on_damage, on_failure: what to do about a file of another
    version, a damaged one, and one that cannot be opened.
    """

    name: str
    application_id: int
    version: int
    schema: str
    on_version: str
    on_damage: str
    on_failure: str

    def open_for_writing(
        self, path: Path, settle: Callable[[sqlite3.Connection, bool], None]
    ) -> sqlite3.Connection:
        """Open the file, or make it with the schema and the marks; write-ahead, no implicit transactions.

        settle is called with whether the file is new, before anything is written to it: for pragmas, and for
        proofs of an old one. Raises InputError for a foreign or damaged file, or a closed directory.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                self._create(path)
            if path.stat().st_uid == os.getuid():
                path.chmod(0o600)  # an earlier version left it to the umask
            db = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self.unusable(path, error) from error
        try:
            fresh = db.execute("select count(*) from sqlite_master").fetchone()[0] == 0
            if not fresh:
                self.check(db, path)
            settle(db, fresh)
            if fresh:
                marks = f"application_id = {self.application_id}; pragma user_version = {self.version}"
                db.executescript(f"begin; {self.schema} pragma {marks}; commit;")
        except sqlite3.Error as error:
            db.close()
            raise self.unusable(path, error) from error
        except InputError:
            db.close()
            raise
        return db

    def _create(self, path: Path) -> None:
        """Make the complete file under another name first: a kill leaves no half of one under its own."""
        for left in path.parent.glob(f".{path.name}.*"):
            left.unlink(missing_ok=True)
        made = path.with_name(f".{path.name}.{os.getpid()}")
        os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(made, isolation_level=None)
        try:
            marks = f"pragma application_id = {self.application_id}; pragma user_version = {self.version}"
            db.executescript(f"begin; {self.schema} {marks}; commit;")
        finally:
            db.close()
        with suppress(FileExistsError):  # another process was as fast: its file is as good
            os.link(made, path)
        made.unlink(missing_ok=True)

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        """Raises InputError unless the open file is of this kind and version."""
        application = db.execute("pragma application_id").fetchone()[0]
        version = db.execute("pragma user_version").fetchone()[0]
        if application != self.application_id:
            raise InputError(
                f"this is not a wsdash {self.name}",
                where=str(path),
                remedy="name another state directory with --state",
            )
        if version != self.version:
            raise InputError(
                f"the {self.name} has format {version}, this wsdash reads format {self.version}",
                where=str(path),
                remedy=self.on_version,
            )

    def damaged(self, path: Path, detail: object) -> InputError:
        """How damage is told."""
        return InputError(f"the {self.name} is damaged: {detail}", where=str(path), remedy=self.on_damage)

    def unusable(self, path: Path, error: Exception) -> InputError:
        """How a failure to open the file is told: damage as damage, anything else as what it is."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            return self.damaged(path, error)
        return InputError(
            f"the {self.name} cannot be opened: {error}", where=str(path), remedy=self.on_failure
        )
