"""Labels saved: how many labels another encoder needs for the same score, as a ratio.

The other encoder's curve is linear in the logarithm of the number of labels between its budgets. At
any number of labels, the lead over it is a contrast of three scores: one of the first encoder, two
of the other. The point estimate is the first number of labels at which the lead is 0. Its interval
contains all numbers of labels at which the lead's interval includes 0 (the inversion of a test:
Fieller 1954, J. R. Statist. Soc. B 16), so it covers as often as the interval of a difference does,
and includes the variation over training seeds. Nothing is extrapolated: an end beyond the measured
budgets is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .arrays import Floats
from .contrast import Contrast, Side, difference
from .statistics import LEVEL, MIN_SPEAKERS, combine

STEPS = 4
"""Parts of a segment of the curve that are searched for the ends of the interval."""
TIE = 1e-12
"""Smaller differences are rounding."""


@dataclass(frozen=True)
class Saved:
    """Labels that the other side needs, divided by those of the first side."""

    least: float
    """Smallest ratio within the other side's budgets."""
    most: float
    """Largest ratio within the other side's budgets."""
    ratio: float | None
    """None if it is not within them."""
    beyond: bool
    """Whether the other side never reaches the score, so that the ratio exceeds `most`. Else a
    missing ratio is below `least`: the other side's smallest budget is enough."""
    interval: tuple[float | None, float | None] | None
    """Ends at level 0.95, open (None) beyond the budgets; no interval below 5 speakers."""
    seeds_known: bool


@dataclass(frozen=True)
class Curve:
    """One cell's scores by budget, in increasing order of the number of labels."""

    labels: Sequence[float]
    sides: Sequence[Side]

    def at(self, log_labels: float) -> Side:
        """Returns the interpolated score at a number of labels within the curve."""
        x = np.log(self.labels)
        last = len(x) - 2
        low = min(max(int(np.searchsorted(x, log_labels, side="right")) - 1, 0), last)
        share = (log_labels - x[low]) / (x[low + 1] - x[low])
        pairs = zip(self.sides[low].seeds, self.sides[low + 1].seeds, strict=True)
        parts = [1 - share, share]
        return Side([combine(pair, parts) for pair in pairs], self.sides[low].drawn)


def labels_saved(side: Side, n_labels: float, other: Curve) -> Saved:
    """Returns how many times as many labels another curve needs for a score.

    `side` is the score of the first cell at a budget of `n_labels`; the curve is over the same
    speakers, of at least two budgets.
    """
    x = np.log(other.labels)

    def lead(at: float) -> Contrast:
        return difference(side, other.at(at))

    leads = [lead(at) for at in x]
    scale = 1 / n_labels
    crossing = _crossing(x, [one.value for one in leads])
    return Saved(
        least=float(scale * other.labels[0]),
        most=float(scale * other.labels[-1]),
        ratio=None if crossing is None else float(scale * np.exp(crossing)),
        beyond=all(one.value > TIE for one in leads),
        interval=_interval(x, lead, scale) if leads[0].n_speakers >= MIN_SPEAKERS else None,
        seeds_known=leads[0].seeds_known,
    )


def _crossing(x: Floats, leads: Sequence[float]) -> float | None:
    """Returns where the lead is first 0; None if it never is, or is below 0 from the start."""
    reached = next((i for i, value in enumerate(leads) if value <= TIE), None)
    if not reached:  # from the start, or never
        return float(x[0]) if reached == 0 and leads[0] >= -TIE else None
    before, after = leads[reached - 1], leads[reached]
    share = before / (before - after)
    return float(x[reached - 1] + share * (x[reached] - x[reached - 1]))


def _interval(
    x: Floats, lead: Callable[[float], Contrast], scale: float
) -> tuple[float | None, float | None]:
    """Returns the ratios between which the lead's interval includes 0."""

    def lower(at: float) -> float:
        contrast = lead(at)
        return contrast.value - contrast.half_width(1 - LEVEL)

    def upper(at: float) -> float:
        contrast = lead(at)
        return contrast.value + contrast.half_width(1 - LEVEL)

    places = [a + (b - a) * i / STEPS for a, b in pairwise(x) for i in range(STEPS)] + [x[-1]]
    low = _first(places, lower)
    high = _first(places[::-1], lambda at: -upper(at))
    low, high = (None if end is None else float(scale * np.exp(end)) for end in (low, high))
    return low, high


def _first(places: Sequence[float], value: Callable[[float], float]) -> float | None:
    """Returns the first place from which `value` is at most 0; None if it is so from the start.

    The last place if it never is.
    """
    inside = next((i for i, at in enumerate(places) if value(at) <= 0), None)
    if not inside:
        return places[-1] if inside is None else None
    outer, inner = places[inside - 1], places[inside]
    for _ in range(40):
        middle = (outer + inner) / 2
        outer, inner = (outer, middle) if value(middle) <= 0 else (middle, inner)
    return inner
