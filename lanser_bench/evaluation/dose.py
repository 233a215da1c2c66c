"""Dose response: the least-squares slope of scores over doses, as one contrast of the cells.

A slope over doses x_i is Σ w_i · score_i with w_i = (x_i − x̄) / Σ (x_j − x̄)², so it is a contrast:
it is paired by speaker, since every cell is tested on the same speakers, and its interval includes
the variation over training seeds. Its test against 0 is the test for a trend (linear contrasts: Cox
& McCullagh 1982, Biometrics 38). For a curve that bends or saturates it is the mean slope.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .contrast import Contrast, Side

MIN_DOSES = 3
"""Fewer doses make a difference, not a curve."""


def slope_weights(doses: Sequence[float]) -> list[float]:
    """Returns the weight of each score in the least-squares slope; they add up to 0.

    Equal doses are a `ValueError`.
    """
    centred = np.asarray(doses, dtype=np.float64) - np.mean(doses)
    total = float(centred @ centred)
    if total <= 0:
        raise ValueError("a slope needs two doses at least")
    return [float(x) for x in centred / total]


def prediction_weights(doses: Sequence[float], at: float) -> list[float]:
    """Returns the weight of each score in the value of the least-squares line at a dose."""
    ahead = at - float(np.mean(doses))
    return [1 / len(doses) + ahead * weight for weight in slope_weights(doses)]


def predicted(
    doses: Sequence[float], sides: Sequence[Side], at: float, minus: Sequence[Side] = ()
) -> Contrast:
    """Returns the value at a dose of the least-squares line through the scores, or their lead.

    Its error is that of the scores over speakers and training seeds, times weights that grow with
    the distance from the doses. It does not include that the true curve may bend. The arguments
    are those of `trend`; `minus` may also be a single cell without a dose.

    Raises:
        ValueError: all doses are equal, or `minus` has another length.
    """
    weights = prediction_weights(doses, at)
    if len(minus) not in (0, 1, len(sides)):
        raise ValueError(f"{len(sides)} cells and {len(minus)} to subtract")
    others = weights if len(minus) == len(sides) else [1.0] * len(minus)
    return Contrast([*sides, *minus], [*weights, *(-w for w in others)])


def trend(doses: Sequence[float], sides: Sequence[Side], minus: Sequence[Side] = ()) -> Contrast:
    """Returns the slope of the scores, or of their lead over other cells at the same doses.

    Doses are one per side. Cells are all over the same speakers in the same order; those to
    subtract, if any, are one per side.

    Raises:
        ValueError: all doses are equal, or `minus` has another length.
    """
    weights = slope_weights(doses)
    if not minus:
        return Contrast(sides, weights)
    if len(minus) != len(sides):
        raise ValueError(f"{len(sides)} cells and {len(minus)} to subtract")
    return Contrast([*sides, *minus], [*weights, *(-w for w in weights)])
