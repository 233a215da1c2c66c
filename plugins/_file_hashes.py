"""SHA-256 of model files, remembered between processes.

Weights are large and named in the key of everything computed with them, so reading them anew for
each key would dominate a dry run. A file is read again when its inode, size or time changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def cache_folder() -> Path:
    """Returns the user's cache folder of lanser-bench (``$XDG_CACHE_HOME`` or ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lanser-bench"


def file_sha256(path: Path) -> str:
    """Returns a file's SHA-256 as 64 hexadecimal digits, from the memo if the file is unchanged.

    Raises:
        OSError: the file cannot be read.
    """
    stat = path.stat()
    identity = f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"
    if not _memo:
        _memo.update(_read_memo())
    if identity not in _memo:
        with path.open("rb") as file:
            _memo[identity] = hashlib.file_digest(file, "sha256").hexdigest()
        _write_memo()
    return _memo[identity]


def content_hash(root: Path, files: Iterable[Path]) -> str:
    """Returns one SHA-256 over the names (relative to `root`) and bytes of some files."""
    listed = sorted((file.relative_to(root).as_posix(), file_sha256(file)) for file in files)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


_memo: dict[str, str] = {}


def _memo_path() -> Path:
    return cache_folder() / "weight-hashes.json"


def _read_memo() -> dict[str, str]:
    try:
        found = json.loads(_memo_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_memo() -> None:
    """Adds to the memo file; a read-only home costs time, not the run."""
    path = _memo_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _memo.update(_read_memo() | _memo)
        handle, name = tempfile.mkstemp(prefix=".weight-hashes-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(_memo, file)
        Path(name).replace(path)
