"""Files that are whole or absent, and the sentence for a disk that takes no more."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

from safetensors import SafetensorError

WRITE_ERRORS = (OSError, SafetensorError)
"""What writing raises where the disk is full or read-only; safetensors has an error of its own."""
_FULL = 2**17
"""Fewer free bytes than this are a full disk."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes a file so that it is either the old or the new one, even after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by `tempfile`: its files are for their owner alone, and a store may be shared.
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


def sync(path: Path) -> None:
    """Makes what was written to a file or a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def why_unwritable(error: OSError | SafetensorError, place: Path | None = None) -> str:
    """Returns what to tell a user whose disk refused a write.

    Args:
        error: what was raised; libraries often leave out the system's own reason.
        place: where was written; whether that disk is full is then looked up.
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
