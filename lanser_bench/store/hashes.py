"""Content hashes of files, cached while a file is known to be unchanged."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from .files import drop_damaged

MARGIN_NS = 2_000_000_000
"""The coarsest tick of a file system's clock (FAT). A file changed twice within one tick shows the
same times after both changes."""
COARSE_NS = 10_000_000
_SHA = re.compile("[0-9a-f]{64}")


class ChangedError(DataError):
    """A file changed while it was read."""


class FileState(NamedTuple):
    """A file's state in the file system; equal states mean equal bytes if `is_proof`."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int
    """Time of the last change by the kernel's clock, in nanoseconds. Programs cannot set it, unlike
    `mtime`: ``unzip``, ``rsync``, ``tar`` and ``touch`` can give a new file the size and `mtime` of
    an old one, and file systems may reuse the old inode."""

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Returns a file's state; `DataError` if it is not a regular file."""
        try:
            own = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from None
        if not stat.S_ISREG(own.st_mode):  # reading a pipe or a device may never end
            raise DataError(f"{path} is not a file.")
        return cls(own.st_dev, own.st_ino, own.st_size, own.st_mtime_ns, own.st_ctime_ns)

    def is_proof(self, read_at: int) -> bool:
        """Returns whether seeing this state again proves that the bytes are unchanged.

        `read_at` is the time just before the bytes were read, in nanoseconds since 1970.
        """
        # Windows has the time of creation here; FAT, SSHFS and other file systems without a ctime
        # repeat mtime, which programs can set, and show coarse times, unlike a disk's nanoseconds.
        # Files there are read every time.
        own = self.ctime != self.mtime or self.ctime % COARSE_NS != 0
        is_old = 0 < self.ctime < read_at - MARGIN_NS
        return os.name != "nt" and self.inode > 0 and own and is_old


class Memo:
    """A cache: a table in an SQLite file with values that can be computed again.

    On a full or read-only disk it only costs time; a damaged file is replaced with a warning.
    """

    def __init__(self, path: Path, table: str) -> None:
        """Opens or creates a table in the file `path`, which may have several.

        `table` is its name and columns, such as ``hashes (state TEXT PRIMARY KEY, sha TEXT)``.
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
        """Returns the first row of a query's result."""
        try:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row
        except sqlite3.DatabaseError as error:
            self.reject(error)
            return None

    def put(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Adds rows and replaces those with the same primary key."""
        name = self._table.partition(" ")[0]
        for row in rows:
            marks = ",".join("?" * len(row))
            try:
                self._db.execute(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", row)
            except sqlite3.DatabaseError as error:
                self.reject(error)

    def reject(self, why: object) -> None:
        """Replaces the file if `why` shows damage: no value in it can be trusted."""
        if not isinstance(why, sqlite3.OperationalError):  # full, locked or read-only disk
            self._db.close()
            self._db = self._replaced(why)

    def close(self) -> None:
        """Closes the table."""
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

    def _replaced(self, error: object) -> sqlite3.Connection:
        """Replaces a damaged file by an empty one; uses memory if that is impossible."""
        if not isinstance(error, sqlite3.OperationalError):
            drop_damaged(self._path, error, "files are read again")
            with suppress(sqlite3.DatabaseError):
                return self._opened(self._path)
        return self._opened(":memory:")


class FileHashes:
    """SHA-256 of files, cached while the file system shows no change of a file."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the cache at `path`."""
        self._memo = Memo(path, "hashes (state TEXT PRIMARY KEY, sha TEXT)")

    def sha256(self, path: Path) -> str:
        """Returns the SHA-256 of a file's bytes, read only if the file is new or may have changed.

        Raises:
            DataError: it cannot be read; a `ChangedError` if it keeps changing.
        """
        for _ in range(3):
            begin, state = time.time_ns(), FileState.of(path)
            name = ":".join(map(str, state))
            row = self._memo.find("SELECT sha FROM hashes WHERE state=?", name)
            if row is not None and _SHA.fullmatch(str(row[0])):
                return str(row[0])
            if row is not None:
                self._memo.reject("a value is not a hash")
            sha = file_sha256(path)
            if FileState.of(path) == state:
                if state.is_proof(begin):
                    self._memo.put([(name, sha)])
                return sha
        raise ChangedError(f"{path} keeps changing. Run again when it is complete.")

    def close(self) -> None:
        """Closes the cache."""
        self._memo.close()


_seen: dict[FileState, str] = {}


def seen_sha256(path: Path) -> str:
    """As `file_sha256`, but reads a file once per process while its state proves it unchanged."""
    begin, state = time.time_ns(), FileState.of(path)
    sha = _seen.get(state)
    if sha is None:
        sha = file_sha256(path)
        if state.is_proof(begin) and FileState.of(path) == state:
            _seen[state] = sha
    return sha


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
