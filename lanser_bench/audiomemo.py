"""Remembers what is known of recordings, so that a second look reads only new or changed files."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .audio import AudioFacts, inspect
from .errors import DataError, StoreError
from .store import FileHashes, library_versions, source_hash

_BATCH = 256
"""Recordings between two writes: what an interrupted first look may lose."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: its identity and what a full decode found."""

    sha: str
    """SHA-256 of its bytes; empty if they cannot be read."""
    facts: AudioFacts | None
    """None if the bytes cannot be read."""
    unreadable: str = ""

    @property
    def problem(self) -> str:
        """Why it cannot be used; empty if it can."""
        return (self.facts.problem or "") if self.facts is not None else self.unreadable


class AudioMemo:
    """Hashes of files by (inode, size, mtime) and audio facts by hash, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the memo at `path`."""
        self._hashes = FileHashes(path)
        # A changed decoder may find other facts in the same bytes.
        versions = library_versions(("soundfile", "soxr", "numpy"))
        self._code = f"{source_hash('lanser_bench.audio')} {sorted(versions.items())}"
        try:
            self._db = sqlite3.connect(path, timeout=60)
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS facts (sha TEXT PRIMARY KEY, code TEXT, facts TEXT)"
            )
        except sqlite3.Error as error:
            raise StoreError(
                f"The memo of recordings {path} cannot be opened: {error}. It holds nothing that "
                "the recordings do not tell: remove it, and they are read once more."
            ) from error

    def look(
        self, paths: Iterable[Path], progress: Callable[[int, int, str], None] | None = None
    ) -> dict[Path, Recording]:
        """Returns what is known of each file, decoding in full only what was not seen before.

        Args:
            paths: files; equal ones are looked at once.
            progress: called with done, total and unit.
        """
        hashed: dict[Path, str] = {}
        unread: dict[Path, Recording] = {}
        for path in dict.fromkeys(paths):
            try:
                hashed[path] = self._hashes.sha256(path)
            except (DataError, ValueError):  # no path can hold a zero byte
                unread[path] = Recording("", None, _why_unreadable(path))
        known = self._known(set(hashed.values()))
        self._learn({s: p for p, s in hashed.items() if s not in known}, known, progress)
        return {path: Recording(sha, known[sha]) for path, sha in hashed.items()} | unread

    def _known(self, shas: set[str]) -> dict[str, AudioFacts]:
        known = {}
        for sha in shas:
            row = self._db.execute(
                "SELECT facts FROM facts WHERE sha=? AND code=?", (sha, self._code)
            ).fetchone()
            if row is not None:
                known[sha] = AudioFacts(**json.loads(row[0]))
        return known

    def _learn(
        self,
        new: dict[str, Path],
        known: dict[str, AudioFacts],
        progress: Callable[[int, int, str], None] | None,
    ) -> None:
        todo = list(new.items())
        # Decoding happens outside the interpreter's lock, so threads help.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for begin in range(0, len(todo), _BATCH):
                part = todo[begin : begin + _BATCH]
                found = list(pool.map(inspect, (path for _, path in part)))
                known.update(zip((sha for sha, _ in part), found, strict=True))
                # Only a memo: on a full disk the next look decodes these again.
                with suppress(sqlite3.OperationalError), self._db:
                    self._db.executemany(
                        "INSERT OR REPLACE INTO facts VALUES (?,?,?)",
                        [
                            (sha, self._code, json.dumps(asdict(facts)))
                            for (sha, _), facts in zip(part, found, strict=True)
                        ],
                    )
                if progress is not None:
                    progress(begin + len(part), len(todo), "recordings")

    def close(self) -> None:
        """Closes the memo."""
        self._hashes.close()
        self._db.close()


def _why_unreadable(path: Path) -> str:
    if not path.exists():
        return "is missing"
    return "cannot be read" if path.is_file() else "is not a file"
