"""SHA-256 of model files, cached between processes.

The key of every result made with a model contains the hash of its weights. Without the cache, a dry
run would spend most of its time reading large files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from lanser_bench import FileHashes


def cache_folder() -> Path:
    """Returns the user's cache folder of lanser-bench (``$XDG_CACHE_HOME`` or ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lanser-bench"


def file_sha256(path: Path) -> str:
    """Returns a file's SHA-256 in hexadecimal; raises `DataError` if it cannot be read."""
    with closing(_hashes()) as hashes:
        return hashes.sha256(path)


def content_hash(root: Path, files: Iterable[Path]) -> str:
    """Returns one SHA-256 of the names (relative to `root`) and bytes of some files."""
    with closing(_hashes()) as hashes:
        listed = sorted((file.relative_to(root).as_posix(), hashes.sha256(file)) for file in files)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def _hashes() -> FileHashes:
    return FileHashes(cache_folder() / "weights.sqlite")
