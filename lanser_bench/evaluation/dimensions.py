"""Dimensions of emotion: label-efficiency curves of ridge regression, and their concordance.

Budgets and draws are those of classes. Folds and subsets are stratified by the half of each
dimension that an utterance is in (`strata`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from . import metrics
from .arrays import Floats, Ints, Layers
from .budgets import Budget
from .curves import area_weights
from .dimension_results import DimensionScores
from .efficiency import Design, Fit, Labelled, Study, run_design, training_labels
from .folds import Fold
from .predictions import concordance, correlation
from .results import Metric
from .ridge import cross_predict
from .selection import Answer
from .statistics import Statistic, combine, metric

STRATIFIED = 3
"""The first so many dimensions stratify: more would leave few utterances a stratum."""
WIDTH = 7
"""Columns of a block of `blocks`: its weight, then sums of (1, x, y, x², y², x y)."""


@dataclass(frozen=True)
class Rated:
    """Ratings of some utterances, and predictions for each draw of the labelled subset."""

    speakers: list[str]
    truth: Floats
    """Shape (n, D); NaN if not rated."""
    predicted: npt.NDArray[np.floating]
    """Shape (draws, n, D)."""


def strata(ratings: Floats) -> Ints:
    """Returns a stratum per utterance, shape (n,): above the median or not, for each dimension."""
    first = ratings[:, :STRATIFIED]
    upper = first > np.nanmedian(first, axis=0)
    return np.asarray(upper @ (1 << np.arange(first.shape[1])), np.int64)


def run_ratings(
    data: Labelled,
    ratings: Floats,
    middle: Floats,
    layers: Layers,
    folds: Sequence[Fold],
    design: Design,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Runs all folds, budgets and draws; answers are ratings, shape (n_test, D), as float32.

    Layer and penalty per row of each dimension are chosen by speaker folds inside the budget. A
    dimension with fewer than two ratings in the budget is predicted by their mean; without any, by
    the middle of its scale, shape (D,). The labels of `data` stratify the budgets. Ratings have
    shape (n, D); NaN if not rated. `progress` is called with the cells done and those of all.
    """
    positions = replace(data, labels=np.arange(len(ratings)))

    def ridge(number: int, fold: Fold) -> Fit:
        def fit(_: Ints, chosen: Ints, draw: int) -> Answer:
            own = ratings[training_labels(positions, fold, design, number, draw)]
            found = cross_predict(
                layers,
                own,
                data.speakers,
                [Fold(chosen, fold.test, fold.dev)],
                strengths=design.strengths,
                inner_folds=design.inner_folds,
                seed=design.seed,
            )
            predicted = found.predicted[fold.test]
            # Too few ratings for a regression: their mean, without any the middle of the scale.
            one = ~np.isnan(own[chosen])
            sums = np.where(one, own[chosen], 0.0).sum(0)
            mean = np.where(one.any(0), sums / np.maximum(one.sum(0), 1), middle)
            predicted = np.where(np.isnan(predicted), mean, predicted).astype(np.float32)
            enough = len({data.speakers[p] for p in chosen}) > 1
            return Answer(predicted, ",".join(found.layers), None, chosen=enough)

        return fit

    return run_design(
        data, folds, design, ridge, progress, same_for_all_draws=not design.permute_gold
    )


def rated(study: Study, ratings: Floats, budget: Budget) -> Rated:
    """Returns the predictions of one budget on the tested utterances."""
    return _tested(study, ratings, study.answers(budget, np.zeros(ratings.shape, np.float32)))


def mean_ratings(study: Study, ratings: Floats) -> Rated:
    """Returns the mean ratings of each fold's training side as predictions."""
    predicted = np.zeros((1, *ratings.shape))
    for fold in study.folds:
        predicted[0, fold.test] = np.nanmean(ratings[fold.train], axis=0)
    return _tested(study, ratings, predicted)


def _tested(study: Study, ratings: Floats, predicted: npt.NDArray[np.floating]) -> Rated:
    rows = study.tested()
    return Rated([study.data.speakers[p] for p in rows], ratings[rows], predicted[:, rows])


