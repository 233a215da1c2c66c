"""Scores of predicted distributions, and how far confidence may be trusted.

All compare a predicted distribution p with a distribution t of human votes over the same K labels;
a single human label is a distribution with all its weight on one label.

- Jensen–Shannon divergence (Lin 1991): the mean of KL(p ‖ m) and KL(t ‖ m) to m = (p + t) / 2, in
  bits, so in [0, 1]. It is the square of `scipy.spatial.distance.jensenshannon` with base 2.
- Brier score (1950): Σ_k (p_k − t_k)², in [0, 2].
- Label sets: the labels with more than 1/K of the weight, the rule of EMO-SUPERB (arXiv 2402.13018)
  and of multi-label emotion recognition before it.
- Expected calibration error (Guo et al. 2017): the mean distance between the confidence max p and
  the share of votes for the predicted label, over bins with equally many predictions (Nguyen &
  O'Connor 2015), which leave no bin nearly empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .arrays import Bools, Floats, Ints
from .results import Interval, Metric
from .soft_results import ReliabilityBin
from .statistics import LEVEL, MIN_SPEAKERS, RESAMPLES, Statistic, metric, ratio_mean

BINS = 10
OVER_SETS = 1e-6
"""A weight of 1/K that rounding has moved is not more than 1/K."""
CALIBRATION = "inverted wild bootstrap over speakers"


def jensen_shannon(p: Floats, t: Floats) -> Floats:
    """Returns the divergence of distributions of shape (..., K) in bits, shape (...)."""
    middle = (p + t) / 2

    def relative(a: Floats) -> Floats:
        share = np.divide(a, middle, out=np.ones_like(middle), where=a > 0)
        return np.asarray((a * np.log2(share)).sum(-1))

    return np.asarray(np.clip((relative(p) + relative(t)) / 2, 0.0, 1.0))


def brier(p: Floats, t: Floats) -> Floats:
    """Returns the squared distance of distributions of shape (..., K), shape (...)."""
    return np.asarray(np.square(p - t).sum(-1))


def label_sets(distributions: Floats) -> Bools:
    """Returns which labels have more than 1/K of the weight, shape (..., K)."""
    return np.asarray(distributions > 1 / distributions.shape[-1] + OVER_SETS)


def equal_mass(confidence: Floats, bins: int) -> Ints:
    """Returns each value's bin; equal values share a bin, so there may be fewer than `bins`."""
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, confidence, side="left").astype(np.int64)


def gap_sums(confidence: Floats, share: Floats, unit: Ints, bins: int) -> Floats:
    """Returns the sums over speakers from which the calibration error follows.

    Args:
        confidence: of the predicted label, shape (draws, n); each draw has bins of its own.
        share: of the votes that the predicted label has, shape (draws, n).
        unit: speaker of each utterance as a position, shape (n,).
        bins: number of bins.

    Returns:
        Shape (speakers, draws · bins + 1): sums of ``confidence − share``, then predictions.
    """
    draws = len(confidence)
    sums = np.zeros((int(unit.max()) + 1, draws * bins + 1))
    for draw in range(draws):
        place = draw * bins + equal_mass(confidence[draw], bins)
        np.add.at(sums, (unit, place), confidence[draw] - share[draw])
    np.add.at(sums[:, -1], unit, draws)
    return sums


def calibration_error(sums: Floats) -> Statistic:
    """Returns the expected calibration error as a function of `gap_sums`, the mean over draws."""

    def value(totals: Floats) -> Floats:
        return np.asarray(np.abs(totals[..., :-1]).sum(-1) / totals[..., -1])

    def gradient(totals: Floats) -> Floats:
        slope = np.concatenate([np.sign(totals[..., :-1]), -value(totals)[..., None]], axis=-1)
        return np.asarray(slope / totals[..., -1:])

    return Statistic(sums, value, gradient, bounds=(0.0, 1.0))


def calibration_metric(sums: Floats) -> Metric:
    """Returns the expected calibration error with its interval.

    The error of a sample is biased upwards: noise in a bin counts as a gap. So the interval is that
    of a test: it has the true errors under which the observed one is neither among the largest nor
    the smallest 2.5 %. Truth is the observed profile of gaps times a factor; noise is a wild
    bootstrap over speakers (Wu 1986), with Student's tails for few of them. A calibrated head thus
    has an interval from 0. The upper end is never below the error itself.
    """
    n, size = len(sums), float(sums[:, -1].sum())
    gaps = sums[:, :-1].sum(0) / size
    error = float(np.abs(gaps).sum())
    if n < MIN_SPEAKERS:
        return Metric(value=error)
    influence = (sums[:, :-1] - sums[:, -1:] * gaps) / size * np.sqrt(n / (n - 1))
    rng = np.random.default_rng([0, n])
    noise = rng.standard_normal((RESAMPLES, n)) @ influence
    noise *= np.sqrt((n - 1) / rng.chisquare(n - 1, (RESAMPLES, 1)))
    tail = (1 - LEVEL) / 2

    def at(factor: float, share: float) -> float:
        return float(np.quantile(np.abs(factor * gaps + noise).sum(1), share)) - error

    low = _root(lambda f: at(f, 1 - tail), 1.0) if at(0.0, 1 - tail) < 0 else 0.0
    high = 1.0
    while error and high < 1024 and at(high, tail) < 0:
        high *= 2
    high = _root(lambda f: at(f, tail), high) if high > 1 else 1.0
    ends = {"low": low * error, "high": min(1.0, high * error)}
    return Metric(value=error, interval=Interval(**ends, level=LEVEL, method=CALIBRATION))


def reliability(
    confidence: Floats, share: Floats, unit: Ints, bins: int = BINS
) -> list[ReliabilityBin]:
    """Returns bins of equally many predictions by rising confidence; all have shape (n,)."""
    place = equal_mass(confidence, bins)
    rows = [np.flatnonzero(place == number) for number in np.unique(place)]
    return [
        ReliabilityBin(
            n=len(own),
            confidence=float(confidence[own].mean()),
            share=metric(mean_of(share[own], unit[own])),
        )
        for own in rows
    ]


def mean_of(values: Floats, unit: Ints, top: float = 1.0) -> Statistic:
    """Returns the mean of one value per utterance, in [0, `top`], from sums over speakers."""
    sums, sizes = np.zeros((2, int(unit.max()) + 1, 1))
    np.add.at(sums[:, 0], unit, values)
    np.add.at(sizes[:, 0], unit, 1)
    known = sizes[:, 0] > 0
    return replace(ratio_mean(sums[known], sizes[known], np.ones(1)), bounds=(0.0, top))


def _root(rising: Callable[[float], float], high: float) -> float:
    """Returns where a rising function crosses 0 between 0 and `high`."""
    low = 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
