"""Intervals over speakers, for scores and for paired differences.

Results must generalise to other speakers, so uncertainty is taken over speakers. Every score here
is a smooth function of sums over speakers: UAR, WA and macro-F1 are means of ratios of counts, R²
is one ratio, r and CCC are functions of moments. So one method serves all: the score's influence
per speaker, from its gradient (the delta method, Efron & Tibshirani 1993, ch. 21), gives its
standard error, and a bootstrap over speakers of the score divided by that error (ch. 12.5) gives
the interval. It is symmetric, which covers better than equal tails with few speakers (Hall 1992).

A percentile bootstrap over few speakers undercovers, and so does t with this error if speakers have
unequal classes; `tests/benchmarks/coverage_simulation.py` prints the coverage of each. Several
draws of one evaluation are averaged within the speaker, as they are not independent evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from .arrays import Floats, Ints
from .results import Interval, Metric

MIN_SPEAKERS = 5
"""Fewer speakers get no interval: none would have its nominal coverage."""
RESAMPLES = 2000
LEVEL = 0.95
FLOOR = 0.35
"""Minimum of a bootstrap sample's error as a share of the median: samples of nearly one speaker
have almost no error. Chosen by simulation among 0.05 … 0.5 for coverage at 5 speakers."""
METHOD = "symmetric studentised bootstrap over speakers"


@dataclass(frozen=True)
class Statistic:
    """A smooth function of sums over speakers."""

    sums: Floats
    """Shape (speakers, m)."""
    value: Callable[[Floats], Floats]
    """Totals (..., m) → score (...)."""
    gradient: Callable[[Floats], Floats]
    """Totals (..., m) → gradient (..., m)."""
    transform: Literal["none", "fisher"] = "none"
    """``fisher``: the interval is computed for artanh of a correlation and transformed back."""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    """Range of the score; the interval is cut there."""
    ratios: tuple[Floats, Floats] | None = None
    """Numerators times weights, and denominators, if it is a `ratio_mean`."""


def metric(statistic: Statistic, *, resamples: int = RESAMPLES, seed: int = 0) -> Metric:
    """Returns the score with its interval over speakers."""
    value = float(statistic.value(statistic.sums.sum(0)))
    return Metric(value=value, interval=interval(statistic, resamples=resamples, seed=seed))


def interval(
    statistic: Statistic, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Returns an interval over speakers with coverage `level`; none below `MIN_SPEAKERS`."""
    n = len(statistic.sums)
    if n < MIN_SPEAKERS:
        return None
    centre, error = (float(x[0]) for x in estimate(statistic, np.ones((1, n))))
    if not error > 1e-12:
        return back_transformed(statistic, centre, centre, level, "no spread between speakers")
    ratios = np.abs(studentised(statistic, centre, resamples, seed))
    half = error * float(np.quantile(ratios, level))
    return back_transformed(statistic, centre - half, centre + half, level, METHOD)


def studentised(statistic: Statistic, centre: float, resamples: int, seed: int) -> Floats:
    """Returns (score* − score) / error* of bootstrap samples of speakers."""
    values, errors = estimate(statistic, resampled(len(statistic.sums), resamples, seed))
    return (values - centre) / np.maximum(errors, FLOOR * float(np.median(errors)) + 1e-300)


@lru_cache(maxsize=8)
def resampled(n: int, resamples: int, seed: int) -> Floats:
    """Returns counts of drawn speakers, shape (resamples, n); equal for all scores: paired."""
    rng = np.random.default_rng([seed, n])
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def estimate(statistic: Statistic, weights: Floats) -> tuple[Floats, Floats]:
    """Returns score and standard error of weighted speakers: weights (B, n) → (B,), (B,)."""
    n = weights.shape[1]
    if statistic.ratios is not None:
        value, influence = _of_ratios(*statistic.ratios, weights)
        squares = np.einsum("bn,bn,bn->b", weights, influence, influence)
        return value, np.sqrt(squares * n / (n - 1))
    totals = weights @ statistic.sums
    value, gradient = statistic.value(totals), statistic.gradient(totals)
    if statistic.transform == "fisher":
        inside = np.clip(value, -0.999999, 0.999999)
        gradient = gradient / (1 - inside**2)[:, None]
        value = np.arctanh(inside)
    influence = gradient @ statistic.sums.T
    influence -= np.einsum("bn,bn->b", weights, influence)[:, None] / n
    squares = np.einsum("bn,bn,bn->b", weights, influence, influence)
    return value, np.sqrt(squares * n / (n - 1))


