"""Fold protocols: speaker-disjoint by construction, deterministic by seed and ids.

Order and ties are decided by hashes of seed and name, not by a random generator or the order of
rows: the same utterances get the same folds whatever the manifest's order or numpy's version.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..store.keys import digest

Ints = npt.NDArray[np.int64]
Protocol = Literal["k-speaker-folds", "leave-one-speaker-out", "leave-one-session-out", "split"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

DEV_NAMES = ("dev", "val", "valid", "validation", "development")


@dataclass(frozen=True)
class Fold:
    """One fold: positions of utterances, sorted; no speaker is in two parts."""

    train: Ints
    test: Ints
    dev: Ints
    """Empty unless the protocol defines one (`split`)."""


def make_folds(
    protocol: Protocol,
    *,
    ids: Sequence[str],
    speakers: Sequence[str | None],
    labels: npt.ArrayLike,
    seed: int = 0,
    k: int = 5,
    splits: Sequence[str | None] | None = None,
    sessions: Sequence[str | None] | None = None,
) -> list[Fold]:
    """Splits utterances into folds.

    Args:
        protocol: ``k-speaker-folds`` shares speakers out over `k` folds so that class counts are
            balanced; ``leave-one-speaker-out`` tests each speaker once, ``leave-one-session-out``
            each recording session; ``split`` takes the manifest's own train, validation and test.
        ids: ids of the utterances, shape (n,).
        speakers: their speakers.
        labels: class indices to balance, shape (n,); all equal where there are none.
        seed: decides ties.
        k: number of folds of ``k-speaker-folds``.
        splits: the manifest's column, for ``split``.
        sessions: the manifest's extra ``session``, for ``leave-one-session-out``.

    Raises:
        DataError: utterances without a speaker, too few speakers, or no such split.
    """
    found = _known_speakers(ids, speakers)
    if protocol == "split":
        return [_explicit(splits or [None] * len(ids))]
    n_speakers = len(set(found))
    if n_speakers < 2:
        raise DataError(
            f"Speaker-disjoint folds need at least 2 speakers; there is {n_speakers} among "
            f"{len(ids)} utterances. A one-speaker dataset can be a corpus to pre-train on, not a "
            "target to evaluate on."
        )
    if protocol == "leave-one-speaker-out":
        group = np.unique(found, return_inverse=True)[1]
    elif protocol == "leave-one-session-out":
        group = np.unique(_known_sessions(ids, sessions), return_inverse=True)[1]
    else:
        if n_speakers < k:
            raise DataError(
                f"{k} speaker folds need at least {k} speakers; there are {n_speakers}. "
                f"Set folds to {n_speakers} or fewer."
            )
        group = group_speakers(found, labels, k, seed)
    return [
        Fold(np.flatnonzero(group != g), np.flatnonzero(group == g), np.empty(0, np.int64))
        for g in range(int(group.max()) + 1)
    ]


def group_speakers(speakers: Sequence[Hashable], labels: npt.ArrayLike, k: int, seed: int) -> Ints:
    """Shares speakers (or any other units) out over k groups with balanced class counts.

    Greedy: the unit with the most utterances first, each into the group where it leaves the sum
    over groups and classes of squared counts smallest; a group without units comes first.

    Args:
        speakers: the unit of each utterance, shape (n,).
        labels: class of each utterance, shape (n,).
        k: number of groups, at most the number of units.
        seed: decides ties.

    Returns:
        Group of each utterance, shape (n,), each of 0…k − 1 used.
    """
    classes, label = np.unique(np.asarray(labels), return_inverse=True)
    units = {name: index for index, name in enumerate(dict.fromkeys(speakers))}
    unit = np.array([units[name] for name in speakers])
    counts = np.zeros((len(units), len(classes)))
    np.add.at(counts, (unit, label), 1)
    tie = [ordinal(seed, "speaker", str(name)) for name in units]
    order = sorted(range(len(units)), key=lambda u: (-counts[u].sum(), tie[u]))
    filled, members = np.zeros((k, len(classes))), np.zeros(k, int)
    chosen = np.zeros(len(units), np.int64)
    for u in order:
        # Adding c to f raises Σ f² by Σ (2 f c + c²); c² is the same for all groups.
        cost = (filled * counts[u]).sum(1)
        group = min(range(k), key=lambda g: (members[g] > 0, cost[g], members[g], g))
        chosen[u] = group
        filled[group] += counts[u]
        members[group] += 1
    return np.asarray(chosen[unit], np.int64)


def split_hash(ids: Sequence[str], folds: Sequence[Fold]) -> str:
    """Returns 32 hexadecimal digits of who is in which part of which fold."""
    return digest(
        [
            {part: sorted(ids[p] for p in getattr(fold, part)) for part in ("train", "dev", "test")}
            for fold in folds
        ]
    )


def ordinal(seed: int, *names: object) -> int:
    """A number that stands for `names` under `seed`, evenly spread over 64 bits."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _known_speakers(ids: Sequence[str], speakers: Sequence[str | None]) -> list[str]:
    missing = [name for name, speaker in zip(ids, speakers, strict=True) if speaker is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(ids)} utterances have no speaker (first: {missing[0]}), so "
            "speaker-disjoint folds cannot be made. Give them speakers in the manifest."
        )
    return [speaker for speaker in speakers if speaker is not None]


def _known_sessions(ids: Sequence[str], sessions: Sequence[str | None] | None) -> list[str]:
    found = [name for name in sessions or () if name is not None]
    if len(found) < len(ids) or len(set(found)) < 2:
        raise DataError(
            f"Protocol 'leave-one-session-out' needs the extra `session` of every utterance and at "
            f"least 2 sessions; {len(found)} of {len(ids)} utterances have one, "
            f"{len(set(found))} sessions in all. Use protocol k-speaker-folds."
        )
    return found


def _explicit(splits: Sequence[str | None]) -> Fold:
    parts: dict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(splits):
        lowered = (name or "").lower()
        parts["dev" if lowered in DEV_NAMES else lowered].append(position)
    if not parts["train"] or not parts["test"]:
        known = ", ".join(sorted({str(name) for name in splits if name})) or "none"
        raise DataError(
            f"Protocol 'split' needs utterances whose split is 'train' and 'test'; found: {known}. "
            "Use protocol k-speaker-folds, or fill the manifest's column 'split'."
        )
    train, dev, test = (np.array(parts[p], np.int64) for p in ("train", "dev", "test"))
    return Fold(train, test, dev)
