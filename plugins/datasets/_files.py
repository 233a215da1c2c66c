"""Finds recordings and tables in a dataset's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lanser_bench import READ_SUFFIXES, SOUND_SUFFIXES, DataError, Dataset

_SYSTEM = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
"""Folders that operating systems add."""
UNTRIED = (
    "Tested with the corpus's file names and generated sound; the real corpus was not available."
)
"""Part of a card's notes."""


def walk(root: Path, notes: list[str]) -> Iterator[Path]:
    """Yields the sound files below a folder, sorted, each real folder once.

    Files in unreadable formats (.m4a, .mp4) are included: the survey reports them as unusable, so
    that no class disappears unnoticed. Hidden files and system folders are skipped. Links that are
    not followed give a note.

    Raises:
        DataError: a folder is not readable, or a name is not valid Unicode.
    """
    top = os.path.realpath(root)
    seen = {top}
    ignored: list[Path] = []
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_refuse_folder):
        entered = []
        for name in sorted(filter(_is_visible, folders)):
            path = Path(folder, name)
            real = os.path.realpath(path)
            if real in seen or (path.is_symlink() and _is_walked(real, top)):
                ignored.append(path)
            else:
                seen.add(real)
                entered.append(name)
        folders[:] = entered
        for path in (Path(folder, name) for name in sorted(files)):
            if is_sound(path):
                yield _checked_name(path)
            elif path.is_symlink() and not os.path.exists(path):  # noqa: PTH110, never raises
                ignored.append(path)
    if ignored:
        notes.append(
            f"{counted(ignored, 'link')} not followed, because the target is missing, already "
            f"read or contains the folder: {named(ignored, root)}."
        )


def is_sound(path: Path) -> bool:
    """Whether a file name is that of a recording, readable or not."""
    # Copies made on a Mac contain `._name.wav` files without sound.
    return path.name.lower().endswith(SOUND_SUFFIXES) and not path.name.startswith(".")


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name not in _SYSTEM


def _is_walked(real: str, top: str) -> bool:
    """Whether `walk` reaches a link's target without the link, or the target contains its root."""
    path = Path(real)
    inside = path.is_relative_to(top) and all(map(_is_visible, path.relative_to(top).parts))
    return inside or Path(top).is_relative_to(path)


def _refuse_folder(error: OSError) -> None:
    raise DataError(
        f"The folder {error.filename} cannot be read: {error.strerror}. Make it readable, or move "
        "it out of the dataset's folder."
    )


def _checked_name(path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"The file name {str(path)!a} is not valid UTF-8. Rename it, for example with "
            "`convmv -f latin1 -t utf8 --notest`."
        ) from None
    return path


def preferred(
    paths: Iterable[Path], notes: list[str], key: Callable[[Path], str] = lambda path: path.stem
) -> list[Path]:
    """Drops films and the like, with a note, if a readable recording has the same key."""
    listed = list(paths)
    readable = {key(path) for path in listed if is_readable(path)}
    films = sorted(path for path in listed if not is_readable(path) and key(path) in readable)
    if films:
        notes.append(
            f"{counted(films, 'file')} ignored, because the format is not read and a readable "
            f"file has the same name: {named(films)}."
        )
    dropped = set(films)
    return [path for path in listed if path not in dropped]


def is_readable(path: Path) -> bool:
    """Whether a file name has the suffix of a format that is read."""
    return path.suffix.lower() in READ_SUFFIXES


def by_stem(paths: Iterable[Path], notes: list[str]) -> dict[str, list[Path]]:
    """Returns name without suffix → files; the survey decides between copies of a recording."""
    copies: dict[str, list[Path]] = {}
    for path in preferred(paths, notes):
        copies.setdefault(path.stem, []).append(path)
    return copies


def clips_of(
    dataset: Dataset[Any],
    root: Path,
    pattern: re.Pattern[str],
    example: str,
    folder: str,
    *,
    key: Callable[[Path], str] = lambda path: path.stem,
    wanted: Callable[[Path, re.Match[str]], bool] = lambda path, match: True,
) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yields the clips of a corpus whose file names say what they are, sorted by path.

    Args:
        dataset: the corpus; its notes get sentences on ignored files.
        root: the folder.
        pattern: of a file's name without suffix.
        example: "CORPUS file such as PATH", for the error.
        folder: the right folder for `root`, for the error.
        key: equal for two files of one recording.
        wanted: whether a clip counts.

    Raises:
        DataError: as `walk`, or no clip counts.
    """
    empty = True
    others = []
    for path in preferred(walk(root, dataset.notes), dataset.notes, key):
        match = pattern.fullmatch(path.stem)
        if match is None:
            others.append(path)
        elif wanted(path, match):
            empty = False
            yield path, match
    if others:
        dataset.notes.append(
            f"{counted(others, 'sound file')} ignored, because the name is not one of the "
            f"corpus: {named(others, root)}."
        )
    if empty:
        raise DataError(
            f"{root} contains no {example}. Get the corpus from {dataset.card.url} and set `root` "
            f"to {folder}."
        )


def folders_without(root: Path, paths: Iterable[Path]) -> list[str]:
    """Returns the folders with none of the files below them, with the suffixes they have."""
    used = {folder for path in paths for folder in path.parents}
    bare = []
    for folder in sorted(root.rglob("*/")):
        visible = _is_visible(folder.name) and not folder.is_symlink()
        if folder.parent in used and folder not in used and visible:
            ends = sorted({p.suffix or p.name for p in folder.rglob("*") if p.is_file()})
            bare.append(f"'{folder.relative_to(root).as_posix()}' ({', '.join(ends) or 'empty'})")
    return bare


def counted(things: Sequence[Any] | int, noun: str) -> str:
    """Returns such as ``3 files`` and ``1 file``."""
    number = things if isinstance(things, int) else len(things)
    return f"{number} {noun}{'' if number == 1 else 's'}"


def named(paths: Sequence[Path], root: Path | None = None) -> str:
    """Returns the first few names, below `root` if given, and how many more there are."""
    names = [str(path.relative_to(root)) if root else path.name for path in paths[:3]]
    return ", ".join(names) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def near(root: Path, *names: str, above: bool = True) -> Path | None:
    """Returns the first match of path patterns in the folder, up to two levels below, or above.

    Users often name the parent or a child of the right folder.
    """
    places = [(root, below + name) for below in ("", "*/", "*/*/") for name in names]
    places += [(root.parent, name) for name in names if above]
    for folder, pattern in places:
        for path in sorted(folder.glob(pattern)):
            if not any(part in _SYSTEM for part in path.relative_to(folder).parts):
                return path
    return None


def published(scratch: Path, folder: Path) -> None:
    """Renames a folder of finished files; a folder of that name, by another process, is kept."""
    for path in scratch.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    try:
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
