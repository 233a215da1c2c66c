"""Temporary files of a running stage, removed when their ``with`` block ends."""

from __future__ import annotations

import errno
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

_DISK = {"SQLITE_FULL": errno.ENOSPC, "SQLITE_IOERR_WRITE": errno.EIO}
"""SQLite's errors of failed writes → the error codes that the store expects."""
_SETTINGS = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-8192", "locking_mode=EXCLUSIVE")
"""The file is removed with its draft, so it needs no journal, lock or sync."""


class Scratch(ABC):
    """Something on disk that is removed when the block ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Removes it."""


class ScratchBase(Scratch):
    """A SQLite file of one process, which keeps a corpus out of memory."""

    def __init__(self, path: Path, *settings: str, of_another: bool = False) -> None:
        """Creates a new file; `settings` are pragmas such as ``temp_store=FILE``.

        `of_another`: opens the finished file of another process, which will remove it.
        """
        self._path, self._is_own = path, not of_another
        place = f"{path.as_uri()}?mode=ro&immutable=1" if of_another else path
        self._base = sqlite3.connect(place, uri=of_another, isolation_level=None)
        for setting in (*_SETTINGS, *settings) if self._is_own else ():
            self._base.execute(f"PRAGMA {setting}")

    def write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Executes a statement for each row, all in one transaction."""
        self._base.execute("BEGIN")
        self._base.executemany(statement, rows)
        self._base.execute("COMMIT")

    def __exit__(self, *raised: object) -> None:
        self.close()
        error = raised[1]
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname in _DISK:
            raise OSError(_DISK[error.sqlite_errorname], str(error), str(self._path)) from error

    def close(self) -> None:
        """Removes the file if it is this process's own."""
        self._base.close()
        if self._is_own:
            self._path.unlink(missing_ok=True)
