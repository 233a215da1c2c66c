"""Content hashes of files, remembered for as long as a file is proved to be unchanged."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError

_log = logging.getLogger(__name__)

MARGIN_NS = 2_000_000_000
"""The coarsest tick of a file system's clock (FAT). A file that is changed twice within one tick
shows the same times both times."""
COARSE_NS = 10_000_000


class ChangedError(DataError):
    """A file changed while it was read."""


class FileState(NamedTuple):
    """What the file system says of a file; equal states mean equal bytes if `is_proof`."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int
    """When the kernel last saw the file change, in nanoseconds. Unlike `mtime`, no program can set
    it: ``unzip``, ``rsync``, ``tar`` and ``touch`` give a new file the size and `mtime` of an old
    one, and file systems give it the old inode."""

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Returns a file's state; `DataError` if there is no regular file."""
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from None
        if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device may never end
            raise DataError(f"{path} is not a file.")
        times = (found.st_mtime_ns, found.st_ctime_ns)
        return cls(found.st_dev, found.st_ino, found.st_size, *times)

    def is_proof(self, read_at: int) -> bool:
        """Whether this state, seen again, proves that the bytes are still those read.

        Args:
            read_at: nanoseconds since 1970 just before the bytes were read.
        """
        # Windows has the time of creation in this place; FAT, SSHFS and other file systems without
        # a ctime repeat mtime, which a program can set. They show coarse times, where a disk's are
        # odd to the nanosecond. Files there are read at each look.
        own = self.ctime != self.mtime or self.ctime % COARSE_NS != 0
        is_old = 0 < self.ctime < read_at - MARGIN_NS
        return os.name != "nt" and self.inode > 0 and own and is_old


class Memo:
    """A table in an SQLite file of what can be found out again.

    A full or read-only disk costs time, not a run; a damaged file is replaced, with a note.
    """

    def __init__(self, path: Path, table: str) -> None:
        """Opens or makes a memo.

        Args:
            path: its file, which may have several tables.
            table: name and columns, such as ``hashes (state TEXT PRIMARY KEY, sha TEXT)``.
        """
        self._path, self._table = path, table
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._opened(path)
        except sqlite3.DatabaseError as error:
            self._db = self._replaced(error)
        except OSError:
            self._db = self._opened(":memory:")

    def find(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """Returns the first row that a query finds."""
        try:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row
        except sqlite3.DatabaseError as error:
            self._replace(error)
            return None

    def put(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Adds rows, in place of those with the same primary key."""
        name = self._table.partition(" ")[0]
        for row in rows:
            marks = ",".join("?" * len(row))
            try:
                self._db.execute(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", row)
            except sqlite3.DatabaseError as error:
                self._replace(error)

    def close(self) -> None:
        """Closes the memo."""
        self._db.close()

    def _opened(self, place: Path | str) -> sqlite3.Connection:
        db = sqlite3.connect(place, timeout=60, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute(f"CREATE TABLE IF NOT EXISTS {self._table}")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _replace(self, error: sqlite3.DatabaseError) -> None:
        if not isinstance(error, sqlite3.OperationalError):  # full, locked or read-only disk
            self._db.close()
            self._db = self._replaced(error)

    def _replaced(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Removes a damaged file and begins anew; in memory where that is not possible."""
        try:
            if not isinstance(error, sqlite3.OperationalError):
                for end in ("", "-wal", "-shm"):
                    Path(f"{self._path}{end}").unlink(missing_ok=True)
                _log.warning(
                    "The cache %s is damaged (%s). It was removed; the files it described are read "
                    "again.",
                    self._path,
                    error,
                )
                return self._opened(self._path)
        except (OSError, sqlite3.DatabaseError):
            pass
        return self._opened(":memory:")


class FileHashes:
    """SHA-256 of files, remembered for as long as the file system shows no change of a file."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the memo at `path`."""
        self._memo = Memo(path, "hashes (state TEXT PRIMARY KEY, sha TEXT)")

    def sha256(self, path: Path) -> str:
        """Returns the SHA-256 of a file's bytes, read only if the file is new or may have changed.

        Raises:
            DataError: it cannot be read; a `ChangedError` if it changes all the time.
        """
        for _ in range(3):
            begin, state = time.time_ns(), FileState.of(path)
            name = ":".join(map(str, state))
            row = self._memo.find("SELECT sha FROM hashes WHERE state=?", name)
            if row is not None:
                return str(row[0])
            sha = file_sha256(path)
            if FileState.of(path) == state:
                if state.is_proof(begin):
                    self._memo.put([(name, sha)])
                return sha
        raise ChangedError(f"{path} changes while it is read. Run again when it is complete.")

    def close(self) -> None:
        """Closes the memo."""
        self._memo.close()


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
