"""One utterance under one id: equal copies become one, different ones are faults."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from ..kinds.dataset import Utterance
from .audio_memo import AudioMemo, Recording

SHOWN = 5
"""How many findings of one sort a sentence names before it only counts the rest."""
_LOSSY = (".mp3", ".ogg", ".opus")
_COLUMNS = [f.name for f in fields(Utterance) if f.name not in ("audio", "origin")]


def without_copies(
    utterances: Sequence[Utterance],
    root: Path,
    memo: AudioMemo,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[list[Utterance], list[str], list[str]]:
    """Keeps one utterance of each id.

    Copies are equal if all their columns are and their recordings decode to the same samples. The
    first one is kept, or the first that can be decoded.

    Args:
        utterances: of one dataset, in order.
        root: its folder.
        memo: hashes and facts of recordings; only copies are read.
        progress: called with done, total and unit while copies are read for the first time.

    Returns:
        The utterances in order, notes on equal copies, and faults for different ones.
    """
    groups: dict[str, list[Utterance]] = {}
    for u in utterances:
        groups.setdefault(u.id, []).append(u)
    copied = [group for group in groups.values() if len(group) > 1]
    audio = [u.audio for group in copied for u in group if u.audio is not None]
    recordings = memo.look(audio, progress)
    equal, clashes = [], []
    for group in copied:
        usable = [u for u in group if u.audio is None or not recordings[u.audio].problem] or group
        groups[group[0].id] = usable
        difference = _difference(group, usable, recordings)
        text = f"'{group[0].id}' at {' and at '.join(_places(group, root))}"
        if difference:
            clashes.append((f"{text} ({difference})", group))
        else:
            equal.append(text + " (not all can be decoded)" * (len(usable) < len(group)))
    notes, faults = [], []
    if equal:
        notes.append(
            f"{len(equal)} {'utterances occur' if equal[1:] else 'utterance occurs'} more than "
            f"once with equal sound; one copy is used: {some(equal, shown=2)}."
        )
    if clashes:
        faults.append(
            "Utterance ids must be unique; these occur more than once: "
            f"{some(text for text, _ in clashes)}. {_advice([group for _, group in clashes], root)}"
        )
    return [usable[0] for usable in groups.values()], notes, faults


def _difference(
    group: Sequence[Utterance],
    usable: Sequence[Utterance],
    recordings: Mapping[Path, Recording],
) -> str:
    """What differs between copies; empty if they are one utterance."""
    columns = [c for c in _COLUMNS if any(getattr(u, c) != getattr(group[0], c) for u in group)]
    if columns:
        return f"different {', '.join(columns)}"
    sounds = [recordings[u.audio] if u.audio is not None else None for u in usable]
    if len({sound and sound.sha for sound in sounds}) == 1:
        return ""
    samples = {sound.facts.samples if sound and sound.facts else "" for sound in sounds}
    return "" if len(samples) == 1 and "" not in samples else "different sound"


def _rows_differ(group: Sequence[Utterance]) -> bool:
    """Whether copies are rows of a table, and not files of a tree."""
    return len({u.origin for u in group}) > 1


def _places(group: Sequence[Utterance], root: Path) -> list[str]:
    if _rows_differ(group):
        return [place(u, root) for u in group]
    names = [relative(u.audio, root) if u.audio is not None else "(no file)" for u in group]
    # Two spellings of one name look equal, so the escapes are shown.
    alike = len({unicodedata.normalize("NFC", name) for name in names}) < len(set(names))
    return [ascii(name) for name in names] if alike else names


def _advice(clashes: Sequence[Sequence[Utterance]], root: Path) -> str:
    """How to have one copy: the folder to give as `root` that leaves the others out."""
    votes: Counter[Path] = Counter()
    files = [u.audio for group in clashes for u in group if u.audio is not None]
    for group in clashes:
        folders = [u.audio.parent for u in group if u.audio is not None]
        if not _rows_differ(group):
            pairs = [(folders[0], other) for other in folders[1:] if other != folders[0]]
            votes.update({folder for pair in pairs for folder in _copies(*pair, root)})
    if not votes:
        return "Rename them, or remove all but one of each."
    # A folder that is in every pair is a whole copy; lossless copies come first.
    whole = [folder for folder, count in votes.items() if count == max(votes.values())]
    lossy = {f for f in whole for p in files if p.is_relative_to(f) and p.suffix.lower() in _LOSSY}
    names = map(str, sorted(whole, key=lambda folder: (folder in lossy, folder)))
    return f"Set `root` to the copy that you want: {some(names, ' or ')}."


def _copies(one: Path, other: Path, root: Path) -> list[Path]:
    """The folders of two copies of a tree, of files in them; an outer folder is no choice."""
    while one.name == other.name and root not in (one, other):
        one, other = one.parent, other.parent
    if other.is_relative_to(one):
        return [other]
    if one.is_relative_to(other):
        return [one]
    depth = next(i for i, (a, b) in enumerate(zip(one.parts, other.parts, strict=False)) if a != b)
    return [Path(*path.parts[: depth + 1]) for path in (one, other)]


def place(u: Utterance, root: Path) -> str:
    """Where a row or recording is, for messages."""
    if u.origin:
        return u.origin
    return relative(u.audio, root) if u.audio is not None else "(no file)"


def relative(path: Path, root: Path) -> str:
    """A path below the dataset's folder, with `/`; absolute where it is not below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


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
