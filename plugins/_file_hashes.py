"""SHA-256 of model files, remembered between processes.

Weights are large and named in the key of everything computed with them, so reading them anew for
each key would dominate a dry run.
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
    """Returns a file's SHA-256 as 64 hexadecimal digits.

    Raises:
        DataError: the file cannot be read.
    """
    with closing(_hashes()) as hashes:
        return hashes.sha256(path)


def content_hash(root: Path, files: Iterable[Path]) -> str:
    """Returns one SHA-256 over the names (relative to `root`) and bytes of some files."""
    with closing(_hashes()) as hashes:
        listed = sorted((file.relative_to(root).as_posix(), hashes.sha256(file)) for file in files)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def _hashes() -> FileHashes:
    return FileHashes(cache_folder() / "weights.sqlite")