def _of_ratios(tops: Floats, bottoms: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Returns Σ_j of ratios, shape (B,), and its influence per speaker, (B, n).

    The weighted influence of a ratio adds up to 0, so it needs no centring.
    """
    below = weights @ bottoms
    defined = below > 0
    inverse = np.divide(1.0, below, out=np.zeros_like(below), where=defined)
    ratios = (weights @ tops) * inverse
    slopes = ratios * inverse
    if not defined.all():
        whole = bottoms.sum(0)
        whole = np.divide(tops.sum(0), whole, out=np.zeros_like(whole), where=whole > 0)
        ratios = np.where(defined, ratios, whole)
    return ratios.sum(1), inverse @ tops.T - slopes @ bottoms.T


def back_transformed(
    statistic: Statistic, low: float, high: float, level: float, method: str
) -> Interval:
    """Returns an interval from its ends on the scale of the transform, cut at the bounds."""
    if statistic.transform == "fisher":
        low, high = float(np.tanh(low)), float(np.tanh(high))
    low, high = max(low, statistic.bounds[0]), min(high, statistic.bounds[1])
    return Interval(low=low, high=high, level=level, method=method)


def combine(parts: Sequence[Statistic], weights: Sequence[float]) -> Statistic:
    """Returns Σ weight · score of statistics over the same speakers in the same order."""
    edges = np.cumsum([0, *(part.sums.shape[1] for part in parts)])
    slices = [slice(a, b) for a, b in pairwise(edges)]

    terms = list(zip(parts, weights, slices, strict=True))

    def value(totals: Floats) -> Floats:
        return np.asarray(sum(w * part.value(totals[..., own]) for part, w, own in terms))

    def gradient(totals: Floats) -> Floats:
        return np.concatenate([w * p.gradient(totals[..., own]) for p, w, own in terms], axis=-1)

    ends = [sorted((w * part.bounds[0], w * part.bounds[1])) for part, w, _ in terms if w]
    bounds = (sum(low for low, _ in ends), sum(high for _, high in ends))
    ratios = [part.ratios for part in parts if part.ratios is not None]
    if len(ratios) == len(parts):
        return replace(mean_of_ratios(ratios, weights), bounds=bounds)
    sums = np.concatenate([part.sums for part in parts], axis=1)
    return Statistic(sums, value, gradient, bounds=bounds)


def among(statistic: Statistic, own: Sequence[str], every: Sequence[str]) -> Statistic:
    """Returns the statistic of the speakers `own` over `every` one, sorted: others add nothing."""
    place = np.searchsorted(np.asarray(every), np.asarray(own))

    def rows(values: Floats) -> Floats:
        wider = np.zeros((len(every), values.shape[1]))
        wider[place] = values
        return wider

    ratios = statistic.ratios and (rows(statistic.ratios[0]), rows(statistic.ratios[1]))
    return replace(statistic, sums=rows(statistic.sums), ratios=ratios)


def mean_of_ratios(parts: Sequence[tuple[Floats, Floats]], weights: Sequence[float]) -> Statistic:
    """Adds ratios with the same denominators, such as recalls of several seeds.

    The score remains the same function of sums over speakers, with far fewer columns.
    """
    merged: list[tuple[Floats, Floats]] = []
    for (top, bottom), weight in zip(parts, weights, strict=True):
        for i, (total, below) in enumerate(merged):
            if np.array_equal(bottom, below):
                merged[i] = total + weight * top, below
                break
        else:
            merged.append((weight * top, bottom))
    tops, bottoms = (np.concatenate(side, axis=1) for side in zip(*merged, strict=True))
    return ratio_mean(tops, bottoms, np.ones(tops.shape[1]))


def mean_of(values: npt.ArrayLike, unit: Ints, top: float = 1.0) -> Statistic:
    """Returns the mean of one value per utterance, in [0, `top`], from sums over speakers."""
    sums, sizes = (np.bincount(unit, of).astype(np.float64) for of in (values, None))
    return ratio(sums[sizes > 0], sizes[sizes > 0], top)


def ratio(tops: Floats, bottoms: Floats, most: float = 1.0) -> Statistic:
    """Returns Σ top / Σ bottom of the speakers, shape (speakers,), in [0, `most`]."""
    whole = ratio_mean(tops[:, None], bottoms[:, None], np.ones(1))
    return replace(whole, bounds=(0.0, most))


def flat(statistic: Statistic) -> Floats:
    """Returns the sums of a mean of ratios, shape (speakers, 2 J), for `ratios_of`."""
    assert statistic.ratios is not None
    return np.concatenate(statistic.ratios, axis=1)


def ratios_of(sums: Floats) -> Statistic:
    """Returns the mean of ratios whose `flat` sums are given."""
    J = sums.shape[1] // 2
    return ratio_mean(sums[:, :J], sums[:, J:], np.ones(J))


def ratio_mean(numerators: Floats, denominators: Floats, weights: Floats) -> Statistic:
    """Returns Σ_j weight_j · (Σ_s numerator_sj / Σ_s denominator_sj).

    Numerators and denominators have shape (speakers, J). A ratio whose denominator is 0 in a
    resample keeps its value in the whole sample.
    """
    J = len(weights)

    def ratios(totals: Floats) -> tuple[Floats, Floats]:
        a, b = totals[..., :J], totals[..., J:]
        defined = b > 0
        if defined.all():
            inverse = 1.0 / b
            return a * inverse, inverse
        inverse = np.divide(1.0, b, out=np.zeros_like(b), where=defined)
        top, bottom = numerators.sum(0), denominators.sum(0)
        whole = np.divide(top, bottom, out=np.zeros(J), where=bottom > 0)
        return np.where(defined, a * inverse, whole), inverse

    def value(totals: Floats) -> Floats:
        return np.asarray(ratios(totals)[0] @ weights)

    def gradient(totals: Floats) -> Floats:
        values, inverse = ratios(totals)
        slopes = np.empty(totals.shape)
        slope = np.multiply(weights, inverse, out=slopes[..., :J])
        np.negative(np.multiply(slope, values, out=slopes[..., J:]), out=slopes[..., J:])
        return slopes

    sums = np.concatenate([numerators, denominators], axis=1)
    return Statistic(sums, value, gradient, ratios=(numerators * weights, denominators))
