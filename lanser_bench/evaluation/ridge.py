"""Ridge regression from frozen embeddings to many targets, all penalties at once.

One eigendecomposition per training side gives every target at every penalty (Hastie, Tibshirani &
Friedman 2009, section 3.4.1). The penalty is counted per row: minimise mean squared error +
strength · ‖w‖² for standardised embeddings and centred targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .folds import Fold, group_speakers
from .selection import standardised

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Layers = Mapping[str, npt.NDArray[np.floating]]


@dataclass(frozen=True)
class RidgeResult:
    """Out-of-fold predictions of T targets."""

    predicted: Floats
    """Shape (n, T); NaN where the target is undefined or no fold tests the utterance."""
    baseline: Floats
    """Mean of the training side of the fold that tested the utterance, shape (n, T)."""
    layers: list[str]
    """Layer chosen most often for each target; the later one of equals."""
    strengths: list[float]
    """Median over folds of the strength chosen for each target."""
    by_layer: Floats
    """Predictions from each layer alone at its own best strength, shape (L, n, T)."""


def ridge_predictions(
    train: Floats, test: Floats, targets: Floats, strengths: Sequence[float]
) -> Floats:
    """Predicts the test rows at every strength.

    Args:
        train: standardised embeddings, shape (n, d).
        test: embeddings on the same scale, shape (m, d).
        targets: shape (n, T), no NaN.
        strengths: penalties per row.

    Returns:
        Predictions of shape (strengths, m, T).
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
    """Predicts each target out of fold; strength and layer come from inner speaker folds.

    Where a training side has a single speaker, the last layer and the middle strength are used.

    Args:
        layers: layer name → embeddings, shape (n, dim).
        targets: shape (n, T); NaN where undefined.
        speakers: speaker of each row.
        folds: speaker-disjoint folds.
        strengths: penalties to choose from, increasing.
        inner_folds: at most so many inner speaker folds.
        seed: decides ties of the inner folds.
        sentences: what each row says, where the folds keep sentences apart: the inner folds then
            keep them apart too. Otherwise an embedding that knows sentences by heart, such as the
            control of the text, would be given too weak a penalty.
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
                found = ridge_predictions(*sides, targets[np.ix_(train, columns)], strengths)
                by_layer[layer][place] = found[picks[layer], :, own].T
            predicted[place] = by_layer[best[None], test[:, None], columns[None]]
            baseline[place] = targets[np.ix_(train, columns)].mean(0)
            for column, layer, at in zip(columns, best, picks[best, own], strict=True):
                chosen[column].append((int(layer), int(at)))
    names = list(layers)
    return RidgeResult(
        predicted,
        baseline,
        [names[_most_common([layer for layer, _ in picks])] for picks in chosen],
        [float(np.median([strengths[i] for _, i in picks] or [np.nan])) for picks in chosen],
        by_layer,
    )


def _patterns(targets: Floats) -> list[tuple[Ints, npt.NDArray[np.bool_]]]:
    """Groups the targets that are defined on the same rows: they share decompositions."""
    groups: dict[bytes, list[int]] = {}
    defined = ~np.isnan(targets)
    for column in range(targets.shape[1]):
        groups.setdefault(defined[:, column].tobytes(), []).append(column)
    return [(np.array(columns), defined[:, columns[0]]) for columns in groups.values()]


def _inner_folds(
    speakers: Sequence[str],
    sentences: Sequence[str] | None,
    train: Ints,
    folds: int,
    seed: int,
) -> list[tuple[Ints, Ints]]:
    """Rows to fit and rows to hold out, as disjoint as the outer folds; none for one speaker."""

    def group(names: Sequence[str]) -> Ints:
        own = [names[row] for row in train]
        return group_speakers(own, np.zeros(len(own), int), min(folds, len(set(own))), seed)

    voice = group(speakers)
    if not voice.max():
        return []
    by_voice = [(train[voice != g], train[voice == g]) for g in range(int(voice.max()) + 1)]
    if sentences is None:
        return by_voice
    # One sentence group to a speaker group: all pairs would cost the square of the folds.
    words = group(sentences)
    crossed = []
    for g in range(int(voice.max()) + 1):
        h = g % (int(words.max()) + 1)
        held = (voice == g) & (words == h)
        crossed.append((train[(voice != g) & (words != h)], train[held]))
    # Few sentences, or sentences of one speaker each, leave nothing to fit or to hold out.
    return crossed if all(len(a) > 1 and len(b) for a, b in crossed) else by_voice


def _choose(
    arrays: Sequence[Floats],
    targets: Floats,
    columns: Ints,
    inner: Sequence[tuple[Ints, Ints]],
    strengths: Sequence[float],
) -> tuple[Ints, Ints]:
    """The best layer of each column, and for every layer the position of its best strength.

    By squared error over inner folds; shapes (columns,) and (layers, columns).
    """
    if not inner:
        last = np.full(len(columns), len(arrays) - 1)
        return last, np.full((len(arrays), len(columns)), len(strengths) // 2)
    errors = np.zeros((len(arrays), len(strengths), len(columns)))
    for fit, held in inner:
        truth = targets[np.ix_(held, columns)]
        for layer, values in enumerate(arrays):
            sides = standardised(values, fit, held)
            found = ridge_predictions(*sides, targets[np.ix_(fit, columns)], strengths)
            errors[layer] += np.square(found - truth).sum(1)
    picks = errors.argmin(1)
    return errors.min(1).argmin(0), picks


def _most_common(values: Sequence[int]) -> int:
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], value)) if counts else 0