def moments(data: Rated, dimension: int) -> Floats:
    """Returns sums over speakers, sorted, of each draw: shape (draws, speakers, 6).

    x is the rating and y the prediction, both minus the mean rating, so that no digits are lost.
    """
    names, unit = np.unique(data.speakers, return_inverse=True)
    own = ~np.isnan(data.truth[:, dimension])
    x = data.truth[own, dimension]
    centre = x.mean() if len(x) else 0.0
    sums = np.zeros((len(data.predicted), len(names), WIDTH - 1))
    for draw, values in enumerate(np.asarray(data.predicted, np.float64)[:, own, dimension]):
        a, b = x - centre, values - centre
        np.add.at(sums[draw], unit[own], np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], 1))
    return sums


def blocks(parts: Iterable[tuple[Rated, float]], dimensions: Sequence[int]) -> Floats:
    """Returns sums over the speakers for `mean_ccc`, shape (speakers, B · 7).

    `parts` are predictions of the same utterances and the weight of their CCC, which is averaged
    over some dimensions, by position.
    """
    found = []
    for data, weight in parts:
        for dimension in dimensions:
            draws = moments(data, dimension)
            share = weight / (len(dimensions) * len(draws))
            for own in draws:
                # Each speaker has an equal part of the weight: resamples of speakers keep it.
                found.append(np.insert(own, 0, share / len(own), axis=1))
    return np.concatenate(found, axis=1)


def mean_ccc(sums: Floats) -> Statistic:
    """Returns Σ weight · CCC of the blocks of `blocks`, as a function of sums over speakers."""
    parts = np.split(sums, sums.shape[1] // WIDTH, axis=1)
    return _mean([concordance(part[:, 1:]) for part in parts], [part[:, 0].sum() for part in parts])


def ccc(parts: Sequence[tuple[Rated, float]], dimensions: Sequence[int]) -> Metric:
    """Returns the weighted mean CCC with its interval; 0 without one if nothing varies."""
    if all(metrics.is_constant(data.predicted[..., k]) for data, _ in parts for k in dimensions):
        return Metric(value=0.0)
    return metric(mean_ccc(blocks(parts, dimensions)))


def _mean(parts: Sequence[Statistic], weights: Sequence[float]) -> Statistic:
    """Returns a weighted mean of correlations; its interval is that of artanh."""
    whole = combine(parts, weights) if len(parts) > 1 else parts[0]
    return replace(whole, transform="fisher", bounds=(-1.0, 1.0))


def dimension_scores(data: Rated, dimension: int) -> DimensionScores:
    """Returns the scores of one dimension with intervals over speakers."""
    draws = moments(data, dimension)
    present = draws[0, :, 0] > 0
    own = list(draws[:, present])
    predicted = data.predicted[:, ~np.isnan(data.truth[:, dimension]), dimension]
    if all(map(metrics.is_constant, predicted)):
        ccc = pearson = Metric(value=0.0)
    else:
        shares = [1 / len(own)] * len(own)
        ccc = metric(_mean([concordance(one) for one in own], shares))
        pearson = metric(_mean([correlation(one) for one in own], shares))
    return DimensionScores(ccc=ccc, pearson=pearson, rmse=metric(_error(own)))


def _error(draws: Sequence[Floats]) -> Statistic:
    """Returns the mean over draws of √(Σ (x − y)² / n)."""

    def root(totals: Floats) -> Floats:
        n, squares = totals[..., 0], totals[..., 3] + totals[..., 4] - 2 * totals[..., 5]
        return np.asarray(np.sqrt(np.maximum(squares, 0.0) / n))

    def gradient(totals: Floats) -> Floats:
        n, value = totals[..., 0], np.maximum(root(totals), 1e-12)
        slope = np.zeros_like(totals)
        slope[..., 0] = -value / (2 * n)
        slope[..., 3] = slope[..., 4] = 1 / (2 * n * value)
        slope[..., 5] = -1 / (n * value)
        return slope

    parts = [Statistic(one, root, gradient, bounds=(0.0, np.inf)) for one in draws]
    return combine(parts, [1 / len(parts)] * len(parts)) if len(parts) > 1 else parts[0]


def curve_parts(
    budgets: Mapping[str, float | None], found: Mapping[str, Rated], largest: str
) -> list[tuple[Rated, float]]:
    """Returns the predictions under a curve with their weights in its area.

    Budgets have their share of the labels, or None for a number per stratum. The largest is used
    alone if no budget is a share.
    """
    shares = {name: share for name, share in budgets.items() if share is not None}
    shares = shares or {largest: 1.0}
    weights = area_weights(list(shares.values()))
    return [(found[name], float(w)) for name, w in zip(shares, weights, strict=True)]
