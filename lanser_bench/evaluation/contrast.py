"""Means and differences of cells trained with several seeds, over seeds × speakers.

Variation between seeds is no effect, so it adds to the uncertainty over speakers. Seeds and
speakers are crossed: every seed is tested on the same speakers. The variance of a seed-averaged
score is the variance over speakers plus that over seeds, minus their interaction, which both
include (the crossed design of Cornfield & Tukey 1956); its degrees of freedom are Satterthwaite's
(1946). The quantile is Student's, widened in proportion to the speakers' share of the variance, by
the factor by which the symmetric studentised bootstrap of `statistics` exceeds Student's. Seeds are
not resampled: there are too few.

Differences are paired by speaker; p-values of a family declared beforehand are adjusted by Holm's
method (Holm 1979, Scand. J. Statist. 6). `tests/benchmarks/gate_simulation.py` prints coverage,
false alarms and power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from .arrays import Floats
from .results import Interval, Metric
from .sensitivity import Variances, degrees, smallest
from .statistics import (
    LEVEL,
    METHOD,
    MIN_SPEAKERS,
    RESAMPLES,
    Statistic,
    back_transformed,
    combine,
    estimate,
    studentised,
)

POWER = 0.9
TAIL = 0.01
"""Below this tail the bootstrap has too few samples; its quantile is continued like that of t."""
DIFFERENCE = (-1.0, 1.0)
"""Range of a difference of two shares."""
SEEDED = f"{METHOD} × training seeds"
QUADRATURE = "seeds in quadrature"
"""Ends the method of an `averaged` interval."""


@dataclass(frozen=True)
class Side:
    """One cell: its score per training seed, over the same speakers in the same order."""

    seeds: Sequence[Statistic]
    drawn: bool = True
    """False if training draws nothing at random: one seed then suffices."""


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
    def _over_seeds(self) -> tuple[float, float, float]:
        """Variance over seeds, its degrees of freedom, and the interaction that is in it."""
        parts, shared = [], 0.0
        for side, weight in zip(self.sides, self.weights, strict=True):
            n = len(side.seeds)
            if n > 1:
                scores = [float(s.value(s.sums.sum(0))) for s in side.seeds]
                parts.append((weight**2 * float(np.var(scores, ddof=1)) / n, n - 1))
                shared += weight**2 * interaction(side.seeds)
        total = sum(part for part, _ in parts)
        if total <= 1e-24:
            return 0.0, 1.0, shared
        return total, total**2 / sum(part**2 / df for part, df in parts), shared

    @cached_property
    def variances(self) -> Variances:
        """Components of the contrast's variance."""
        over, df, shared = self._over_seeds
        dfs = tuple(len(side.seeds) - 1.0 for side in self.sides if len(side.seeds) > 1)
        return Variances(self.speaker_error**2, self.n_speakers, over, dfs or (1.0,), df, shared)

    @property
    def seed_error(self) -> float:
        """Standard error over training seeds, without the interaction with speakers."""
        return float(max(self.variances.seeds - self.variances.shared, 0.0) ** 0.5)

    @property
    def error(self) -> float:
        """Standard error over speakers and seeds."""
        return float(self.variances.total**0.5)

    @cached_property
    def df(self) -> float:
        """Degrees of freedom of `error` squared."""
        of = self.variances
        speakers, seeds, shared = (np.array(x) for x in (of.speakers, of.seeds, of.shared))
        return float(degrees(speakers, of.n_speakers, seeds, of.seed_df, shared))

    @property
    def seeds_known(self) -> bool:
        """False if a cell that draws was trained with one seed: its variation is unknown."""
        return all(len(side.seeds) > 1 or not side.drawn for side in self.sides)

    @cached_property
    def ratios(self) -> Floats | None:
        """The studentised bootstrap, sorted absolute values; None without spread over speakers."""
        if not self.speaker_error:
            return None
        return np.sort(np.abs(studentised(self.mean, self._centre[0], RESAMPLES, 0)))

    def half_width(self, alpha: float) -> float:
        """Returns half the width of the interval with level 1 − `alpha`."""
        return self.error * self._quantile(alpha) if self.error else 0.0

    def _quantile(self, alpha: float) -> float:
        from scipy.special import stdtrit  # quantiles of t; scipy.stats takes a second to load

        share = self.speaker_error**2 / self.error**2
        factor = wider(self.ratios, alpha, self.n_speakers)
        return float(-stdtrit(self.df, alpha / 2)) * (1 + share * (factor - 1))

    def metric(self, level: float = LEVEL) -> Metric:
        """Returns the value with its interval; without one below `MIN_SPEAKERS`."""
        if self.n_speakers < MIN_SPEAKERS:
            return Metric(value=self.value)
        half, centre = self.half_width(1 - level), self._centre[0]
        method = SEEDED if self.seed_error else METHOD if half else "no spread between speakers"
        interval = back_transformed(self.mean, centre - half, centre + half, level, method)
        return Metric(value=self.value, interval=interval)

    def p_value(self) -> float | None:
        """Returns the two-sided p-value of the value 0; None below `MIN_SPEAKERS`.

        It is the alpha at which the interval just touches 0; at least 1e-6.
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

    def detectable(self, *, alpha: float = 1 - LEVEL, power: float = POWER) -> float | None:
        """Returns the smallest true difference that such comparisons detect with `power`.

        `alpha` is the two-sided level of the test, divided by the size of the family.
        """
        if self.n_speakers < MIN_SPEAKERS or not self.error:
            return None
        return smallest(self.variances, alpha, wider(self.ratios, alpha, self.n_speakers), power)


def wider(ratios: Floats | None, alpha: float, speakers: int) -> float:
    """Returns the quantile of `Contrast.ratios` divided by Student's."""
    from scipy.special import stdtrit

    if ratios is None:
        return 1.0
    n = speakers - 1
    return tail_quantile(ratios, alpha, n) / float(-stdtrit(n, alpha / 2))


