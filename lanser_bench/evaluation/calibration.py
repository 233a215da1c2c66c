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

from dataclasses import replace

import numpy as np

from .arrays import Bools, Floats, Ints
from .results import Metric
from .soft_results import ReliabilityBin
from .statistics import LEVEL, RESAMPLES, Statistic, mean_of, metric

BINS = 10
OVER_SETS = 1e-6
"""A weight of 1/K that rounding has moved is not more than 1/K."""
CALIBRATION = "symmetric studentised bootstrap, lower end by inverted wild bootstrap, over speakers"
TINY = 1e-300


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

    The error of a sample is biased upwards: noise in a bin counts as a gap. The upper end of the
    interval is that of the studentised bootstrap, which the bias makes wide. The lower end is the
    smallest true error under which the observed one is not among the largest 2.5 %: gaps have the
    observed profile, less what noise explains, and noise is a wild bootstrap over speakers (Wu
    1986) with Student's tails. So the interval of a calibrated head starts at 0.
    """
    plain = metric(calibration_error(sums))
    n, size = len(sums), float(sums[:, -1].sum())
    if plain.interval is None:
        return plain
    gaps = sums[:, :-1].sum(0) / size
    influence = (sums[:, :-1] - sums[:, -1:] * gaps) / size * np.sqrt(n / (n - 1))
    rng = np.random.default_rng([0, n])
    noise = rng.standard_normal((RESAMPLES, n)) @ influence
    noise *= np.sqrt((n - 1) / rng.chisquare(n - 1, (RESAMPLES, 1)))
    variance = np.square(influence).sum(0)
    profile = gaps * np.maximum(1 - variance / np.maximum(np.square(gaps), variance + TINY), 0)
    profile /= max(float(np.abs(profile).sum()), TINY)

    def largest(truth: float) -> float:
        return float(np.quantile(np.abs(truth * profile + noise).sum(1), (1 + LEVEL) / 2))

    low, high = 0.0, plain.value
    if largest(0.0) >= plain.value:
        high = 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if largest(middle) < plain.value else (low, middle)
    return replace(plain, interval=replace(plain.interval, low=low, method=CALIBRATION))


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
