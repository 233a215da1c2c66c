"""Caches facts of recordings, so that a second look reads only new or changed files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..audio import AudioFacts, inspect
from ..audio.layout import SoundError
from ..audio.media import convert, media_format
from ..errors import DataError
from ..plugins.identity import library_versions, source_hash
from ..store import ChangedError, FileHashes, Memo

_BATCH = 256
"""Recordings between two writes, the most that an interrupted first look loses."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: its identity and the facts from a full decode."""

    path: Path
    """What is decoded: the file itself, or its conversion."""
    sha: str
    """SHA-256 of the bytes of `path`; empty if they cannot be read."""
    facts: AudioFacts | None
    """None if the bytes cannot be read."""
    unreadable: str = ""

    @property
    def problem(self) -> str:
        """Why it cannot be used; empty if it can."""
        return (self.facts.problem or "") if self.facts is not None else self.unreadable


_FACTS = TypeAdapter(AudioFacts)
_CHANGING = "changed while it was being read"


class AudioMemo:
    """Hashes of files by their `FileState` and audio facts by hash, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the memo at `path`."""
        self._hashes = FileHashes(path)
        # Another decoder may give other facts for the same bytes.
        versions = library_versions(("soundfile", "soxr", "numpy"))
        self._code = f"{source_hash('lanser_bench.audio')} {sorted(versions.items())}"
        self._converted = path.parent / "datasets" / "converted"
        self._facts = Memo(path, "facts (sha TEXT PRIMARY KEY, code TEXT, facts TEXT)")

    def look(
        self, paths: Iterable[Path], progress: Callable[[int, int, str], None] | None = None
    ) -> dict[Path, Recording]:
        """Returns the facts of each file; decodes in full only files not seen before.

        `progress` is called with done, total and unit.
        """
        files = {path: self._identified(path) for path in dict.fromkeys(paths)}
        sounds = {file.sha: file.path for file in files.values() if file.sha}
        known = self._known(set(sounds))
        known |= self._learn({s: path for s, path in sounds.items() if s not in known}, progress)
        return {path: _with_facts(path, file, known.get(file.sha)) for path, file in files.items()}

    def _identified(self, path: Path) -> Recording:
        """Returns a file without facts; a format that needs PyAV is converted once and kept."""
        try:
            sha = self._hashes.sha256(path)
            if not media_format(path):
                return Recording(path, sha, None, _CHANGING)
            sound = self._converted / f"{sha}.flac"
            if not sound.is_file():
                convert(path, sound)
            return Recording(sound, self._hashes.sha256(sound), None, _CHANGING)
        except ChangedError:
            reason = _CHANGING
        except SoundError as error:
            reason = str(error)
        except (DataError, ValueError):  # a path with a zero byte
            reason = _why_unreadable(path)
        return Recording(path, "", None, reason)

    def _known(self, shas: set[str]) -> dict[str, AudioFacts]:
        query = "SELECT facts FROM facts WHERE sha=? AND code=?"
        known = {}
        for sha in shas:
            if row := self._facts.find(query, sha, self._code):
                try:
                    known[sha] = _FACTS.validate_json(row[0])
                except ValidationError:
                    self._facts.reject("a value is not a measurement")
        return known

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


def _with_facts(path: Path, file: Recording, facts: AudioFacts | None) -> Recording:
    if facts is not None and file.path != path:
        facts = replace(facts, format=f"{path.suffix[1:].upper()}, converted")
    return replace(file, facts=facts)


def _why_unreadable(path: Path) -> str:
    if not path.exists():
        annex = path.is_symlink() and "/annex/objects/" in str(path.readlink())
        fetch = ". Run `git annex get .` or `datalad get .` in its repository"
        return f"is missing{fetch if annex else ''}"
    return "cannot be read" if path.is_file() else "is not a file"
