"""Means and differences of cells that were trained from several seeds, over seeds × speakers.

A seed's variation is no effect, so it counts as uncertainty beside that over speakers. Seeds and
speakers are crossed: every seed is tested on the same speakers. The speakers' part is the symmetric
studentised bootstrap of `statistics`, on the seed-averaged score. The seeds' part is Student's t on
the scores of the seeds, with Satterthwaite's degrees of freedom where several cells take part:
a handful of seeds is too few to be resampled. The half-widths of both are added in quadrature; the
interaction is in both parts, so the interval errs on the wide side.

Differences are tested on the same speakers (paired); p-values of a family declared beforehand are
adjusted by Holm's method (Holm 1979, Scand. J. Statist. 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from .results import Interval, Metric
from .statistics import (
    LEVEL,
    METHOD,
    MIN_SPEAKERS,
    RESAMPLES,
    Statistic,
    combine,
    estimate,
    studentised,
)

Floats = npt.NDArray[np.float64]

TAIL = 0.01
"""Below this share the bootstrap has too few samples: its quantile is continued like that of t."""
SEEDED = f"{METHOD} × t over training seeds, in quadrature"


@dataclass(frozen=True)
class Side:
    """One cell: its score per training seed, over the same speakers in the same order."""

    seeds: Sequence[Statistic]
    drawn: bool = True
    """False where nothing is drawn in training: then one seed is all there is."""


@dataclass(frozen=True)
class Contrast:
    """Σ weight · (mean score of a cell over its seeds), with its uncertainty."""

    sides: Sequence[Side]
    weights: Sequence[float]

    @cached_property
    def mean(self) -> Statistic:
        """The seed-averaged contrast as sums over speakers."""
        parts, weights = [], []
        for side, weight in zip(self.sides, self.weights, strict=True):
            parts += list(side.seeds)
            weights += [weight / len(side.seeds)] * len(side.seeds)
        return combine(parts, weights) if len(parts) > 1 or weights != [1.0] else parts[0]

    @cached_property
    def _centre(self) -> tuple[float, float]:
        value, error = estimate(self.mean, np.ones((1, self.n_speakers)))
        return float(value[0]), float(error[0])

    @property
    def n_speakers(self) -> int:
        """Speakers tested."""
        return len(self.sides[0].seeds[0].sums)

    @property
    def value(self) -> float:
        """The contrast itself."""
        return float(self.mean.value(self.mean.sums.sum(0)))

    @property
    def speaker_error(self) -> float:
        """Standard error over speakers."""
        return self._centre[1] if self._centre[1] > 1e-12 else 0.0

    @cached_property
    def _over_seeds(self) -> tuple[float, float]:
        parts = []
        for side, weight in zip(self.sides, self.weights, strict=True):
            n = len(side.seeds)
            if n > 1:
                scores = [float(s.value(s.sums.sum(0))) for s in side.seeds]
                parts.append((weight**2 * float(np.var(scores, ddof=1)) / n, n - 1))
        total = sum(part for part, _ in parts)
        if total <= 1e-24:
            return 0.0, 1.0
        return total**0.5, total**2 / sum(part**2 / df for part, df in parts)

    @property
    def seed_error(self) -> float:
        """Standard error over training seeds."""
        return self._over_seeds[0]

    @property
    def seed_df(self) -> float:
        """Its degrees of freedom (Satterthwaite 1946)."""
        return self._over_seeds[1]

    @property
    def seeds_known(self) -> bool:
        """False where a cell that draws was trained from one seed: its variation is not known."""
        return all(len(side.seeds) > 1 or not side.drawn for side in self.sides)

    @cached_property
    def _ratios(self) -> Floats:
        found = np.abs(studentised(self.mean, self._centre[0], RESAMPLES, 0))
        return np.sort(found)

    def half_width(self, alpha: float) -> float:
        """Returns half the width of the interval that leaves out `alpha`."""
        from scipy.special import stdtrit  # quantiles of t; scipy.stats takes a second to load

        speakers = seeds = 0.0
        if self.speaker_error:
            speakers = self.speaker_error * tail_quantile(self._ratios, alpha, self.n_speakers - 1)
        if self.seed_error:
            seeds = self.seed_error * float(-stdtrit(self.seed_df, alpha / 2))
        return float(np.hypot(speakers, seeds))

    def metric(self, level: float = LEVEL) -> Metric:
        """Returns the value with its interval; none below `MIN_SPEAKERS`."""
        if self.n_speakers < MIN_SPEAKERS:
            return Metric(value=self.value)
        # A correlation's interval is made on artanh of it, so half-widths are taken from there.
        half, low, high = self.half_width(1 - level), self.mean.bounds[0], self.mean.bounds[1]
        centre, fisher = self._centre[0], self.mean.transform == "fisher"
        ends = np.tanh([centre - half, centre + half]) if fisher else [centre - half, centre + half]
        method = SEEDED if self.seed_error else METHOD if half else "no spread between speakers"
        made = Interval(
            low=max(float(ends[0]), low), high=min(float(ends[1]), high), level=level, method=method
        )
        return Metric(value=self.value, interval=made)

    def p_value(self) -> float | None:
        """Returns the two-sided p-value of the value 0; None below `MIN_SPEAKERS`.

        It is the share at which the interval just touches 0, not below 1e-6.
        """
        if self.n_speakers < MIN_SPEAKERS:
            return None
        size = abs(self._centre[0])
        if size <= 1e-12:
            return 1.0
        low, high = 1e-6, 1.0
        if self.half_width(low) < size:
            return low
        while high / low > 1.001:
            middle = (low * high) ** 0.5
            low, high = (middle, high) if self.half_width(middle) >= size else (low, middle)
        return high

    def detectable(self, *, alpha: float = 1 - LEVEL, power: float = 0.9) -> float | None:
        """Returns the smallest true difference that is found in `power` of such comparisons.

        Args:
            alpha: two-sided level of the test, divided by the size of the family.
            power: share of comparisons that shall find it.
        """
        if self.n_speakers < MIN_SPEAKERS or not (self.speaker_error or self.seed_error):
            return None
        return self.half_width(alpha) + allowance(
            power, self.speaker_error, self.n_speakers - 1, self.seed_error, self.seed_df
        )


def over_seeds(statistics: Sequence[Statistic], level: float = LEVEL) -> Metric:
    """Returns the mean score of several training seeds, uncertain over seeds × speakers.

    Args:
        statistics: one per seed, over the same speakers in the same order.
        level: nominal coverage.
    """
    return Contrast([Side(statistics)], [1.0]).metric(level)


def averaged(metrics: Sequence[Metric]) -> Metric:
    """Returns what `over_seeds` does where predictions are not at hand, only scores of the seeds.

    The mean half-width stands for that of the seed-averaged score, which is somewhat narrower. No
    interval where one of the seeds has none.
    """
    if len(metrics) == 1:
        return metrics[0]
    values, n = [metric.value for metric in metrics], len(metrics)
    mean = float(np.mean(values))
    known = [(m.value, m.interval) for m in metrics if m.interval is not None]
    if len(known) < n:
        return Metric(value=mean)
    first = known[0][1]
    of_seeds = _t_quantile(0.5 + first.level / 2, n - 1) * float(np.std(values, ddof=1)) / n**0.5
    low = mean - float(np.hypot(np.mean([v - i.low for v, i in known]), of_seeds))
    high = mean + float(np.hypot(np.mean([i.high - v for v, i in known]), of_seeds))
    method = f"{first.method}, with {n} seeds in quadrature"
    return Metric(
        value=mean, interval=Interval(low=low, high=high, level=first.level, method=method)
    )


@cache
def _t_quantile(share: float, df: int) -> float:
    """Kept, since thousands of scores ask for the same few."""
    from scipy.special import stdtrit

    return float(stdtrit(df, share))


def difference(a: Side, b: Side) -> Contrast:
    """Returns the score of `a` minus that of `b`, paired by speaker.

    Seeds are not paired: what seed 3 draws for one cell tells nothing of what it draws for another.
    """
    return Contrast([a, b], [1.0, -1.0])


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns Holm's adjusted p-values of one family, in the given order."""
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[int(index)]))
        adjusted[int(index)] = highest
    return adjusted


def tail_quantile(ratios: Floats, alpha: float, df: int) -> float:
    """Returns the quantile that `alpha` of the sorted absolute `ratios` exceed."""
    from scipy.special import stdtrit

    kept = max(alpha, TAIL)
    found = float(np.quantile(ratios, 1 - kept))
    return found if alpha >= TAIL else found * float(stdtrit(df, alpha / 2) / stdtrit(df, TAIL / 2))


def allowance(power: float, speakers: float, n: float, seeds: float, df: float) -> float:
    """What a difference must have beyond the half-width, so that `power` of its estimates pass."""
    from scipy.special import stdtrit

    total = speakers**2 + seeds**2
    both: float = total**2 / (speakers**4 / n + (seeds**4 / df if seeds else 0.0))
    return float(stdtrit(both, power) * np.sqrt(total))
