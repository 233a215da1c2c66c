"""Lists a dataset: its folder as it is on disk, its utterances with names in one spelling."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..kinds.dataset import Dataset, Utterance
from ..paths import user_path
from .duplicates import relative, some

_PACKED = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst")
"""Suffixes of archives."""
_NAMES = ("speaker", "dialogue_id", "sentence_id", "language", "split")


def checked_root(name: str, plugin: Dataset[Any], root: Path | None) -> Path:
    """Returns a dataset's folder as an absolute path.

    Raises:
        DataError: none is given, or it is missing, empty, unreadable or no folder.
    """
    if root is None:
        raise DataError(
            f"Dataset '{name}' needs its folder. Set `root`, or write `{name} FOLDER` on the "
            "command line."
        )
    try:
        root = user_path(root)
        if not plugin.needs_root:
            return root.absolute()
        if not root.exists():
            raise DataError(f"The folder {root} of dataset '{name}' does not exist. Check `root`.")
        if not root.is_dir():
            raise DataError(
                f"{root} is not a folder; `root` of dataset '{name}' must name one."
                + " Unpack the archive first." * (root.suffix.lower() in _PACKED)
            )
        if next(root.iterdir(), None) is None:
            raise DataError(f"The folder {root} of dataset '{name}' is empty. Check `root`.")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        what = f"The folder {root} of dataset '{name}' cannot be read: {reason}."
        raise DataError(what) from None
    return root.absolute()


def listed_utterances(name: str, plugin: Dataset[Any], folder: Path) -> list[Utterance]:
    """Returns a dataset's utterances, with names in one spelling.

    Raises:
        DataError: there is none, or the dataset's own; either names archives in the folder.
    """
    plugin.notes.clear()
    try:
        listed = [_composed(u) for u in plugin.utterances(folder)]
    except DataError as error:
        raise DataError(f"{error}{_packed(folder)}") from None
    if not listed:
        raise DataError(
            f"Dataset '{name}' finds no utterance in {folder}. Check that it is the right folder "
            f"for '{name}' ({plugin.card.title}).{_packed(folder)}"
        )
    return listed


def _packed(folder: Path) -> str:
    packed = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PACKED and p.is_file())
    names = some((relative(path, folder) for path in packed), ", ")
    return f" Archives there are not unpacked: {names}. Unpack them first." if packed else ""


def _composed(u: Utterance) -> Utterance:
    """Writes names in one spelling (NFC, no blanks around): a name is one speaker, one label."""
    values = {column: getattr(u, column) for column in ("id", *_NAMES)}
    names = {column: value and _nfc(str(value)) for column, value in values.items()}
    names |= {column: name.strip() for column, name in names.items() if name and column != "id"}
    gold: dict[str, float] = {}
    for label, weight in u.gold.items():
        gold[_nfc(label).strip()] = gold.get(_nfc(label).strip(), 0.0) + weight
    if names == values and gold == u.gold:
        return u
    changed: dict[str, Any] = {**names, "gold": gold}
    return replace(u, **changed)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