def averaged(metrics: Sequence[Metric], bounds: tuple[float, float] = (0.0, 1.0)) -> Metric:
    """Returns the mean score over training seeds, from the seeds' scores without predictions.

    The interval errs on the wide side: the mean half-width over speakers and Student's half-width
    over the seeds are added in quadrature, so their interaction, which is unknown here, counts
    twice. It is cut at the bounds of the score, and missing if one of the seeds has none.
    """
    if len(metrics) == 1:
        return metrics[0]
    values, n = [metric.value for metric in metrics], len(metrics)
    mean = float(np.mean(values))
    known = [(m.value, m.interval) for m in metrics if m.interval is not None]
    if len(known) < n:
        return Metric(value=mean)
    level, method = known[0][1].level, f"{known[0][1].method}, with {n} {QUADRATURE}"
    of_seeds = _t_quantile(0.5 + level / 2, n - 1) * float(np.std(values, ddof=1)) / n**0.5
    low = mean - float(np.hypot(np.mean([v - i.low for v, i in known]), of_seeds))
    high = mean + float(np.hypot(np.mean([i.high - v for v, i in known]), of_seeds))
    low, high = max(low, bounds[0]), min(high, bounds[1])
    return Metric(value=mean, interval=Interval(low=low, high=high, level=level, method=method))


@cache
def _t_quantile(share: float, df: int) -> float:
    """Cached: thousands of scores use the same few quantiles."""
    from scipy.special import stdtrit

    return float(stdtrit(df, share))


def score_of(side: Side) -> Metric:
    """Returns a cell's mean score over its seeds."""
    return Contrast([side], [1.0]).metric()


def difference(a: Side, b: Side) -> Contrast:
    """Returns the score of `a` minus that of `b`, paired by speaker.

    Seeds are not paired: the draws of seed 3 in one cell are unrelated to those in another.
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


def adjusted(p_values: Sequence[float | None], others: Sequence[float] = ()) -> list[float | None]:
    """Returns Holm's adjusted p-values of one family, which `others` complete; None stays None."""
    found = iter(holm([*(p for p in p_values if p is not None), *others]))
    return [None if p is None else next(found) for p in p_values]


def tail_quantile(ratios: Floats, alpha: float, df: int) -> float:
    """Returns the quantile that `alpha` of the sorted absolute `ratios` exceed."""
    from scipy.special import stdtrit

    quantile = float(np.quantile(ratios, 1 - max(alpha, TAIL)))
    if alpha >= TAIL:
        return quantile
    return quantile * float(stdtrit(df, alpha / 2) / stdtrit(df, TAIL / 2))


def interaction(seeds: Sequence[Statistic]) -> float:
    """Returns the seeds × speakers part of the variance of a seed-averaged score.

    The variance over speakers and the variance over seeds both include it.
    """
    n = len(seeds)
    influence = np.stack([s.gradient(s.sums.sum(0)) @ s.sums.T for s in seeds])
    speakers = influence.shape[1]
    squares = float(np.square(influence - influence.mean(0)).sum()) / (n - 1)
    return float(squares / n * speakers / (speakers - 1))
