"""Lists a dataset: checks its folder, unifies the spelling of names, keeps a part of it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from ..errors import DataError, SettingsError
from ..kinds.dataset import Dataset, Utterance
from ..paths import user_path
from .naming import relative, some

_ARCHIVES = (".001", ".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".txz", ".xz", ".zip", ".zst")
_NAMES = ("speaker", "dialogue_id", "sentence_id", "language", "split")


def checked_root(name: str, plugin: Dataset[Any], root: Path | None) -> Path:
    """Returns a dataset's folder as an absolute path.

    Raises:
        DataError: it is not given, missing, empty, unreadable or not a folder.
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
                + " Unpack the archive first." * (root.suffix.lower() in _ARCHIVES)
            )
        if next(root.iterdir(), None) is None:
            raise DataError(f"The folder {root} of dataset '{name}' is empty. Check `root`.")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sentence = f"The folder {root} of dataset '{name}' cannot be read: {reason}."
        raise DataError(sentence) from None
    return root.absolute()


def listed_utterances(name: str, plugin: Dataset[Any], folder: Path) -> list[Utterance]:
    """Returns a dataset's utterances, each name in one spelling.

    Raises:
        DataError: the dataset's own, or it has no utterance; also names archives in the folder.
    """
    plugin.notes.clear()
    try:
        listed = [_composed(u) for u in plugin.utterances(folder)]
    except DataError as error:
        raise DataError(f"{error}{packed(folder)}") from None
    if not listed:
        raise DataError(
            f"Dataset '{name}' finds no utterance in {folder}. Check that it is the right folder "
            f"for '{name}' ({plugin.card.title}).{packed(folder)}"
        )
    return listed


def packed(folder: Path, pattern: str = "**/*") -> str:
    """Returns a sentence that names the archives in a folder; empty without any."""
    found = (p for p in folder.glob(pattern) if p.suffix.lower() in _ARCHIVES and p.is_file())
    names = some((relative(path, folder) for path in sorted(found)), ", ")
    return f" Archives in it are not unpacked: {names}. Unpack them first." if names else ""


def _composed(u: Utterance) -> Utterance:
    """Unifies the spelling of names (NFC, no outer blanks): one name is one speaker or label."""
    names: dict[str, Any] = {"id": _nfc(u.id)}
    for column in _NAMES:
        value = getattr(u, column)
        names[column] = value and _nfc(str(value)).strip()
    gold: dict[str, float] = defaultdict(float)
    for label, weight in u.gold.items():
        gold[_nfc(label).strip()] += weight
    return replace(u, gold=dict(gold), **names)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def share_of(written: str) -> tuple[int, int]:
    """Returns which share of how many a text names; a `ValueError` if it names none."""
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", str(written))
    which, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= which <= of:
        raise ValueError("it must be two whole numbers such as 3/8, the third of eight shares")
    return which, of


@dataclass(frozen=True)
class Part:
    """How much of a dataset to use; everything by default."""

    limit: int | None = None
    """Largest number of utterances."""
    hours: float | None = None
    """Largest amount of usable speech, in hours."""
    share: str | None = None
    """One of equal shares of these utterances: ``3/8``."""

    def check(self, dataset: str) -> None:
        """Raises `SettingsError` if a value is not of its kind, or out of its range."""
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise SettingsError(
                f"dataset '{dataset}': limit is {self.limit!r}; it must be a whole number of at "
                "least 1."
            )
        if self.hours is not None and not 0 < self.hours < float("inf"):
            raise SettingsError(
                f"dataset '{dataset}': hours is {self.hours!r}; it must be a number above 0."
            )
        try:
            share_of("1/1" if self.share is None else self.share)
        except ValueError as error:
            raise SettingsError(f"dataset '{dataset}': share is {self.share!r}; {error}.") from None

    def shared(self, utterances: Sequence[Utterance], folder: Path) -> list[Utterance]:
        """Returns the utterances of the share, in their order.

        The choice is by the hash of the dialogue's or recording's name, whose utterances stay
        together, so that a new recording changes one share.
        """
        if self.share is None:
            return list(utterances)
        which, of = share_of(self.share)

        def place(u: Utterance) -> int:
            recording = u.id if u.audio is None else relative(u.audio, folder)
            digest = hashlib.sha256((u.dialogue_id or recording).encode(errors="surrogatepass"))
            return int.from_bytes(digest.digest()[:8]) % of

        return [u for u in utterances if place(u) == which - 1]


def spread(
    utterances: Sequence[Utterance], limit: float, sizes: Sequence[float] | None = None
) -> list[Utterance]:
    """Returns utterances spread evenly over speakers and, within each, over gold labels.

    The choice depends on ids and sizes only, not on the order or on chance, so that a trial run
    uses the same utterances everywhere; the order is preserved. A smaller part is a subset of each
    larger one.

    Args:
        utterances: what to choose from.
        limit: largest sum of the sizes.
        sizes: size of each utterance, such as its seconds; 1 if left out.
    """
    sizes = [1] * len(utterances) if sizes is None else sizes
    shuffled = {u.id: hashlib.sha256(u.id.encode()).hexdigest() for u in utterances}
    by_label: Counter[tuple[str | None, str]] = Counter()
    turns: list[tuple[int, str, int]] = []
    for index, u in sorted(enumerate(utterances), key=lambda pair: shuffled[pair[1].id]):
        cell = (u.speaker, ",".join(sorted(u.gold)))
        turns.append((by_label[cell], shuffled[u.id], index))
        by_label[cell] += 1
    by_speaker: defaultdict[str | None, float] = defaultdict(float)
    ranks: list[tuple[float, str, int]] = []
    for _, digest, index in sorted(turns):
        speaker = utterances[index].speaker
        ranks.append((by_speaker[speaker], digest, index))
        by_speaker[speaker] += sizes[index]
    order = [index for *_, index in sorted(ranks)]
    totals = accumulate(sizes[index] for index in order)
    most = limit * (1 + 1e-9)
    kept = [index for index, total in zip(order, totals, strict=True) if total <= most]
    return [utterances[index] for index in sorted(kept)]
