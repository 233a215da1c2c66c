"""Does a score rise with a dose? The least-squares slope over cells, as one contrast of them.

A slope over doses x_i is Σ w_i · score_i with w_i = (x_i − x̄) / Σ (x_j − x̄)², so all that is known
of contrasts holds for it: it is paired by speaker, since every cell is tested on the same ones, and
the variation of training seeds is in its interval. Its test against 0 is the test for a trend
(linear contrasts: Cox & McCullagh 1982, Biometrics 38). A curve that bends or saturates has a slope
too: its mean one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .contrast import Contrast, Side

MIN_DOSES = 3
"""With fewer there is a difference, and no curve."""


def slope_weights(doses: Sequence[float]) -> list[float]:
    """Returns the weight of each score in the least-squares slope; they add up to 0.

    Raises:
        ValueError: all doses are equal.
    """
    centred = np.asarray(doses, dtype=np.float64) - np.mean(doses)
    total = float(centred @ centred)
    if total <= 0:
        raise ValueError("a slope needs two doses at least")
    return [float(x) for x in centred / total]


def trend(doses: Sequence[float], sides: Sequence[Side], minus: Sequence[Side] = ()) -> Contrast:
    """Returns the slope of the scores, or of what they are ahead of others at the same doses.

    Args:
        doses: one per side.
        sides: cells, all over the same speakers in the same order.
        minus: as many cells to take away; none for the scores themselves.

    Raises:
        ValueError: all doses are equal, or `minus` has another length.
    """
    weights = slope_weights(doses)
    if not minus:
        return Contrast(sides, weights)
    if len(minus) != len(sides):
        raise ValueError(f"{len(sides)} cells and {len(minus)} to take away")
    return Contrast([*sides, *minus], [*weights, *(-w for w in weights)])
