"""Remembers what is known of recordings, so that a second look reads only new or changed files."""

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


_CHANGING = Recording("", None, "changed while it was read")


class AudioMemo:
    """Hashes of files by their `FileState` and audio facts by hash, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the memo at `path`."""
        self._hashes = FileHashes(path)
        # A changed decoder may find other facts in the same bytes.
        versions = library_versions(("soundfile", "soxr", "numpy"))
        self._code = f"{source_hash('lanser_bench.audio')} {sorted(versions.items())}"
        self._facts = Memo(path, "facts (sha TEXT PRIMARY KEY, code TEXT, facts TEXT)")

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
            except ChangedError:
                unread[path] = _CHANGING
            except (DataError, ValueError):  # no path can hold a zero byte
                unread[path] = Recording("", None, _why_unreadable(path))
        known = self._known(set(hashed.values()))
        self._learn({s: p for p, s in hashed.items() if s not in known}, known, progress)
        found = {p: Recording(sha, known[sha]) for p, sha in hashed.items() if sha in known}
        return {path: found.get(path, _CHANGING) for path in hashed} | unread

    def _known(self, shas: set[str]) -> dict[str, AudioFacts]:
        known = {}
        for sha in shas:
            row = self._facts.find(
                "SELECT facts FROM facts WHERE sha=? AND code=?", sha, self._code
            )
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
                found = pool.map(inspect, (path for _, path in part))
                pairs = zip(part, found, strict=True)
                # Not the facts of a file that was replaced since it was hashed.
                learnt = {sha: facts for (sha, path), facts in pairs if self._is_still(sha, path)}
                known.update(learnt)
                self._facts.put(
                    (sha, self._code, json.dumps(asdict(facts))) for sha, facts in learnt.items()
                )
                if progress is not None:
                    progress(begin + len(part), len(todo), "recordings")

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
