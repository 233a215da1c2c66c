"""Atomic writes, and messages for disks that are full or read-only."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError

from ..paths import read_whole
from ..printing import visible

T = TypeVar("T")
_log = logging.getLogger(__name__)
_UNPARSED = (OSError, RecursionError, ValueError, LookupError, TypeError, EOFError, zlib.error)
WRITE_ERRORS = (OSError, SafetensorError)
"""Errors of writing to a full or read-only disk; safetensors has its own class."""
_FULL = 2**17
"""A disk with fewer free bytes counts as full."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replaces a file by a new one atomically, even if the power fails."""
    if not path.name:  # "." or "/"
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not `tempfile`, whose files only their owner can read: a store may be shared.
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def read_cache(path: Path, parse: Callable[[bytes], T], cost: str) -> T | None:
    """Returns the content of a cache; None without it, or, as `drop_damaged`, if it is damaged."""
    try:
        raw = read_whole(path)
    except FileNotFoundError:
        return None
    except OSError as error:  # says nothing about the content, so the file stays
        _log.warning("The cache %s cannot be read (%s) and is not used; %s.", path, error, cost)
        return None
    try:
        return parse(raw)
    except _UNPARSED as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        drop_damaged(path, why, cost)
        return None


def drop_damaged(cache: Path, why: object, cost: str) -> None:
    """Removes a cache that cannot be used, with a note; it is made again when it is needed."""
    for end in ("", "-wal", "-shm"):  # SQLite has files beside it
        with suppress(OSError):  # a read-only disk
            Path(f"{cache}{end}").unlink(missing_ok=True)
    reason = visible(str(why).partition("\n")[0] or type(why).__name__)
    _log.warning("The cache %s is damaged (%s) and is not used; %s.", cache, reason, cost)


def sync(path: Path) -> None:
    """Flushes a file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def why_unwritable(error: OSError | SafetensorError, place: Path | None = None) -> str:
    """Returns the reason why a disk refused a write, for the user.

    Libraries often omit the system's reason, so the disk of `place` is checked for space.
    """
    number, text = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
    if number is None and (os.strerror(errno.ENOSPC) in text or _is_full(place)):
        number = errno.ENOSPC
    if number in (errno.ENOSPC, errno.EDQUOT):
        why = os.strerror(number)
        return f"{why}; make room, for instance with `lanser-bench cache gc`"
    return text.rstrip(".")


def _is_full(place: Path | None) -> bool:
    return place is not None and shutil.disk_usage(place).free < _FULL
