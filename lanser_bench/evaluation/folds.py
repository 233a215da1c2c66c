"""Fold protocols: speaker-disjoint by construction, determined by seed and ids.

Hashes of seed and name decide order and ties, so the same utterances get the same folds in any
order of the manifest and with any version of NumPy.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from .._digest import digest
from ..errors import DataError
from .arrays import Ints

Protocol = Literal["k-speaker-folds", "leave-one-speaker-out", "leave-one-session-out", "split"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

DEV_NAMES = ("dev", "val", "valid", "validation", "development")


@dataclass(frozen=True)
class Fold:
    """One fold: sorted positions of utterances; no speaker is in two parts."""

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
        protocol: ``k-speaker-folds`` distributes speakers over `k` folds with balanced class
            counts; ``leave-one-speaker-out`` tests each speaker once, ``leave-one-session-out``
            each recording session; ``split`` uses the manifest's train, validation and test sets.
        ids: ids of the utterances, shape (n,).
        speakers: their speakers.
        labels: class indices to balance, shape (n,); all equal if there are none.
        seed: breaks ties.
        k: number of folds of ``k-speaker-folds``.
        splits: the manifest's column, for ``split``.
        sessions: the manifest's extra ``session``, for ``leave-one-session-out``.

    Raises:
        DataError: utterances without a speaker, too few speakers, or no such split.
    """
    known = _known_speakers(ids, speakers)
    if protocol == "split":
        return [_explicit(splits or [None] * len(ids))]
    n_speakers = len(set(known))
    if n_speakers < 2:
        raise DataError(
            f"Speaker-disjoint folds need at least 2 speakers; there is {n_speakers} among "
            f"{len(ids)} utterances. Use a one-speaker dataset as a corpus to pre-train on, not as "
            "a target to evaluate on."
        )
    if protocol == "leave-one-speaker-out":
        group = np.unique(known, return_inverse=True)[1]
    elif protocol == "leave-one-session-out":
        group = np.unique(_known_sessions(ids, sessions), return_inverse=True)[1]
    else:
        if n_speakers < k:
            raise DataError(
                f"{k} speaker folds need at least {k} speakers; there are {n_speakers}. "
                f"Set folds to {n_speakers} or fewer."
            )
        group = group_speakers(known, labels, k, seed)
    return [
        Fold(np.flatnonzero(group != g), np.flatnonzero(group == g), np.empty(0, np.int64))
        for g in range(int(group.max()) + 1)
    ]


def group_speakers(speakers: Sequence[Hashable], labels: npt.ArrayLike, k: int, seed: int) -> Ints:
    """Returns a group of each utterance: speakers (or other units) with balanced class counts.

    Greedy: units with the most utterances first, each into the group that minimises the sum over
    groups and classes of squared counts; groups without units come first. Units and classes have
    shape (n,). Each of the k groups, at most as many as units, is used; `seed` breaks ties.
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
    """Returns a hash of the parts of all folds, 32 hexadecimal digits."""
    parts = ("train", "dev", "test")
    return digest([{p: sorted(ids[i] for i in getattr(f, p)) for p in parts} for f in folds])


def ordinal(seed: int, *names: object) -> int:
    """Returns a hash of `names` under `seed`, evenly distributed over 64 bits."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _known_speakers(ids: Sequence[str], speakers: Sequence[str | None]) -> list[str]:
    missing = [name for name, speaker in zip(ids, speakers, strict=True) if speaker is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(ids)} utterances have no speaker (first: {missing[0]}), so "
            "speaker-disjoint folds are impossible. Add speakers to the manifest."
        )
    return [speaker for speaker in speakers if speaker is not None]


def _known_sessions(ids: Sequence[str], sessions: Sequence[str | None] | None) -> list[str]:
    known = [name for name in sessions or () if name is not None]
    if len(known) < len(ids) or len(set(known)) < 2:
        raise DataError(
            f"Protocol 'leave-one-session-out' needs the extra `session` of every utterance and at "
            f"least 2 sessions; {len(known)} of {len(ids)} utterances have one, with "
            f"{len(set(known))} sessions in all. Use protocol k-speaker-folds."
        )
    return known


def _explicit(splits: Sequence[str | None]) -> Fold:
    parts: dict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(splits):
        lowered = (name or "").lower()
        parts["dev" if lowered in DEV_NAMES else lowered].append(position)
    if not parts["train"] or not parts["test"]:
        known = ", ".join(sorted({str(name) for name in splits if name})) or "none"
        raise DataError(
            f"Protocol 'split' needs utterances in the splits 'train' and 'test'; found: {known}. "
            "Use protocol k-speaker-folds, or fill in the manifest's column 'split'."
        )
    train, dev, test = (np.array(parts[p], np.int64) for p in ("train", "dev", "test"))
    return Fold(train, test, dev)
