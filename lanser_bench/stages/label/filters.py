"""Filters over labels of a corpus: agreement, the most confident of each class, and balance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


def disagreeing(index: Ints, second: Ints) -> Bools:
    """Marks labels that another labeler did not give, shape (n,); −1 means no label.

    Two views that err independently seldom give the same wrong label (co-training, Blum & Mitchell
    1998).
    """
    return np.asarray((index >= 0) & (index != second))


def not_in_top(index: Ints, confidence: npt.NDArray[np.float32], q: float) -> Bools:
    """Marks labels outside the most confident share `q` of their class, shape (n,).

    Of the n_c utterances with label c, the ⌈q · n_c⌉ most confident are kept; ties go to the
    earlier. In `index` −1 means no label.
    """
    out = np.zeros(len(index), dtype=bool)
    if q >= 1:
        return out
    for label in np.unique(index[index >= 0]):
        rows = np.flatnonzero(index == label)
        ranked = rows[np.argsort(-confidence[rows], kind="stable")]
        # Guards against 0.1 · 30 = 3.0000000000000004.
        out[ranked[int(np.ceil(q * len(rows) - 1e-9)) :]] = True
    return out


def over_balance(index: Ints, seed: int) -> Bools:
    """Marks labels, drawn at random, beyond the count of the rarest label; shape (n,)."""
    out = np.zeros(len(index), dtype=bool)
    labels, counts = np.unique(index[index >= 0], return_counts=True)
    draws = np.random.default_rng(seed)
    for label, count in zip(labels, counts, strict=True):
        rows = np.flatnonzero(index == label)
        out[draws.permutation(rows)[counts.min() :]] = count > counts.min()
    return out
