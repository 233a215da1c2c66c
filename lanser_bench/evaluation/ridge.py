"""Ridge regression from frozen embeddings to many targets, all penalties at once.

One eigendecomposition per training side serves every target and penalty (Hastie, Tibshirani &
Friedman 2009, section 3.4.1). The penalty is per row: minimise mean squared error + strength · ‖w‖²
for standardised embeddings and centred targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Floats, Ints, Layers
from .folds import Fold, group_speakers
from .selection import most_common, standardised


@dataclass(frozen=True)
class RidgeResult:
    """Out-of-fold predictions of T targets."""

    predicted: Floats
    """Shape (n, T); NaN if the target is undefined or no fold tests the utterance."""
    baseline: Floats
    """Mean of the training side of the fold that tested the utterance, shape (n, T)."""
    layers: list[str]
    """Layer chosen most often for each target; of equals, the later one."""
    strengths: list[float]
    """Median over folds of the strength chosen for each target."""
    by_layer: Floats
    """Predictions from each layer alone at its own best strength, shape (L, n, T)."""


def ridge_predictions(
    train: Floats, test: Floats, targets: Floats, strengths: Sequence[float]
) -> Floats:
    """Predicts test rows (m, d) from train rows (n, d) on the same scale, at all strengths per row.

    Targets have shape (n, T), without NaN, and predictions (strengths, m, T).
    """
    n, d = train.shape
    mean = targets.mean(0)
    if n <= d:
        values, basis = np.linalg.eigh(train @ train.T)
        weights, rows = basis.T @ (targets - mean), (test @ train.T) @ basis
    else:
        values, basis = np.linalg.eigh(train.T @ train)
        weights, rows = basis.T @ (train.T @ (targets - mean)), test @ basis
    penalties = n * np.asarray(strengths, np.float64)
    shrink = 1 / (np.maximum(values, 0)[None] + penalties[:, None])
    return np.asarray(rows @ (shrink[..., None] * weights[None]) + mean)


def cross_predict(
    layers: Layers,
    targets: Floats,
    speakers: Sequence[str],
    folds: Sequence[Fold],
    *,
    strengths: Sequence[float],
    inner_folds: int,
    seed: int,
    sentences: Sequence[str] | None = None,
) -> RidgeResult:
    """Predicts each target out of fold; strength and layer are chosen by inner speaker folds.

    With a single training speaker, the last layer and the middle strength are used. Layers have
    embeddings of shape (n, dim), targets shape (n, T); NaN if undefined. Strengths increase.

    `sentences` are those of each row if the folds separate sentences: the inner folds then do so
    too. Otherwise an embedding that memorises sentences, such as that of the control `text`, would
    get too weak a penalty.
    """
    predicted, baseline = np.full(targets.shape, np.nan), np.full(targets.shape, np.nan)
    by_layer = np.full((len(layers), *targets.shape), np.nan)
    chosen: list[list[tuple[int, int]]] = [[] for _ in range(targets.shape[1])]
    arrays = [np.asarray(values, np.float64) for values in layers.values()]
    for fold in folds:
        for columns, defined in _patterns(targets):
            train, test = fold.train[defined[fold.train]], fold.test[defined[fold.test]]
            if len(train) < 2 or not len(test):
                continue
            inner = _inner_folds(speakers, sentences, train, inner_folds, seed)
            best, picks = _choose(arrays, targets, columns, inner, strengths)
            own, place = np.arange(len(columns)), np.ix_(test, columns)
            for layer, values in enumerate(arrays):
                sides = standardised(values, train, test)
                outputs = ridge_predictions(*sides, targets[np.ix_(train, columns)], strengths)
                by_layer[layer][place] = outputs[picks[layer], :, own].T
            predicted[place] = by_layer[best[None], test[:, None], columns[None]]
            baseline[place] = targets[np.ix_(train, columns)].mean(0)
            for column, layer, at in zip(columns, best, picks[best, own], strict=True):
                chosen[column].append((int(layer), int(at)))
    names = list(layers)
    return RidgeResult(
        predicted,
        baseline,
        [names[most_common([layer for layer, _ in picks])] for picks in chosen],
        [float(np.median([strengths[i] for _, i in picks] or [np.nan])) for picks in chosen],
        by_layer,
    )


def _patterns(targets: Floats) -> list[tuple[Ints, Bools]]:
    """Groups targets that are defined on the same rows: they share decompositions."""
    groups: dict[bytes, list[int]] = {}
    defined = ~np.isnan(targets)
    for column in range(targets.shape[1]):
        groups.setdefault(defined[:, column].tobytes(), []).append(column)
    return [(np.array(columns), defined[:, columns[0]]) for columns in groups.values()]


def _inner_folds(
    speakers: Sequence[str], sentences: Sequence[str] | None, train: Ints, folds: int, seed: int
) -> list[tuple[Ints, Ints]]:
    """Returns pairs of rows to fit and to hold out, disjoint as the outer folds."""

    def group(names: Sequence[str]) -> Ints:
        own = [names[row] for row in train]
        return group_speakers(own, np.zeros(len(own), int), min(folds, len(set(own))), seed)

    voice = group(speakers)
    groups = range(int(voice.max()) + 1)
    if len(groups) == 1:
        return []
    by_voice = [(train[voice != g], train[voice == g]) for g in groups]
    if sentences is None:
        return by_voice
    # One sentence group per speaker group: all pairs would square the cost.
    words = group(sentences)
    crossed = []
    for g in groups:
        h = g % (int(words.max()) + 1)
        crossed.append((train[(voice != g) & (words != h)], train[(voice == g) & (words == h)]))
    # With few sentences, or one speaker per sentence, there may be nothing to fit or to hold out.
    return crossed if all(len(a) > 1 and len(b) for a, b in crossed) else by_voice


def _choose(
    arrays: Sequence[Floats],
    targets: Floats,
    columns: Ints,
    inner: Sequence[tuple[Ints, Ints]],
    strengths: Sequence[float],
) -> tuple[Ints, Ints]:
    """Returns the best layer of each column, and each layer's best strength by position.

    The criterion is the squared error over inner folds; shapes (columns,) and (layers, columns).
    """
    if not inner:
        last = np.full(len(columns), len(arrays) - 1)
        return last, np.full((len(arrays), len(columns)), len(strengths) // 2)
    errors = np.zeros((len(arrays), len(strengths), len(columns)))
    for fit, held in inner:
        truth = targets[np.ix_(held, columns)]
        for layer, values in enumerate(arrays):
            sides = standardised(values, fit, held)
            outputs = ridge_predictions(*sides, targets[np.ix_(fit, columns)], strengths)
            errors[layer] += np.square(outputs - truth).sum(1)
    picks = errors.argmin(1)
    return errors.min(1).argmin(0), picks
