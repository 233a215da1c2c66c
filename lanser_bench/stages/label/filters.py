"""Filters that look at all labels of a corpus at once: the surest of each class, and balance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


def not_in_top(index: Ints, confidence: npt.NDArray[np.float32], q: float) -> Bools:
    """Marks labels that are not among the surest share of their class, shape (n,).

    Of the n_c utterances with label c the ⌈q · n_c⌉ with the highest confidence stay; of equal ones
    the earlier.

    Args:
        index: labels, −1 where there is none; shape (n,).
        confidence: shape (n,).
        q: share to keep, in (0, 1].
    """
    out = np.zeros(len(index), dtype=bool)
    if q >= 1:
        return out
    for label in np.unique(index[index >= 0]):
        rows = np.flatnonzero(index == label)
        surest = rows[np.argsort(-confidence[rows], kind="stable")]
        # Guards against 0.1 · 30 = 3.0000000000000004.
        out[surest[int(np.ceil(q * len(rows) - 1e-9)) :]] = True
    return out


def over_balance(index: Ints, seed: int) -> Bools:
    """Marks labels beyond the count of the rarest label that occurs, at random; shape (n,).

    Args:
        index: labels, −1 where there is none; shape (n,).
        seed: another seed keeps others.
    """
    out = np.zeros(len(index), dtype=bool)
    labels, counts = np.unique(index[index >= 0], return_counts=True)
    draws = np.random.default_rng(seed)
    for label, count in zip(labels, counts, strict=True):
        rows = np.flatnonzero(index == label)
        out[draws.permutation(rows)[counts.min() :]] = count > counts.min()
    return out
