"""SQLite files of wsdash's own: known by their marks, opened for writing, described when not usable."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wsdash.errors import InputError

WAIT_SECONDS = 5.0
"""How long a statement waits for another process's lock."""


Signature = tuple[tuple[int, int] | None, ...]
"""Size and time of change of a file and of what lies beside it; None for what is missing."""


def signature(path: Path) -> Signature:
    """By which a file that cannot be followed is known to have changed."""
    found: list[tuple[int, int] | None] = []
    for name in (path.name, path.name + "-wal", path.name + "-shm"):
        try:
            state = path.with_name(name).stat()
            found.append((state.st_size, state.st_mtime_ns))
        except OSError:
            found.append(None)
    return tuple(found)


def connect_read_only(path: Path, wait_seconds: float) -> tuple[sqlite3.Connection, Signature | None]:
    """Open an existing file without ever writing to it or beside it; also in a directory that is read-only.

    A writer that lives is followed; then the second value is None. Where SQLite may not make the files that
    following takes, what is there now is read: as it is, or with a write-ahead log that a killed writer left,
    from a private copy. Then the second value is the signature of what was read. Raises sqlite3.Error.
    """
    try:
        return _connect(path, "mode=ro", wait_seconds), None
    except sqlite3.OperationalError as error:
        seen = signature(path)
        if "locked" in str(error) or seen[2] is not None:
            raise  # busy, or a living writer's files that we may not read
    if not seen[1] or not seen[1][0]:
        return _connect(path, "mode=ro&immutable=1", wait_seconds), seen
    try:
        with tempfile.TemporaryDirectory(prefix="wsdash-read-") as directory:
            copy = Path(directory) / path.name
            for name in (path.name, path.name + "-wal"):
                shutil.copyfile(path.with_name(name), copy.with_name(name))
            with_log = sqlite3.connect(copy, isolation_level=None)
            try:
                with_log.execute("pragma journal_mode = delete")  # takes the log into the file
            finally:
                with_log.close()
            return _connect(copy, "mode=ro&immutable=1", wait_seconds), seen  # open, so it may lose its name
    except OSError as error:
        raise sqlite3.OperationalError(
            f"it cannot be copied for reading: {error.strerror or error}"
        ) from error


def _connect(path: Path, how: str, wait_seconds: float) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=wait_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        db.execute("pragma query_only = on")
        db.execute("select count(*) from sqlite_master").fetchone()  # opens what lies beside it
    except BaseException:
        db.close()
        raise
    return db


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
        """How damage is described."""
        return InputError(f"the {self.name} is damaged: {detail}", where=str(path), remedy=self.on_damage)

    def unusable(self, path: Path, error: Exception) -> InputError:
        """How a failure to open the file is described: damage as damage, anything else as what it is."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            return self.damaged(path, error)
        return InputError(
            f"the {self.name} cannot be opened: {error}", where=str(path), remedy=self.on_failure
        )
