"""Scores of SER: UAR, WA and macro-F1 over a frozen label set.

Papers use the names inconsistently, so all three are always reported. UAR ("UA", balanced accuracy)
is the mean of the per-class recalls, WA is accuracy, macro-F1 the unweighted mean of the per-class
F1. All three are means of ratios of counts that add up over utterances, from which `statistics`
computes intervals over speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Scores:
    """The three scores of one set of predictions."""

    uar: float
    wa: float
    macro_f1: float


def confusion_matrix(gold: npt.ArrayLike, predicted: npt.ArrayLike, n_labels: int) -> Ints:
    """Counts pairs of label indices, shape (n,) each, into (K, K): rows are gold.

    Raises:
        ValueError: the shapes differ, or an index is outside the label set.
    """
    gold, predicted = np.asarray(gold, np.int64), np.asarray(predicted, np.int64)
    if gold.shape != predicted.shape or gold.ndim != 1:
        raise ValueError(
            f"gold {gold.shape} and predicted {predicted.shape} must have the same flat shape"
        )
    for values in (gold, predicted):
        if values.size and (values.min() < 0 or values.max() >= n_labels):
            raise ValueError(f"label indices must be in 0…{n_labels - 1}")
    counts = np.bincount(gold * n_labels + predicted, minlength=n_labels * n_labels)
    return counts.reshape(n_labels, n_labels).astype(np.int64)


def with_misses(gold: Ints, predicted: Ints, n_labels: int) -> Ints:
    """Returns the same, shape (K, K + 1): the last column counts −1, no label."""
    return confusion_matrix(gold, predicted % (n_labels + 1), n_labels + 1)[:n_labels]


def recalls(confusion: npt.NDArray[np.number]) -> Floats:
    """Returns the recall of each class, shape (..., K); NaN for a class without gold."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    support, empty = confusion.sum(-1).astype(np.float64), np.full_like(hits, np.nan)
    return np.asarray(np.divide(hits, support, out=empty, where=support > 0))


def uar(confusion: npt.NDArray[np.number]) -> float:
    """Returns the unweighted average recall over the classes that have gold.

    It is scikit-learn's balanced accuracy. A class without gold in the test part is left out of the
    mean; over the pooled test sides of a protocol every class of the label set has gold.
    """
    values = recalls(confusion)
    present = ~np.isnan(values)
    return float(values[present].mean()) if present.any() else 0.0


def wa(confusion: npt.NDArray[np.number]) -> float:
    """Returns the accuracy."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else 0.0


def macro_f1(confusion: npt.NDArray[np.number]) -> float:
    """Returns the F1 averaged over the whole frozen label set.

    A class that neither occurs nor is predicted counts as 0, as in scikit-learn with
    ``labels=range(K), zero_division=0``, so the number of classes never changes silently.
    """
    hits = 2.0 * np.diagonal(confusion)
    total = (confusion.sum(0)[: len(hits)] + confusion.sum(1)).astype(np.float64)
    return float(np.divide(hits, total, out=np.zeros_like(hits), where=total > 0).mean())


def scores(confusion: npt.NDArray[np.number]) -> Scores:
    """Returns all three scores of a confusion matrix."""
    return Scores(uar(confusion), wa(confusion), macro_f1(confusion))


def r_squared(truth: Floats, predicted: Floats, baseline: Floats) -> float:
    """Returns the out-of-sample R²: 1 − Σ(truth − predicted)² / Σ(truth − baseline)².

    All have shape (n,); `baseline` is the prediction without features, the mean of each fold's
    training side.
    """
    spread = float(np.square(truth - baseline).sum())
    rest = float(np.square(truth - predicted).sum())
    return 1.0 - rest / spread if spread > 0 else 0.0


def is_constant(values: npt.NDArray[np.floating]) -> bool:
    """Returns whether the values differ by no more than rounding."""
    return float(np.ptp(values)) <= 1e-12 * float(np.abs(values).max())
