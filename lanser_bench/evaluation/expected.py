"""Weak labels as ratings: the mean valence or arousal of a taxonomy's labels under their scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..taxonomy import Taxonomy
from .agreement import MIN_ROWS, Units
from .arrays import Floats
from .dimensions import Rated, dimension_scores
from .results import Metric, Result

DIMENSIONS = ("valence", "arousal")
"""Those that taxonomies give for their labels, from −1 to 1."""
GROUPS = 100
"""Rows without speakers are independent; they form so many groups, which replace speakers."""


class Agreement(Result):
    """Expected ratings against human ratings of one dimension."""

    rows: int
    concordance: Metric
    """Lin's coefficient, as in `DimensionScores`."""
    pearson: Metric
    rmse: Metric


def expected(
    scores: npt.NDArray[np.floating], taxonomy: Taxonomy, dimension: str, ends: tuple[float, float]
) -> Floats | None:
    """Returns the mean value of the labels under their scores, on a rating scale, shape (n,).

    Scores are non-negative, shape (n, K). −1 and 1 become the `ends` of the scale, 0 its middle;
    nothing is fitted. It is NaN without any score, and None if the taxonomy does not give the
    dimension, one of `DIMENSIONS`, of each label.
    """
    values = [getattr(label, dimension, None) for label in taxonomy.labels]
    if None in values:
        return None
    weights = np.asarray(scores, np.float64)
    total = weights.sum(1)
    mean = np.divide(
        weights @ np.array(values), total, out=np.full(len(total), np.nan), where=total > 0
    )
    return np.asarray(sum(ends) / 2 + mean * (ends[1] - ends[0]) / 2)


def agreement(ratings: Floats, answers: Floats, units: Units) -> Agreement | None:
    """Compares expected with human ratings; None with less than 2 rows that have both.

    Intervals are over speakers or, without them, over rows; below `MIN_ROWS` rows there are none.
    """
    rows = np.flatnonzero(~np.isnan(ratings) & ~np.isnan(answers))
    if len(rows) < 2:
        return None
    own = units.part(rows).speakers
    few = own is None and len(rows) < MIN_ROWS
    groups = np.arange(len(rows)) % (1 if few else GROUPS) if own is None else own
    data = Rated([str(g) for g in groups], ratings[rows, None], answers[None, rows, None])
    scores = dimension_scores(data, 0)
    return Agreement(
        rows=len(rows), concordance=scores.ccc, pearson=scores.pearson, rmse=scores.rmse
    )
