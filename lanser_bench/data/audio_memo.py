"""Caches facts of recordings, so that a second look reads only new or changed files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from ..audio import AudioFacts, inspect
from ..errors import DataError
from ..plugins.identity import library_versions, source_hash
from ..store import ChangedError, FileHashes, Memo

_BATCH = 256
"""Recordings between two writes, the most that an interrupted first look loses."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: its identity and the facts from a full decode."""

    sha: str
    """SHA-256 of its bytes; empty if they cannot be read."""
    facts: AudioFacts | None
    """None if the bytes cannot be read."""
    unreadable: str = ""

    @property
    def problem(self) -> str:
        """Why it cannot be used; empty if it can."""
        return (self.facts.problem or "") if self.facts is not None else self.unreadable


_CHANGING = Recording("", None, "changed while it was being read")


class AudioMemo:
    """Hashes of files by their `FileState` and audio facts by hash, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the memo at `path`."""
        self._hashes = FileHashes(path)
        # Another decoder may give other facts for the same bytes.
        versions = library_versions(("soundfile", "soxr", "numpy"))
        self._code = f"{source_hash('lanser_bench.audio')} {sorted(versions.items())}"
        self._facts = Memo(path, "facts (sha TEXT PRIMARY KEY, code TEXT, facts TEXT)")

    def look(
        self, paths: Iterable[Path], progress: Callable[[int, int, str], None] | None = None
    ) -> dict[Path, Recording]:
        """Returns the facts of each file; decodes in full only files not seen before.

        `progress` is called with done, total and unit.
        """
        hashed: dict[Path, str] = {}
        unread: dict[Path, Recording] = {}
        for path in dict.fromkeys(paths):
            try:
                hashed[path] = self._hashes.sha256(path)
            except ChangedError:
                unread[path] = _CHANGING
            except (DataError, ValueError):  # a path with a zero byte
                unread[path] = Recording("", None, _why_unreadable(path))
        known = self._known(set(hashed.values()))
        new = {sha: path for path, sha in hashed.items() if sha not in known}
        known |= self._learn(new, progress)
        read = {p: Recording(s, known[s]) if s in known else _CHANGING for p, s in hashed.items()}
        return read | unread

    def _known(self, shas: set[str]) -> dict[str, AudioFacts]:
        query = "SELECT facts FROM facts WHERE sha=? AND code=?"
        rows = {sha: self._facts.find(query, sha, self._code) for sha in shas}
        return {sha: AudioFacts(**json.loads(row[0])) for sha, row in rows.items() if row}

    def _learn(
        self, new: dict[str, Path], progress: Callable[[int, int, str], None] | None
    ) -> dict[str, AudioFacts]:
        """Decodes and stores files by their hash; files changed meanwhile are missing."""
        learnt: dict[str, AudioFacts] = {}
        todo = list(new.items())
        # Decoding releases the interpreter's lock, so threads help.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for begin in range(0, len(todo), _BATCH):
                part = todo[begin : begin + _BATCH]
                pairs = zip(part, pool.map(inspect, (path for _, path in part)), strict=True)
                batch = {sha: facts for (sha, path), facts in pairs if self._is_still(sha, path)}
                self._facts.put((s, self._code, json.dumps(asdict(f))) for s, f in batch.items())
                learnt |= batch
                if progress is not None:
                    progress(begin + len(part), len(todo), "recordings")
        return learnt

    def _is_still(self, sha: str, path: Path) -> bool:
        try:
            return self._hashes.sha256(path) == sha
        except DataError:
            return False

    def close(self) -> None:
        """Closes the memo."""
        self._hashes.close()
        self._facts.close()


def _why_unreadable(path: Path) -> str:
    if not path.exists():
        return "is missing"
    return "cannot be read" if path.is_file() else "is not a file"
