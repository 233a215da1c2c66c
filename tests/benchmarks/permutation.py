"""A permutation test of the linear protocol: do embeddings carry any information on the label?

Ojala & Garriga (2010), "Permutation Tests for Studying Classifier Performance", JMLR 11: permute
gold, train and score again, and take as p-value the share of permutations that score at least as
well as the true gold. Labels move within their speaker only, so each speaker's mixture of labels
and voice stay together; only the differences between a speaker's own utterances are tested. If
embeddings are independent of the labels within speakers, the test is exact for any number of
speakers: training, choosing and scoring are the same functions of permuted and of true labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lanser_bench.evaluation import metrics
from lanser_bench.evaluation.arrays import Floats, Ints, Layers
from lanser_bench.evaluation.efficiency import Design, Labelled, learnt, permuted_within
from lanser_bench.evaluation.folds import Fold
from lanser_bench.evaluation.selection import fold_features

PERMUTATIONS = 200


@dataclass(frozen=True)
class PermutationTest:
    """A UAR and its distribution under permuted labels."""

    uar: float
    """With the true gold, pooled over the folds' test sides."""
    null: Floats
    """With each permuted gold, shape (permutations,)."""

    @property
    def p_value(self) -> float:
        """Share of the orders, the true one among them, that score at least as well."""
        reached = int((self.null >= self.uar - 1e-12).sum())
        return (1 + reached) / (1 + len(self.null))


def permutation_test(
    data: Labelled,
    layers: Layers,
    folds: Sequence[Fold],
    design: Design,
    *,
    permutations: int = PERMUTATIONS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PermutationTest:
    """Evaluates with all labels of each training side, once with gold and once per permutation.

    Args:
        data: the labelled utterances.
        layers: layer name → their embeddings, shape (n, dim).
        folds: speaker-disjoint folds of them.
        design: strengths, inner folds, balance and the seed; budgets and draws take no part.
        permutations: how often gold is permuted; the smallest p-value is 1 / (1 + permutations).
        progress: called with trainings done and in all.
    """
    orders = np.stack([data.labels, *_permuted(data, permutations, design.seed)])
    predicted = np.zeros_like(orders)
    total = orders.shape[0] * len(folds)
    for number, fold in enumerate(folds):
        features = fold_features(layers, fold)
        rows = np.arange(len(fold.train))
        for order, labels in enumerate(orders):
            found = learnt(features, labels, fold, data, rows, design)
            predicted[order, fold.test] = found.predicted
            progress(number * len(orders) + order + 1, total)
    tested = np.concatenate([fold.test for fold in folds])
    scores = [
        metrics.uar(metrics.confusion_matrix(gold[tested], guess[tested], data.n_labels))
        for gold, guess in zip(orders, predicted, strict=True)
    ]
    return PermutationTest(scores[0], np.array(scores[1:]))


def _permuted(data: Labelled, permutations: int, seed: int) -> list[Ints]:
    return [
        permuted_within(data.labels, data.speakers, np.random.default_rng([seed, number]))
        for number in range(permutations)
    ]
