"""How far a labeler's confidence, and its scores as distributions, agree with human votes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...evaluation.agreement import MIN_ROWS, Units
from ...evaluation.arrays import Floats, Ints
from ...evaluation.calibration import (
    BINS,
    brier,
    calibration_metric,
    gap_sums,
    jensen_shannon,
    mean_of,
    reliability,
)
from ...evaluation.results import Metric
from ...evaluation.soft_results import ReliabilityBin
from ...evaluation.statistics import metric


def calibration(
    scores: Floats, confidence: Floats, weak: Ints, votes: Floats, units: Units
) -> dict[str, Any]:
    """Returns the calibration of weak labels as JSON values.

    Args:
        scores: of each label, shape (n, K); they need not add up to 1.
        confidence: the labeler's, in its label, shape (n,).
        weak: label given, shape (n,).
        votes: human votes, shape (n, K); a single gold label has all of them.
        units: of the n rows.
    """
    n, unit = len(weak), units.codes(len(weak))
    total = scores.sum(1, keepdims=True)
    p = np.divide(scores, total, out=np.full_like(scores, 1 / scores.shape[1]), where=total > 0)
    error, bins = confidence_error(confidence, votes[np.arange(n), weak], units)
    scored = {
        "ece": error,
        "brier": _over(metric(mean_of(brier(p, votes), unit, 2.0)), units, n),
        "jsd": _over(metric(mean_of(jensen_shannon(p, votes), unit)), units, n),
    }
    return {
        "rows": n,
        "rows_with_split_votes": int(((votes > 0).sum(1) > 1).sum()),
        **{name: score.model_dump(mode="json") for name, score in scored.items()},
        "reliability": [one.model_dump(mode="json") for one in bins],
    }


def confidence_error(
    confidence: Floats, share: Floats, units: Units
) -> tuple[Metric, list[ReliabilityBin]]:
    """Returns the expected calibration error of a confidence, and the bins of its diagram.

    Args:
        confidence: the labeler's, in its label, shape (n,).
        share: of the human votes that the label has, shape (n,).
        units: of the n rows.
    """
    n, unit = len(share), units.codes(len(share))
    error = calibration_metric(gap_sums(confidence[None], share[None], unit, BINS))
    bins = [
        one.model_copy(update={"share": _over(one.share, units, n)})
        for one in reliability(confidence, share, unit)
    ]
    return _over(error, units, n), bins


def _over(score: Metric, units: Units, n: int) -> Metric:
    """Names rows as the units of an interval without speakers; few rows have no interval."""
    if units.speakers is not None or score.interval is None:
        return score
    if n < MIN_ROWS:
        return Metric(value=score.value)
    method = score.interval.method.replace("speakers", "rows")
    interval = score.interval.model_copy(update={"method": method})
    return score.model_copy(update={"interval": interval})
