"""Label-efficiency curves: the area under one, and the labels needed to reach a target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .results import LabelsNeeded

Floats = npt.NDArray[np.float64]


def area_weights(fractions: Sequence[float]) -> Floats:
    """Returns the weight of each budget's score in the normalised area under the curve.

    Trapezoids over log10(fraction), divided by the axis' length: the weights add up to 1, so the
    area is the mean height of the curve, in [0, 1] for UAR. A single budget has weight 1.

    Args:
        fractions: budgets in increasing order.
    """
    x = np.log10(np.asarray(fractions, np.float64))
    if len(x) < 2:
        return np.ones(len(x))
    widths = np.diff(x) / (x[-1] - x[0])
    return np.asarray((np.append(widths, 0.0) + np.insert(widths, 0, 0.0)) / 2)


def area_axis(fractions: Sequence[float]) -> str:
    """The axis of the area in words."""
    if len(fractions) < 2:
        return "single budget: the score itself"
    low, high = fractions[0], fractions[-1]
    return f"log10(fraction of training labels) from {low:g} to {high:g}"


def labels_needed(
    target: float, scores: Sequence[float], n_labels: Sequence[float], fractions: Sequence[float]
) -> LabelsNeeded:
    """Returns where the curve first reaches a target that was fixed beforehand.

    Between two budgets the curve is straight over the logarithm of the number of labels.

    Args:
        target: score to reach.
        scores: score at each budget.
        n_labels: labels of each budget, increasing.
        fractions: the budgets themselves.
    """
    reached = next((i for i, score in enumerate(scores) if score >= target), None)
    if reached is None:
        return LabelsNeeded(target=target, censored_at=n_labels[-1] if n_labels else None)
    if reached == 0:
        return LabelsNeeded(target=target, n_labels=n_labels[0], fraction=fractions[0])
    low, high = scores[reached - 1], scores[reached]
    share = (target - low) / (high - low)

    def between(axis: Sequence[float]) -> float:
        a, b = np.log(axis[reached - 1]), np.log(axis[reached])
        return float(np.exp(a + share * (b - a)))

    return LabelsNeeded(target=target, n_labels=between(n_labels), fraction=between(fractions))
