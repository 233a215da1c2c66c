"""Ids that occur more than once: equal copies become one utterance, different ones are faults."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from ..kinds.dataset import Utterance
from .audio_memo import AudioMemo, Recording
from .naming import place, relative, some

_LOSSY = (".mp3", ".ogg", ".opus")
_COLUMNS = [f.name for f in fields(Utterance) if f.name not in ("audio", "origin")]


def without_copies(
    utterances: Sequence[Utterance],
    root: Path,
    memo: AudioMemo,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[list[Utterance], list[str], list[str]]:
    """Returns one utterance of each id in order, notes on equal copies, faults for different ones.

    Copies are equal if all their columns are and their recordings decode to the same samples. The
    first one that can be decoded is used, or the first of all. Only recordings of copies are read.
    """
    groups: dict[str, list[Utterance]] = {}
    for u in utterances:
        groups.setdefault(u.id, []).append(u)
    copied = [group for group in groups.values() if len(group) > 1]
    audio = [u.audio for group in copied for u in group if u.audio is not None]
    recordings = memo.look(audio, progress)
    equal, different, clashes = [], [], []
    for group in copied:
        usable = [u for u in group if u.audio is None or not recordings[u.audio].problem] or group
        groups[group[0].id] = usable
        difference = _difference(group, usable, recordings)
        text = f"'{group[0].id}' at {' and at '.join(_places(group, root))}"
        if difference:
            different.append(f"{text} ({difference})")
            clashes.append(group)
        else:
            equal.append(text + " (not all can be decoded)" * (len(usable) < len(group)))
    notes, faults = [], []
    if equal:
        notes.append(
            f"{len(equal)} {'utterances occur' if equal[1:] else 'utterance occurs'} more than "
            f"once with equal sound; one copy is used: {some(equal, shown=2)}."
        )
    if different:
        faults.append(
            f"Utterance ids must be unique; these occur more than once: {some(different)}. "
            f"{_advice(clashes, root)}"
        )
    return [usable[0] for usable in groups.values()], notes, faults


def _difference(
    group: Sequence[Utterance], usable: Sequence[Utterance], recordings: Mapping[Path, Recording]
) -> str:
    """Returns the difference between copies; empty if they are one utterance."""
    columns = [c for c in _COLUMNS if any(getattr(u, c) != getattr(group[0], c) for u in group)]
    if columns:
        return f"different {', '.join(columns)}"
    sounds = [recordings[u.audio] if u.audio is not None else None for u in usable]
    if len({sound and sound.sha for sound in sounds}) == 1:
        return ""
    samples = {sound.facts.samples if sound and sound.facts else "" for sound in sounds}
    return "" if len(samples) == 1 and "" not in samples else "different sound"


def _are_rows(group: Sequence[Utterance]) -> bool:
    """Whether copies are rows of a table, not files of a tree."""
    return len({u.origin for u in group}) > 1


def _places(group: Sequence[Utterance], root: Path) -> list[str]:
    if _are_rows(group):
        return [place(u, root) for u in group]
    names = [relative(u.audio, root) for u in group]
    # Two spellings of one name look equal, so the escapes are shown.
    alike = len({unicodedata.normalize("NFC", name) for name in names}) < len(set(names))
    return [ascii(name) for name in names] if alike else names


def _advice(clashes: Sequence[Sequence[Utterance]], root: Path) -> str:
    """Names the folders that have one copy of each, to set as `root`."""
    votes: Counter[Path] = Counter()
    files = [[u.audio for u in group if u.audio is not None] for group in clashes]
    for group, paths in zip(clashes, files, strict=True):
        if paths and not _are_rows(group):
            first = paths[0].parent
            others = [path.parent for path in paths[1:] if path.parent != first]
            votes.update({folder for other in others for folder in _copies(first, other, root)})
    if not votes:
        return "Rename them, or remove all but one of each."
    # A folder that is in every pair is a whole copy; lossless copies come first.
    whole = [folder for folder, count in votes.items() if count == max(votes.values())]
    lossy_files = [path for paths in files for path in paths if path.suffix.lower() in _LOSSY]
    lossy = {folder for folder in whole for path in lossy_files if path.is_relative_to(folder)}
    names = map(str, sorted(whole, key=lambda folder: (folder in lossy, folder)))
    return f"Set `root` to the copy that you want: {some(names, ' or ')}."


def _copies(one: Path, other: Path, root: Path) -> list[Path]:
    """Returns the folders of two copies of a tree, given files in them; never an outer folder."""
    while one.name == other.name and root not in (one, other):
        one, other = one.parent, other.parent
    if other.is_relative_to(one):
        return [other]
    if one.is_relative_to(other):
        return [one]
    depth = next(i for i, (a, b) in enumerate(zip(one.parts, other.parts, strict=False)) if a != b)
    return [Path(*path.parts[: depth + 1]) for path in (one, other)]
