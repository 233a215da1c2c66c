"""How far a labeler's confidence, and its scores as distributions, agree with human votes."""

from __future__ import annotations

from dataclasses import asdict
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
    reliability,
)
from ...evaluation.results import Metric
from ...evaluation.statistics import mean_of, metric
from .pairs import over_units


def calibration(
    scores: Floats, confidence: Floats, weak: Ints, votes: Floats, units: Units
) -> dict[str, Any]:
    """Returns the calibration of weak labels as JSON values.

    All have n rows. Scores, shape (n, K), need not add up to 1; `confidence` is the labeler's in
    its label `weak`; `votes` are of people, shape (n, K): a single gold label has all of them.
    """
    n = len(weak)
    unit = units.codes(n)
    few = units.speakers is None and n < MIN_ROWS
    total = scores.sum(1, keepdims=True)
    p = np.divide(scores, total, out=np.full_like(scores, 1 / scores.shape[1]), where=total > 0)
    share = votes[np.arange(n), weak]

    def shown(score: Metric) -> dict[str, Any]:
        kept = Metric(value=score.value) if few else score
        return asdict(over_units(kept, "rows") if units.speakers is None else kept)

    found = reliability(confidence, share, unit)
    return {
        "rows": n,
        "rows_with_split_votes": int(((votes > 0).sum(1) > 1).sum()),
        "ece": shown(calibration_metric(gap_sums(confidence[None], share[None], unit, BINS))),
        "brier": shown(metric(mean_of(brier(p, votes), unit, 2.0))),
        "jsd": shown(metric(mean_of(jensen_shannon(p, votes), unit))),
        "reliability": [{**dict(one), "share": shown(one.share)} for one in found],
    }
