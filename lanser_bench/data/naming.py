"""Names utterances and recordings in messages: a few of them, and how many more."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..kinds.dataset import Utterance

SHOWN = 5
"""Number of items that a sentence names before it only counts the rest."""


def some(items: Iterable[str], joint: str = "; ", shown: int = SHOWN) -> str:
    """Joins the first few and counts the rest."""
    listed = list(items)
    rest = len(listed) - shown
    return joint.join(listed[:shown]) + (f"{joint}and {rest} more" if rest > 0 else "")


def by_fault(faults: Iterable[tuple[str, str]], shown: int = SHOWN) -> str:
    """Joins pairs of a file and its fault; files with the same fault are listed before it."""
    files: dict[str, list[str]] = {}
    for file, fault in faults:
        files.setdefault(fault, []).append(file)
    groups = [
        f"{some(names, ', ', shown)}: each {fault}" if names[1:] else f"{names[0]} {fault}"
        for fault, names in files.items()
    ]
    return some(groups, shown=shown)


def place(u: Utterance, root: Path) -> str:
    """Returns where a row or recording is."""
    return u.origin or relative(u.audio, root)


def relative(path: Path | None, root: Path) -> str:
    """Returns a path below the dataset's folder, with `/`; absolute if it is elsewhere."""
    if path is None:
        return "(no file)"
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
