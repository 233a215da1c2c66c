"""Label-efficiency curves: the area under a curve, and the labels needed to reach a target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Floats
from .results import LabelsNeeded


def area_weights(fractions: Sequence[float]) -> Floats:
    """Returns the weight of each budget's score in the normalised area under the curve.

    Trapezoids over log10(fraction), divided by the length of the axis: the weights add up to 1, so
    the area is the mean height of the curve, in [0, 1] for UAR. `fractions` must increase. A single
    budget has weight 1.
    """
    x = np.log10(np.asarray(fractions, np.float64))
    if len(x) < 2:
        return np.ones(len(x))
    widths = np.diff(x) / (x[-1] - x[0])
    return np.asarray((np.append(widths, 0.0) + np.insert(widths, 0, 0.0)) / 2)


def area_axis(fractions: Sequence[float]) -> str:
    """Returns a description of the axis that the area is taken over."""
    if len(fractions) < 2:
        return "single budget: the score itself"
    low, high = fractions[0], fractions[-1]
    return f"log10(fraction of training labels) from {low:g} to {high:g}"


def labels_needed(
    target: float, scores: Sequence[float], n_labels: Sequence[float], fractions: Sequence[float]
) -> LabelsNeeded:
    """Returns where the curve first reaches a target score that was fixed beforehand.

    The curve is interpolated linearly over the logarithm of the number of labels. `scores`,
    `n_labels` (increasing) and `fractions` have one entry per budget.
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
